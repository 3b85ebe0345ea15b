"""Findings about what is trained how much: folders against each other, and regularisation images."""

from __future__ import annotations

from collections.abc import Iterator

from train_tools.checks.subject import Subject, count, fine, warning
from train_tools.datasets.folders import class_of
from train_tools.model.checks import Cure, CureKind, DatasetFinding

BALANCE, REGULARISATION = "balance", "regularisation"
LOPSIDED = 3.0
"""A folder that is drawn so many times as often as another is told."""


def balance(subject: Subject) -> Iterator[DatasetFinding]:
    """S4-10."""
    shares = subject.shares
    if len(shares) < 2:
        return
    told = ", ".join(f"{each.folder} {each.share:.0%} ({each.images} x {each.repeats})" for each in shares)
    most, least = max(shares, key=lambda each: each.draws), min(shares, key=lambda each: each.draws)
    if most.draws <= LOPSIDED * least.draws:
        yield fine(BALANCE, f"An epoch draws {told}.")
        return
    repeats = max(1, round(most.draws / least.images))
    yield warning(
        BALANCE,
        f"An epoch draws {told}: {most.folder} teaches {most.draws / least.draws:.0f} times as much as "
        f"{least.folder}.",
        cure=f"Draw each of {least.folder} {repeats} times, if all are to be learnt alike. The next preparation "
        "goes by its own repeats again.",
        remedy=Cure(kind=CureKind.SET_REPEATS, arguments={"folder": least.folder, "repeats": repeats}),
    )


def regularisation(subject: Subject) -> Iterator[DatasetFinding]:
    """S1-33: of the class that is trained, and not more than are drawn."""
    classes = {class_of(share.folder) for share in subject.shares}
    strangers = [name for name in subject.regularisation if class_of(name) not in classes]
    if strangers:
        wanted = " or ".join(sorted(filter(None, classes))) or "a class that is trained"
        yield warning(
            REGULARISATION,
            f"reg/{strangers[0]} is of no class that is trained, so it does not count.",
            cure=f"Call it <repeats>_{wanted}.",
        )
    there = sum(number for name, number in subject.regularisation.items() if name not in strangers)
    drawn = sum(share.draws for share in subject.shares)
    if there > drawn:
        yield warning(
            REGULARISATION,
            f"Of {count(there, 'regularisation image')}, only {drawn:,} are used: as many as an epoch draws of "
            "the others.",
            cure="Raise the repeats, or leave it so.",
        )
    elif there:
        yield fine(
            REGULARISATION,
            f"{count(there, 'regularisation image')} are half of what is trained, the folders' the other half.",
        )
