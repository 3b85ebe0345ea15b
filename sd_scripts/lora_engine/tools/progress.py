"""How a tool tells how far it is: an event and, now and then, a line; and where it hears that it is to stop."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TypeVar

from lora_engine.output.reporting import Reporter
from sd_contract.events import StepDone

T = TypeVar("T")
TOLD = 20
"""How many times the progress is told."""


def told(items: Collection[T], reporter: Reporter, what: str) -> Iterator[T]:
    """The items, one after the other. Raises Stopped before the next when that is what the user wants."""
    reporter.phase(what)
    reporter.total_steps = len(items)
    every = max(1, len(items) // TOLD)
    for number, item in enumerate(items, start=1):
        reporter.go_on_or_stop()
        yield item
        reporter.step = number
        if number % every == 0 or number == len(items):
            reporter.emit(StepDone(number, len(items)))
            reporter.note(f"{what}: {number}/{len(items)}")
