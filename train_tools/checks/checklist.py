"""All checks of a dataset, in the order in which a person would make them. A new one: a function, a line here, a
test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from train_tools.checks.balance import balance, regularisation
from train_tools.checks.masking import masks
from train_tools.checks.pixels import blurred, broken, colours, flat, near_duplicates, transparent
from train_tools.checks.sizes import model_resolution, ratios, resolution
from train_tools.checks.subject import Subject
from train_tools.checks.wording import captions, kept_words, tokens
from train_tools.model.checks import DatasetFinding
from train_tools.model.finding import Level

Check = Callable[[Subject], Iterator[DatasetFinding]]

CHECKS: tuple[Check, ...] = (
    broken,
    flat,
    transparent,
    model_resolution,
    resolution,
    ratios,
    blurred,
    near_duplicates,
    colours,
    captions,
    kept_words,
    tokens,
    masks,
    balance,
    regularisation,
)
BEFORE_A_RUN: tuple[Check, ...] = (flat, transparent, blurred, near_duplicates, kept_words, tokens)
"""What the pre-flight does not look at by itself. Pixels only as far as they were looked at before."""


def found_in(subject: Subject, checks: Sequence[Check] = CHECKS) -> list[DatasetFinding]:
    """The worst first."""
    found = [finding for check in checks for finding in check(subject)]
    return sorted(found, key=lambda finding: list(Level).index(finding.level), reverse=True)
