"""The validation loss, where a run has one (`validation_split`): the one number here that comes from images that
were not trained on. The bundled trainer tells it as events, kohya's scripts write it into their curves."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from train_tools.model.score import Score, Unscored
from train_tools.scoring.loss_curves import validation_losses
from train_tools.scoring.scorer import Subject, unscored

NAME = "validation"
NONE = "Its run has no validation loss. Set validation_split, and it has."
CURVES = ("loss/validation/epoch_average", "loss/validation/step_average", "loss/validation/average")
"""What kohya's scripts call it; the first that there is counts."""
CONFIDENCE = 0.7
RECORD = struct.Struct("<QI")
"""What stands before a record of an event file: its length and a checksum of that. One of the record follows."""
CHECKSUM_BYTES = 4


def score(subject: Subject) -> Score | Unscored:
    """The loss at the step of the checkpoint, or at the nearest before it."""
    if subject.curves is None:
        return unscored(NAME, NONE)
    if told := validation_losses(subject.curves):
        before = {step: loss for step, loss in told.items() if step <= subject.checkpoint.step}
        return _score(before, "events", "step") if before else unscored(NAME, "It was not measured so early.")
    points = points_in(subject.curves)
    for curve in CURVES:
        place = subject.checkpoint.epoch if curve.endswith("epoch_average") else subject.checkpoint.step
        before = {at: loss for at, loss in points.get(curve, {}).items() if at <= place}
        if before:
            return _score(before, curve, "epoch" if "epoch" in curve else "step")
    return unscored(NAME, NONE)


def _score(losses: Mapping[int, float], curve: str, unit: str) -> Score:
    """The last of these losses, by epoch or step."""
    at = max(losses)
    return Score(
        scorer=NAME,
        value=losses[at],
        confidence=CONFIDENCE,
        evidence=f"Validation loss {losses[at]:.4f} at {unit} {at}.",
        details={"curve": curve, "at": at},
    )


def points_in(folder: Path) -> dict[str, dict[int, float]]:
    """Every number in the event files below a folder, by curve and step; what a later file says counts."""
    points: dict[str, dict[int, float]] = {}
    for file in sorted(folder.rglob("*tfevents*")):
        for event in _events(file):
            for value in event.summary.value:
                points.setdefault(value.tag, {})[event.step] = _number(value)
    return points


def _events(file: Path) -> Iterator[Any]:
    """The events in a file as far as it is whole."""
    event_class = import_module("tensorboardX.proto.event_pb2").Event
    with file.open("rb") as content:
        while len(head := content.read(RECORD.size)) == RECORD.size:
            length, _ = RECORD.unpack(head)
            record = content.read(length)
            if len(record) < length or len(content.read(CHECKSUM_BYTES)) < CHECKSUM_BYTES:
                return
            yield event_class.FromString(record)


def _number(value: Any) -> float:
    numbers = value.tensor.float_val
    return float(numbers[0]) if value.HasField("tensor") and numbers else float(value.simple_value)
