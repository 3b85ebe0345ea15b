"""Findings by what images look like: broken, flat, blurred, nearly the same, transparent, of another palette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from statistics import median

from train_tools.checks.looks import Look
from train_tools.checks.subject import Subject, count, fine, named, warning
from train_tools.datasets.fingerprints import Likenesses
from train_tools.model.checks import Cure, CureKind, DatasetFinding

BLUR, DUPLICATES, BROKEN, FLAT, TRANSPARENT, COLOURS = (
    "blur",
    "near-duplicates",
    "broken",
    "flat",
    "transparency",
    "colours",
)
ENOUGH_TO_COMPARE = 5
FAR_OFF = 3.0
"""Sharpness so many deviations (1.4826 median deviations, of logarithms) below the set's middle is told ..."""
PART_OF_MEDIAN = 0.25
"""... if it is also less than this part of the middle: in a set of one kind, a little less is nothing."""
GREY, COLOURED = 6.0, 30.0
"""Mean saturation, 0 to 255."""
FEW = 0.2


def broken(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.problem]
    if found:
        told = [f"{image} ({subject.looks[image].problem})" for image in found]
        yield warning(
            BROKEN,
            f"{count(len(found))} can't be read: {named(told)}.",
            found,
            "Put them aside, or replace them.",
            put_aside(found),
        )


def flat(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.is_flat]
    if found:
        yield warning(
            FLAT,
            f"{count(len(found))} show one flat colour: {named(found)}.",
            found,
            "Put them aside: there is nothing to learn.",
            put_aside(found),
        )


def blurred(subject: Subject) -> Iterator[DatasetFinding]:
    """Compared with the others only: drawings are smoother than photographs, and a set may be meant to be soft."""
    sharpness = {image: look.sharpness for image, look in subject.looks.items() if look.sharpness > 0}
    found = unusually_low(sharpness)
    if found:
        middle = median(sharpness.values())
        told = [f"{image} ({sharpness[image] / middle:.0%})" for image in found]
        yield warning(
            BLUR,
            f"{count(len(found))} are blurred, compared with the others (sharpness, as a part of the usual): "
            f"{named(told)}.",
            found,
            "Look at them; put aside what is out of focus.",
            put_aside(found),
        )


def unusually_low(values: dict[str, float]) -> list[str]:
    """The names of values far below the rest, lowest first."""
    if len(values) < ENOUGH_TO_COMPARE:
        return []
    logarithms = {name: log(value) for name, value in values.items()}
    middle = median(logarithms.values())
    spread = 1.4826 * median(abs(each - middle) for each in logarithms.values())
    limit = min(middle - FAR_OFF * spread, middle + log(PART_OF_MEDIAN))
    return sorted((name for name, each in logarithms.items() if each < limit), key=lambda name: values[name])


def near_duplicates(subject: Subject) -> Iterator[DatasetFinding]:
    """Among originals: parts and copies of one original are meant to look alike."""
    alike, groups = Likenesses(), {group[0]: group for group in subject.originals()}
    doubles: list[str] = []
    pairs: list[str] = []
    for first in sorted(groups, key=lambda image: _worth(subject, image), reverse=True):
        look = subject.looks.get(first)
        if look is None or look.problem or look.is_flat:
            continue
        near = alike.nearest(int(look.looks, 16))
        if near:
            pairs.append(f"{first} like {near[0]}")
            doubles += groups[first]
        else:
            alike.add(first, int(look.looks, 16))
    if pairs:
        yield warning(
            DUPLICATES,
            f"{count(len(pairs))} look like another: {named(pairs)}. They are learnt twice as much as the rest.",
            doubles,
            "Put aside the smaller or less sharp one of each.",
            put_aside(doubles),
        )


def _worth(subject: Subject, image: str) -> tuple[int, float]:
    """Of images that look alike, the one to keep is the largest, then the sharpest."""
    width, height = subject.sizes.get(image, (0, 0))
    look = subject.looks.get(image)
    return width * height, look.sharpness if look else 0.0


def transparent(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.transparent]
    if found and not subject.option("alpha_mask"):
        yield warning(
            TRANSPARENT,
            f"{count(len(found))} have transparent parts: {named(found)}. Trainings see whatever colour lies "
            "under them.",
            found,
            "Let their opacity weigh the loss, or prepare them on a background.",
            Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"alpha_mask": True, "masked_loss": True}}),
        )


def colours(subject: Subject) -> Iterator[DatasetFinding]:
    """A few grey images among coloured ones."""
    looks = {image: look for image, look in subject.looks.items() if _has_colours(look)}
    grey = [image for image, look in looks.items() if look.colour < GREY]
    if not grey or len(looks) < ENOUGH_TO_COMPARE or median(look.colour for look in looks.values()) < COLOURED:
        return
    if len(grey) <= FEW * len(looks):
        yield warning(
            COLOURS,
            f"{count(len(grey))} are grey among coloured ones: {named(grey)}.",
            grey,
            "Say so in their captions (monochrome), or put them aside.",
            put_aside(grey),
        )
    else:
        yield fine(COLOURS, f"{len(grey)} of {count(len(looks))} are grey.", grey)


def _has_colours(look: Look) -> bool:
    return not look.problem and not look.is_flat


def put_aside(images: Sequence[str]) -> Cure:
    return Cure(kind=CureKind.PUT_ASIDE, arguments={"images": list(images)})
