"""BLIP and BLIP-2: a sentence for a picture."""

from __future__ import annotations

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.captioning_process.transformer import Transformer
from train_tools.captioners.session import Subject

BEAMS = 3
LEAST_TOKENS, MOST_TOKENS = 5, 75


class Blip:
    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer

    def words(self, subject: Subject) -> str:
        tokens = self._transformer.generate(
            subject.image, num_beams=BEAMS, min_new_tokens=LEAST_TOKENS, max_new_tokens=MOST_TOKENS
        )
        (text,) = self._transformer.processor.batch_decode(tokens, skip_special_tokens=True)
        return str(text).strip()


def open_blip(opening: Opening) -> Blip:
    return Blip(Transformer(opening, "BlipForConditionalGeneration"))


def open_blip_2(opening: Opening) -> Blip:
    return Blip(Transformer(opening, "Blip2ForConditionalGeneration"))
