"""Florence-2 by its native class. The repositories of its makers need their own code, which is not run; those of
florence-community don't."""

from __future__ import annotations

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.captioning_process.transformer import Transformer
from train_tools.captioners.session import Subject
from train_tools.model.captioning import Detail

TASKS = {
    Detail.BRIEF: "<CAPTION>",
    Detail.DETAILED: "<DETAILED_CAPTION>",
    Detail.MORE_DETAILED: "<MORE_DETAILED_CAPTION>",
}
"""What it is asked; nothing may stand beside."""
BEAMS = 3
MOST_TOKENS = 256
"""More than its longest descriptions have."""


class Florence:
    def __init__(self, transformer: Transformer, detail: Detail) -> None:
        self._transformer = transformer
        self._task = TASKS[detail]

    def words(self, subject: Subject) -> str:
        tokens = self._transformer.generate(
            subject.image, text=self._task, num_beams=BEAMS, max_new_tokens=MOST_TOKENS
        )
        processor = self._transformer.processor
        (text,) = processor.batch_decode(tokens, skip_special_tokens=False)
        told = processor.post_process_generation(text, task=self._task, image_size=subject.image.size)
        return str(told[self._task]).replace("<pad>", "").strip()


def open_florence(opening: Opening) -> Florence:
    return Florence(Transformer(opening, "Florence2ForConditionalGeneration"), opening.settings.detail)
