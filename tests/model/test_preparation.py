from __future__ import annotations

from pathlib import Path

import pytest

from train_tools.errors import DatasetNotUsableError
from train_tools.model.dataset import Dataset, DatasetFolder, TrainingImage
from train_tools.model.preparation import Preparation


@pytest.mark.parametrize("side", [64, 512, 4096])
def test_sides_that_latents_can_hold_are_taken(side):
    assert Preparation(width_px=side, height_px=side).width_px == side


@pytest.mark.parametrize("side", [0, -512, 56, 4104, 513, 508 + 1])
def test_other_sides_are_told_with_what_is_allowed(side):
    for sides in ({"width_px": side}, {"height_px": side}):
        with pytest.raises(DatasetNotUsableError, match=f"{side} can't be used: .* multiple of 8 from 64 to 4096"):
            Preparation(**sides)


def test_repeats_count_for_an_epoch_and_not_for_the_images():
    image = TrainingImage(path=Path("a.png"), caption="")
    folders = tuple(
        DatasetFolder(path=Path(str(repeats)), repeats=repeats, class_name="cat", images=(image,) * images)
        for repeats, images in ((10, 3), (1, 2))
    )
    dataset = Dataset(folders=folders, regularisation=folders, content="x")
    assert (dataset.image_count, dataset.images_per_epoch) == (5, 32)
