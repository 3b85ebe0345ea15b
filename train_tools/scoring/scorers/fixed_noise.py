"""How well a checkpoint removes noise from its training images: the loss of training, but with the same images,
timesteps and noise for every checkpoint and for the base model alone, so that chance is taken out of what is
compared. Measured by `train_tools.scoring.measuring_process`.

More training on the same images goes on lowering it: it tells a good run from an undertrained one and from a burnt
one, not the last good epoch from the first that only remembers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.measured import Measured, Measurement, kept
from train_tools.scoring.scorer import Subject, sureness_by, unscored

NAME = "fixed-noise"
MANNER = 1
MOST_IMAGES = 32
TIMESTEPS = 4
"""Of each image, one of each quarter of the schedule."""
CLEAR = 2.0
"""Standard errors from which on a difference counts."""
LEAST_GAIN = 0.01
MOST_CONFIDENCE = 0.9

Losses = Sequence[Sequence[float | None]]
"""By image, then by timestep; None where it is no number."""


def file_of(measured: Measured, measurement: Measurement, content: str) -> Path:
    """Where the losses of a checkpoint belong, or those of the base model alone (`content` "")."""
    return measured.file(NAME, MANNER, measurement=measurement.key, lora=content)


def score(subject: Subject) -> Score | Unscored:
    """The share of the base model's loss that the LoRA takes away; below 0 it adds to it."""
    own, base = (
        kept(file_of(subject.measured, subject.measurement, content)) for content in (subject.content, "")
    )
    if own is None or base is None:
        return unscored(NAME, "It is not measured yet: `train-tools score` does it.")
    if own.get("problem"):
        return unscored(NAME, str(own["problem"]))
    if base.get("problem") or _is_broken(base["losses"]):
        return unscored(NAME, "The base model alone gives no numbers for these images.")
    if _is_broken(own["losses"]):
        return Score(
            scorer=NAME,
            value=None,
            confidence=1.0,
            evidence="With it the model says what are no numbers any more.",
            remarks=(Remark.BURNT,),
        )
    return _compared(own["losses"], base["losses"], own)


def _is_broken(losses: Losses) -> bool:
    return any(loss is None for each in losses for loss in each)


def _compared(own: Losses, base: Losses, facts: Mapping[str, Any]) -> Score:
    """Each image is compared with itself: what is hard about it for either cancels out."""
    own_means, base_means = _by_image(own), _by_image(base)
    loss, before = mean(own_means), mean(base_means)
    gains = [(b - o) / before for o, b in zip(own_means, base_means, strict=True)]
    gain = mean(gains)
    error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else abs(gain)
    times = abs(gain) / error if error else math.inf
    remarks, verdict = _verdict(gain, times)
    return Score(
        scorer=NAME,
        value=gain,
        error=error,
        confidence=min(MOST_CONFIDENCE, sureness_by(times)),
        evidence=f"Loss {loss:.4f} on {len(gains)} training images, {before:.4f} without it: {abs(gain):.0%} "
        f"{'less' if gain >= 0 else 'more'} (+- {error:.0%}); {verdict}.",
        remarks=remarks,
        details={"loss": loss, "base": before, "by timestep": _by_timestep(own), "timesteps": facts["timesteps"]},
    )


def _verdict(gain: float, times: float) -> tuple[tuple[Remark, ...], str]:
    if gain < -LEAST_GAIN and times > CLEAR:
        return (Remark.BURNT,), "the model knew its own training images better before"
    if abs(gain) < LEAST_GAIN:
        return (Remark.NO_EFFECT,), "it has learnt next to nothing yet"
    return (), "it has learnt from them" if gain > 0 and times > CLEAR else "that may be chance"


def _by_image(losses: Losses) -> list[float]:
    return [mean(float(loss or 0.0) for loss in each) for each in losses]


def _by_timestep(losses: Losses) -> list[float]:
    """The mean loss of each quarter of the schedule, from little noise to much."""
    return [mean(float(loss or 0.0) for loss in quarter) for quarter in zip(*losses, strict=True)]
