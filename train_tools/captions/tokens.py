"""How long captions are for the text encoder. SD1, SD2 and SDXL all read the tokens of CLIP's vocabulary; they
differ in how they fill up what is short, which counts for nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from sd_contract.base_models.vocabulary import END, START, find_vocabulary
from train_tools.model.captions import CaptionedImage, CaptionProblem, TokenCount, TokenReport

LENGTHS = (75, 150, 225)
"""What `max_token_length` can be; 75 is what it is when it isn't given (S4-18)."""

WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class TokenCounter:
    """Counts tokens as the trainer's tokenizer makes them. Raises BaseModelError, a contract's error, when there
    is no CLIP vocabulary on this machine."""

    def __init__(self, tokenizer_folder: Path | None = None, model_folder: Path | None = None) -> None:
        self._tokenizer = _tokenizer(tokenizer_folder, model_folder)

    def report(self, images: Iterable[CaptionedImage]) -> TokenReport:
        """Of what a training takes for the captions: their first lines, or the class."""
        listed = [image for image in images if not image.is_illegible]
        encodings = self._tokenizer.encode_batch([image.effective for image in listed], add_special_tokens=False)
        counts = [
            TokenCount(image=image.image, tokens=len(found.ids), cut=_cut(image.effective, found))
            for image, found in zip(listed, encodings, strict=True)
        ]
        longest = max((count.tokens for count in counts), default=0)
        return TokenReport(
            longest=longest,
            max_token_length=next((length for length in LENGTHS if longest <= length), LENGTHS[-1]),
            over={length: sum(count.tokens > length for count in counts) for length in LENGTHS},
            counts=tuple(sorted(counts, key=lambda count: (-count.tokens, count.image))),
        )

    def count(self, caption: str) -> int:
        return len(self._tokenizer.encode(caption, add_special_tokens=False).ids)

    def cut_at(self, caption: str, length: int) -> tuple[str, str]:
        """A caption in two: what is read with that length, and what is not."""
        found = self._tokenizer.encode(caption, add_special_tokens=False)
        cut = _cut(caption, found, length)
        return caption[: len(caption) - len(cut)], cut


def token_problems(report: TokenReport, length: int) -> Iterator[CaptionProblem]:
    """What to know when captions are trained with this `max_token_length`."""
    over = [count.image for count in report.counts if count.tokens > length]
    if not over:
        return
    longest = f"the longest has {report.longest}"
    if report.max_token_length > length:
        advice = f"Set max_token_length to {report.max_token_length}."
    else:
        advice = "No training reads more: shorten them."
    yield CaptionProblem(
        kind="tokens",
        sentence=f"{len(over)} captions have more than {length} tokens, {longest}; what is beyond is not read. "
        f"{advice}",
        images=tuple(over),
    )


def _cut(caption: str, found: Any, length: int = LENGTHS[-1]) -> str:
    if len(found.ids) <= length:
        return ""
    return caption[found.offsets[length][0] :]


@lru_cache(maxsize=4)
def _tokenizer(tokenizer_folder: Path | None, model_folder: Path | None) -> Any:
    """As transformers builds CLIP's, by the same library, but without loading transformers itself."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    vocabulary = find_vocabulary(tokenizer_folder, model_folder)
    tokenizer = Tokenizer(
        BPE(
            vocab=dict(vocabulary.ids),
            merges=list(vocabulary.merges),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=END,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([START, END])
    return tokenizer
