"""The caption of one draw of an image."""

from __future__ import annotations

from random import Random

from sd_contract.datasets import DatasetItem


def draw_caption(item: DatasetItem, random: Random) -> str:
    """The caption, its comma-separated tags shuffled if the subset asks for it; the first `keep_tokens` tags stay.
    Without shuffling the text is used as it is."""
    if not item.subset.shuffle_caption:
        return item.caption
    tags = [tag.strip() for tag in item.caption.split(",")]
    kept, loose = tags[: item.subset.keep_tokens], tags[item.subset.keep_tokens :]
    random.shuffle(loose)
    return ", ".join([*kept, *loose])
