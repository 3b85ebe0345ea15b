"""The running loss and the line that shows it. Losses stay on the device until they are ready, so that a GPU is
not made to wait at each step."""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lora_engine.data.batches import Step
from lora_engine.errors import NotANumberError
from lora_engine.output.reporting import Console, Reporter

MOST_PENDING = 16
Explain = Callable[[str, int, float, Sequence[float]], str]
"""The error text from what is no number, the step, its learning rate and the losses before."""


@dataclass(frozen=True)
class _Pending:
    """A loss on its way from the device; `arrived` is None on a CPU, where nothing has to be waited for."""

    step: Step
    learning_rate: float
    loss: Tensor
    arrived: Any


class Progress:
    """Follows the losses of a run: prints, emits, averages over an epoch's worth of steps as sd-scripts does, and
    raises NotANumberError within MOST_PENDING steps of a loss that is not a number."""

    def __init__(self, reporter: Reporter, total_steps: int, steps_per_epoch: int, explain: Explain) -> None:
        self._reporter = reporter
        self._explain = explain
        self._recent: deque[float] = deque(maxlen=steps_per_epoch)
        self._pending: deque[_Pending] = deque()
        self._bar: Any = tqdm(total=total_steps, desc="steps", smoothing=0, file=Console(sys.stderr))

    @property
    def window(self) -> list[float]:
        """The losses that the average is made of, oldest first."""
        return list(self._recent)

    def take_up(self, step: int, window: Iterable[float]) -> None:
        """Goes on after a step whose losses an earlier attempt has told."""
        self._recent.extend(window)
        self._bar.update(step)

    def add(self, step: Step, loss: Tensor, learning_rate: float) -> None:
        """Takes a step's loss without waiting for it, and tells of all that have arrived."""
        self._pending.append(_Pending(step, learning_rate, *_fetched(loss.detach())))
        for pending in self._arrived():
            self._tell(pending)

    def settle(self) -> None:
        """Waits for all losses: no file is saved after a loss that is not a number."""
        while self._pending:
            self._tell(_awaited(self._pending.popleft()))

    def close(self) -> None:
        self._bar.close()

    def _arrived(self) -> Iterator[_Pending]:
        while self._pending and (
            self._pending[0].arrived is None
            or self._pending[0].arrived.query()
            or len(self._pending) > MOST_PENDING
        ):
            yield _awaited(self._pending.popleft())

    def _tell(self, pending: _Pending) -> None:
        loss = pending.loss.item()
        if not math.isfinite(loss):
            what = f"the loss is {loss}"
            raise NotANumberError(
                self._explain(what, pending.step.number, pending.learning_rate, tuple(self._recent))
            )
        self._recent.append(loss)
        self._bar.update(1)
        self._bar.set_postfix(avr_loss=sum(self._recent) / len(self._recent))
        self._reporter.step_done(pending.step.number, pending.step.epoch, loss, pending.learning_rate)


def _fetched(loss: Tensor) -> tuple[Tensor, Any]:
    if loss.device.type != "cuda":
        return loss, None
    copy = torch.empty_like(loss, device="cpu", pin_memory=True).copy_(loss, non_blocking=True)
    make_event: Any = torch.cuda.Event
    arrived = make_event()
    arrived.record(torch.cuda.current_stream(loss.device))
    return copy, arrived


def _awaited(pending: _Pending) -> _Pending:
    if pending.arrived is not None:
        pending.arrived.synchronize()
    return pending
