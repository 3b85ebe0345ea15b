"""Findings about masks: those that fit no image, and images that lack theirs."""

from __future__ import annotations

from collections.abc import Iterator

from train_tools.checks.subject import Subject, count, named, warning
from train_tools.model.checks import Cure, CureKind, DatasetFinding

MASKS = "masks"


def masks(subject: Subject) -> Iterator[DatasetFinding]:
    if subject.misfits:
        told = [f"{each.source} ({each.reason})" for each in subject.misfits]
        yield warning(
            MASKS,
            f"Masks that don't fit: {len(told)}: {named(told)}.",
            cure="Make them anew for the training images as they are now, or take them away.",
        )
    lacking = subject.unmasked
    if not lacking or subject.option("alpha_mask") or subject.option("conditioning_data_dir"):
        return
    if len(lacking) == len(subject.images):
        yield warning(
            MASKS,
            "masked_loss is set, but there are no masks, so it has no effect.",
            cure="Import masks, or train without it.",
            remedy=Cure(kind=CureKind.SET_OPTIONS, arguments={"values": {"masked_loss": False}}),
        )
    else:
        yield warning(
            MASKS,
            f"Without a mask, where others have one: {count(len(lacking))}: {named(lacking)}. No run starts so.",
            lacking,
            "Give them masks by which all of the picture counts.",
            Cure(kind=CureKind.FILL_MASKS, arguments={"images": list(lacking)}),
        )
