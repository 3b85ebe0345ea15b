"""How much is trained: how often each image is seen, how long each concept is, what regularisation adds."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

STEPS, REGULARISATION = "steps", "regularisation"
LEAST, MOST = 25, 400
"""Times an image is seen: guides ask for 25 to 200 (S0-26, S4-25); twice that is told."""
USUAL = 100
PER_CONCEPT = 1000
"""What other guides count by (S3-13)."""


def amounts(prospect: Prospect) -> Iterator[Finding]:
    for candidate in prospect.candidates:
        if candidate.dataset.image_count:
            yield from _views(candidate)
        yield from _regularisation(candidate)


def _views(candidate: Candidate) -> Iterator[Finding]:
    dataset, planned = candidate.dataset, candidate.planned
    views, concepts = planned.views, max(1, len(dataset.folders))
    what = (
        f"{planned.steps:,} steps: each of {dataset.image_count:,} images is seen about {views:,.0f} times, and "
        f"there are {views * dataset.image_count / concepts:,.0f} views of each concept (usual: {PER_CONCEPT:,})."
    )
    if LEAST <= views <= MOST:
        yield candidate.finds(STEPS, Level.OK, what)
        return
    epochs = max(1, ceil(planned.epochs * USUAL / max(views, 1e-9)))
    few = views < LEAST
    yield candidate.finds(
        STEPS,
        Level.WARNING,
        f"{what} {'That is seldom enough to learn it' if few else 'That mostly learns the pictures by heart'}.",
        f"For {USUAL} views: max_train_epochs={epochs}, or other repeats.",
    )


def _regularisation(candidate: Candidate) -> Iterator[Finding]:
    dataset = candidate.dataset
    if not dataset.regularisation:
        return
    drawn = dataset.images_per_epoch
    there = sum(len(folder.images) for folder in dataset.regularisation)
    if there > drawn:
        yield candidate.finds(
            REGULARISATION,
            Level.WARNING,
            f"{there:,} regularisation images, of which only the first {drawn:,} are used: no more than an epoch "
            "draws of the others.",
            "Raise the repeats, or leave it so.",
        )
    else:
        yield candidate.finds(
            REGULARISATION,
            Level.OK,
            f"{there:,} regularisation images: half of all steps are theirs, so training takes twice as long.",
        )
