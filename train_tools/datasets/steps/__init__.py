"""The steps from an original to training images, in the order in which they run; one step per module.

A step takes one picture and gives one or more. To add one: a module with such a function, a line here, a test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from train_tools.datasets.steps.background import laid_on_background
from train_tools.datasets.steps.colours import in_eight_bit_colours
from train_tools.datasets.steps.fit import fitted
from train_tools.datasets.steps.mirror import with_mirrored_copy
from train_tools.datasets.steps.upright import turned_upright
from train_tools.model.dataset import Preparation

if TYPE_CHECKING:
    from PIL import Image

Step = Callable[["Image.Image", Preparation], Sequence["Image.Image"]]

STEPS: tuple[Step, ...] = (
    turned_upright,
    in_eight_bit_colours,
    laid_on_background,
    fitted,
    with_mirrored_copy,
)


def prepared(picture: Image.Image, preparation: Preparation) -> Sequence[Image.Image]:
    """The training images that the steps make of an original: RGB, all of one size."""
    pictures = [picture]
    for step in STEPS:
        pictures = [made for each in pictures for made in step(each, preparation)]
    return pictures
