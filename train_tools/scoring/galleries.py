"""What a model saw on a checkpoint's previews: the file it is kept in, the numbers in it, and which files are
missing. A file is known by the model, the pictures and the training images, so nothing is looked at twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.model.score import Unscored
from train_tools.scoring.lookers import TAGGER, Looker
from train_tools.scoring.measured import kept
from train_tools.scoring.request import Gallery, Looking, Shown
from train_tools.scoring.scorer import Subject, unscored

MANNER = 1
MOST_TRAINING = 48
"""Training images that a picture is compared with at most."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen on a checkpoint's previews, and on those of the base model alone."""

    own: Sequence[dict[str, Any]]
    base: Sequence[dict[str, Any]]
    training: float | None = None
    """How alike the training images are to one another."""

    @staticmethod
    def numbers(rows: Iterable[dict[str, Any]], what: str) -> list[float]:
        return [float(row[what]) for row in rows if row.get(what) is not None]


def seen_by(looker: str, scorer: str, subject: Subject) -> Seen | Unscored:
    """What a looker saw for a scorer, or why there is nothing."""
    model = subject.lookers.get(looker)
    if not subject.pictures:
        return unscored(scorer, "There are no previews of it yet: `train-tools preview`.")
    if model is None:
        return unscored(scorer, "Nothing was said about the model that would look at its previews.")
    found = kept(file_of(subject, model))
    if found is None:
        return unscored(scorer, model.reason or "It is not looked at yet: `train-tools score` does it.")
    return Seen(own=found["own"], base=found["base"], training=found.get("training"))


def file_of(subject: Subject, looker: Looker) -> Path:
    """Where what is seen on the pictures that are there now belongs."""
    pictures = sorted(f"{each.key} {each.base is not None}" for each in subject.pictures)
    training = "" if looker.name == TAGGER else subject.measurement.dataset
    return subject.measured.file(
        looker.name,
        MANNER,
        model=looker.model,
        lora=subject.content,
        training=training,
        pictures=hashlib.sha256("\n".join(pictures).encode()).hexdigest(),
    )


def not_seen(subjects: Iterable[Subject], *, download: bool) -> tuple[Looking, ...]:
    """What lookers have not looked at that are on this machine, or may be fetched; by looker and training
    images."""
    groups: dict[tuple[str, str, str], list[Subject]] = {}
    for subject in subjects:
        for looker in subject.lookers.values():
            is_there = looker.place is not None or (download and looker.can_be_fetched)
            if is_there and subject.pictures and kept(file_of(subject, looker)) is None:
                groups.setdefault((looker.name, looker.chosen, subject.measurement.dataset), []).append(subject)
    return tuple(
        Looking(
            looker=name,
            chosen=chosen,
            training=() if name == TAGGER else _spread(group[0].training),
            galleries=tuple(_gallery(subject, subject.lookers[name]) for subject in group),
        )
        for (name, chosen, _), group in groups.items()
    )


def _gallery(subject: Subject, looker: Looker) -> Gallery:
    return Gallery(
        file=str(file_of(subject, looker)),
        own=tuple(Shown(file=str(each.file), prompt=each.prompt) for each in subject.pictures),
        base=tuple(
            Shown(file=str(each.base), prompt=each.prompt) for each in subject.pictures if each.base is not None
        ),
    )


def _spread(images: Sequence[Path]) -> tuple[str, ...]:
    """All, or as many as are looked at, spread evenly over them."""
    most = min(MOST_TRAINING, len(images))
    return tuple(str(images[place * len(images) // most]) for place in range(most))
