"""The running loss, the line that shows it and the curves that keep it. Losses stay on the device until they are
ready, so that a GPU is not made to wait at each step."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from lora_engine.data.batches import Step
from lora_engine.errors import NotANumberError
from lora_engine.output.reporting import LossyStream, Reporter
from sd_contract.curves import (
    AVERAGE_LOSS,
    DIVERGENCE_BY_EPOCH,
    DIVERGENCE_BY_STEP,
    EPOCH_LOSS,
    LIMITED_LAYERS,
    LOSS,
    MEAN_LAYER,
    VALIDATION_BY_EPOCH,
    VALIDATION_BY_STEP,
)
from sd_contract.events import Validated

SHOWN = {MEAN_LAYER: "Average key norm", LIMITED_LAYERS: "Keys Scaled"}
BY_STEP = (VALIDATION_BY_STEP, DIVERGENCE_BY_STEP)
MOST_PENDING = 16
Explain = Callable[[str, int, float, Sequence[float]], str]
"""The error text from what is no number, the step, its learning rate and the losses before."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a step is told with. `curves` are points by their curve's name; like the loss, those that are tensors
    may still be on the device."""

    loss: Tensor
    learning_rate: float
    curves: Mapping[str, float | Tensor] = field(default_factory=dict)


class CurveFile(Protocol):
    """Takes the points of curves."""

    def add(self, place: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Pending:
    """Figures on their way from the device: `row` is the loss and then the measured points. `arrived` is None on a
    CPU, where nothing has to be waited for."""

    step: Step
    figures: Figures
    row: Tensor
    arrived: Any

    @property
    def points(self) -> dict[str, float]:
        """All points of curves as numbers; waits for the device."""
        measured = iter(self.row.tolist()[1:])
        return {n: next(measured) if isinstance(v, Tensor) else v for n, v in self.figures.curves.items()}


class Progress:
    """Follows the losses of a run: prints, emits, averages over an epoch's worth of steps as sd-scripts does, and
    raises NotANumberError within MOST_PENDING steps of a loss that is not a number."""

    def __init__(
        self,
        reporter: Reporter,
        total_steps: int,
        steps_per_epoch: int,
        explain: Explain,
        *,
        from_step: int = 0,
        curves: CurveFile | None = None,
    ) -> None:
        """`from_step` steps have been told by an earlier attempt; they count neither in the pace nor in the time
        left."""
        self._reporter = reporter
        self._explain = explain
        self._total_steps = total_steps
        self._curves = curves
        self._recent: deque[float] = deque(maxlen=steps_per_epoch)
        self._pending: deque[_Pending] = deque()
        stream = LossyStream(sys.stderr)
        self._bar: Any = tqdm(total=total_steps, initial=from_step, desc="steps", smoothing=0, file=stream)

    @property
    def window(self) -> list[float]:
        """The losses that the average is made of, oldest first."""
        return list(self._recent)

    def take_up(self, window: Iterable[float]) -> None:
        """Goes on with the losses that an earlier attempt's average was made of."""
        self._recent.extend(window)

    def add(self, step: Step, figures: Figures) -> None:
        """Takes a step's figures without waiting for them, and tells of all that have arrived."""
        self._pending.append(_Pending(step, figures, *_fetched(_row(figures))))
        for pending in self._arrived():
            self._tell(pending)

    def validated(self, found: Validated) -> None:
        """Tells the loss on the images that are not trained on."""
        self.settle()
        self._reporter.validated(found)
        if self._curves is None:
            return
        average = sum(self._recent) / max(1, len(self._recent))
        names = (VALIDATION_BY_EPOCH, DIVERGENCE_BY_EPOCH) if found.ends_epoch else BY_STEP
        place = found.epoch if found.ends_epoch else found.step
        self._curves.add(place, dict(zip(names, (found.loss, found.loss - average), strict=True)))

    def settle(self) -> None:
        """Waits for all losses: no file is saved after a loss that is not a number."""
        while self._pending:
            self._tell(_awaited(self._pending.popleft()))

    def close(self) -> None:
        self._bar.close()
        if self._curves is not None:
            self._curves.close()

    def _arrived(self) -> Iterator[_Pending]:
        while self._pending and (
            self._pending[0].arrived is None
            or self._pending[0].arrived.query()
            or len(self._pending) > MOST_PENDING
        ):
            yield _awaited(self._pending.popleft())

    def _tell(self, pending: _Pending) -> None:
        step, rate, loss = pending.step, pending.figures.learning_rate, pending.row[0].item()
        if not math.isfinite(loss):
            self.close()
            what = f"the loss is {loss}"
            raise NotANumberError(self._explain(what, step.number, rate, tuple(self._recent)))
        self._recent.append(loss)
        average, points = sum(self._recent) / len(self._recent), pending.points
        self._bar.update(1)
        self._bar.set_postfix({**_shown(points), "avr_loss": average})
        self._reporter.step_done(step.number, step.epoch, loss, rate)
        if self._curves is not None:
            self._curves.add(step.number, {LOSS: loss, AVERAGE_LOSS: average, **points})
            if step.ends_epoch or step.number == self._total_steps:
                self._curves.add(step.epoch, {EPOCH_LOSS: average})


def _shown(points: Mapping[str, float]) -> dict[str, float]:
    """What the line shows beside the average, in sd-scripts' words."""
    return {words: points[name] for name, words in SHOWN.items() if name in points}


def _row(figures: Figures) -> Tensor:
    """The loss and what else was measured, in one row, so that one copy fetches them all."""
    measured = [point for point in figures.curves.values() if isinstance(point, Tensor)]
    return torch.stack([point.detach().float().reshape(()) for point in (figures.loss, *measured)])


def _fetched(row: Tensor) -> tuple[Tensor, Any]:
    if row.device.type != "cuda":
        return row, None
    copy = torch.empty_like(row, device="cpu", pin_memory=True).copy_(row, non_blocking=True)
    make_event: Any = torch.cuda.Event
    arrived = make_event()
    arrived.record(torch.cuda.current_stream(row.device))
    return copy, arrived


def _awaited(pending: _Pending) -> _Pending:
    if pending.arrived is not None:
        pending.arrived.synchronize()
    return pending
