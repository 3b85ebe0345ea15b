"""Findings by what images look like: broken, flat, blurred, nearly the same, transparent, of another palette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
SOFT = 0.55
"""Blur above which a picture looks out of focus ..."""
SOFTER_THAN_USUAL = 0.15
"""... and it has to be so much above the set's middle: a set may be meant to be soft."""
GREY, COLOURED = 6.0, 30.0
"""Mean saturation, 0 to 255."""
FEW = 0.2


def broken(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.problem]
    if found:
        told = [f"{image} ({subject.looks[image].problem})" for image in found]
        yield warning(
            BROKEN,
            f"Can't be read: {count(len(found))}: {named(told)}.",
            found,
            "Put them aside, or replace them.",
            put_aside(found),
        )


def flat(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.is_flat]
    if found:
        yield warning(
            FLAT,
            f"Of one flat colour: {count(len(found))}: {named(found)}.",
            found,
            "Put them aside: there is nothing to learn.",
            put_aside(found),
        )


def blurred(subject: Subject) -> Iterator[DatasetFinding]:
    """Compared with the others as well: drawings may be smooth, and a set may be meant to be soft."""
    blur = {image: look.blur for image, look in subject.looks.items() if not look.problem and not look.is_flat}
    if len(blur) < ENOUGH_TO_COMPARE:
        return
    usual = median(blur.values())
    found = [image for image, each in blur.items() if each > max(SOFT, usual + SOFTER_THAN_USUAL)]
    if found:
        found.sort(key=lambda image: -blur[image])
        told = [f"{image} ({blur[image]:.2f})" for image in found]
        yield warning(
            BLUR,
            f"Blurred: {count(len(found))}: {named(told)}; usual here is {usual:.2f}.",
            found,
            "Look at them; put aside what is out of focus.",
            put_aside(found),
        )


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
            f"Nearly the same as another: {count(len(pairs))}: {named(pairs)}. Such are learnt twice as much as "
            "the rest.",
            doubles,
            "Put aside the smaller or less sharp one of each.",
            put_aside(doubles),
        )


def _worth(subject: Subject, image: str) -> tuple[int, float]:
    """Of images that look alike, the one to keep is the largest, then the sharpest."""
    width, height = subject.sizes.get(image, (0, 0))
    look = subject.looks.get(image)
    return width * height, -look.blur if look else -1.0


def transparent(subject: Subject) -> Iterator[DatasetFinding]:
    found = [image for image, look in subject.looks.items() if look.transparent]
    if found and not subject.option("alpha_mask"):
        yield warning(
            TRANSPARENT,
            f"With transparent parts: {count(len(found))}: {named(found)}. Trainings see whatever colour "
            "lies under them.",
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
            f"Grey among coloured ones: {count(len(grey))}: {named(grey)}.",
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
