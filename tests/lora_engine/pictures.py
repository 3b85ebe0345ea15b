"""Images that are only described: what most tests of drawing need."""

from __future__ import annotations

from pathlib import Path

from sd_contract.datasets import DatasetItem, Subset
from sd_contract.images.buckets import BucketRule, place


def described(name="a.png", caption="a, b, c", size=(64, 64), resolution=(64, 64), **values) -> DatasetItem:
    """An item that no file stands behind."""
    subset = Subset(image_dir=Path("images"), **values)
    return DatasetItem(
        image=subset.image_dir / name,
        caption=caption,
        repeats=1,
        subset=subset,
        size=size,
        placement=place(size, BucketRule(resolution=resolution)),
    )
