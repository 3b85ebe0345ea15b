"""The steps from an original to training images, in the order in which they run; one step per module.

A step takes one picture and gives one or more. To add one: a module with such a function, a line here, a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps.background import laid_on_background
from train_tools.preparation.steps.colours import in_eight_bit_colours
from train_tools.preparation.steps.crop import cut_by_hand
from train_tools.preparation.steps.foreground import without_background
from train_tools.preparation.steps.framing import framed
from train_tools.preparation.steps.mirror import with_mirrored_copies
from train_tools.preparation.steps.scatter import with_random_copies
from train_tools.preparation.steps.upright import turned_upright

if TYPE_CHECKING:
    from PIL import Image

Step = Callable[["Image.Image", Preparation, Original], Sequence["Image.Image"]]

STEPS: Mapping[str, Step] = {
    "turned upright": turned_upright,
    "in 8-bit colours": in_eight_bit_colours,
    "cut by hand": cut_by_hand,
    "without its background": without_background,
    "laid on the background": laid_on_background,
    "framed": framed,
    "with random copies": with_random_copies,
    "with mirrored copies": with_mirrored_copies,
}
"""By what the picture is afterwards."""


def prepared(
    picture: Image.Image, preparation: Preparation, original: Original | None = None
) -> Sequence[Image.Image]:
    """The training images that the steps make of an original, in RGB. Raises NotAPictureError saying why there
    are none."""
    *_, (_, pictures) = stages(picture, preparation, original)
    return pictures


def stages(
    picture: Image.Image, preparation: Preparation, original: Original | None = None
) -> Iterator[tuple[str, Sequence[Image.Image]]]:
    """What there is after each step, with its name."""
    pictures: Sequence[Image.Image] = (picture,)
    for name, step in STEPS.items():
        pictures = [made for each in pictures for made in step(each, preparation, original or Original())]
        yield name, pictures
