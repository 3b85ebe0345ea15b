"""Regularisation images beside those to train on: how often each is drawn, and whether they belong together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from sd_contract.datasets.description import Dataset, Subset
from sd_contract.errors import DatasetError


class Drawn(Protocol):
    """An image of a subset, with its caption, that an epoch draws so often."""

    @property
    def subset(self) -> Subset: ...

    @property
    def repeats(self) -> int: ...

    @property
    def caption(self) -> str: ...


def balanced_repeats(repeats: Sequence[int], wanted: int) -> list[int]:
    """How often each regularisation image is drawn so that together they reach `wanted` training images:
    first each with its own repeats, then once more each in turn; images left over are not drawn."""
    counts, total = [0] * len(repeats), 0
    for position, own in enumerate(repeats):
        if total < wanted:
            counts[position], total = own, total + own
    while counts and total < wanted:
        for position in range(len(counts)):
            if total < wanted:
                counts[position], total = counts[position] + 1, total + 1
    return counts


def regularisation_warnings(dataset: Dataset, items: Sequence[Drawn]) -> Iterator[str]:
    """What about the regularisation images looks like an oversight. DatasetError when there are no others."""
    kept = [item.repeats for item in items if item.subset.is_reg]
    wanted = sum(item.repeats for item in items if not item.subset.is_reg)
    if kept and not wanted:
        folders = ", ".join(str(subset.image_dir) for subset in dataset.subsets)
        raise DatasetError(
            f"{folders}: there are only regularisation images, and they are drawn as often as the others. Name a "
            "folder of images to train on too."
        )
    unused = balanced_repeats(kept, wanted).count(0)
    if unused:
        yield (
            f"{unused} of {len(kept)} regularisation images are not drawn: an epoch draws {wanted} training "
            "images, and as many of them. Raise num_repeats of the training images to use more."
        )
    trained = [
        _words(f"{item.caption} {item.subset.class_tokens or ''}") for item in items if not item.subset.is_reg
    ]
    for subset in dataset.subsets:
        own = _words(subset.class_tokens or "")
        if subset.is_reg and own and not any(own <= words for words in trained):
            yield (
                f"the regularisation images in {subset.image_dir} are of the class {subset.class_tokens!r}, which "
                "is in no caption and no class of the training images: they keep what is not being changed. "
                "Correct one of the classes."
            )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold().replace("_", " ")))
