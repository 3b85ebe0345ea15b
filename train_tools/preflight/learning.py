"""Learning rates that teach nothing, or too much at once."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

LEARNING_RATE = "learning rate"
RATES = ("learning_rate", "unet_lr", "text_encoder_lr")
SELF_TUNING = ("prodigy", "dadapt")
"""Beginnings of the names of optimizers that find the rate themselves, and take the number as a factor."""
LARGE_STEPS = ("sgd", "adadelta", "muon", "lamb")
"""Beginnings of the names of those that want rates a hundred times as high as the others."""
LOW, HIGH = 1e-6, 1e-2
FACTOR = 0.1
"""A factor below is a rate that was left standing."""


def learning(prospect: Prospect) -> Iterator[Finding]:
    for candidate in prospect.candidates:
        yield from _rate(candidate)
    yield from _batches(prospect)


def _rate(candidate: Candidate) -> Iterator[Finding]:
    rate = _unet_rate(candidate)
    optimizer = str(candidate.value("optimizer_type") or "AdamW")
    finds_itself = optimizer.casefold().startswith(SELF_TUNING)
    if not rate or candidate.value("network_train_text_encoder_only"):
        return
    if finds_itself and rate < FACTOR:
        yield candidate.finds(
            LEARNING_RATE,
            Level.WARNING,
            f"{optimizer} finds the learning rate itself and multiplies it by {rate:g}: it would hardly learn.",
            "Set learning_rate=1 and leave unet_lr and text_encoder_lr out.",
        )
    elif not finds_itself and rate < LOW * 3 and not any(candidate.options.get(name) for name in RATES):
        yield candidate.finds(
            LEARNING_RATE,
            Level.WARNING,
            f"No learning rate is set, and the trainer's own is {rate:g}: it would hardly learn.",
            "Set unet_lr=1e-4 and text_encoder_lr=5e-5, say.",
        )
    elif not finds_itself and rate < LOW:
        yield candidate.finds(
            LEARNING_RATE, Level.WARNING, f"A learning rate of {rate:g} hardly learns.", "1e-4 is usual."
        )
    elif not finds_itself and rate > HIGH and not optimizer.casefold().startswith(LARGE_STEPS):
        yield candidate.finds(
            LEARNING_RATE,
            Level.WARNING,
            f"With {optimizer}, a learning rate of {rate:g} mostly ends in noise or no number at all.",
            "1e-4 is usual.",
        )


def _unet_rate(candidate: Candidate) -> float:
    rate = candidate.value("unet_lr")
    return float(candidate.value("learning_rate") or 0.0) if rate is None else float(rate)


def _batches(prospect: Prospect) -> Iterator[Finding]:
    """Runs that differ in how many images a step takes, but not in the learning rate, learn differently fast."""
    rates: dict[float, set[int]] = {}
    for candidate in prospect.candidates:
        rates.setdefault(_unet_rate(candidate), set()).add(candidate.planned.images_per_step)
    for rate, sizes in rates.items():
        if len(sizes) > 1 and len(rates) == 1:
            least, most = min(sizes), max(sizes)
            yield Finding(
                check="batch",
                level=Level.WARNING,
                message=f"Steps of {least} and of {most} images learn with the same rate, {rate:g}: the larger "
                f"ones take {most / least:g} times fewer steps an epoch and learn less.",
                cure=f"Link the rate to the batch: --set 'unet_lr=={rate / least:g}*train_batch_size' (or by its "
                f"root: {rate * sqrt(most / least):.2g} for {most}).",
            )
