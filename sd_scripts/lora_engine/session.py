"""Runs a recipe as a process: events first and last, result.json in any case, an exit code. Without torch."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lora_engine.errors import Stopped
from lora_engine.output.reporting import Reporter
from sd_contract.attempt import Attempt, Outcome, Result, write_result
from sd_contract.errors import ContractError
from sd_contract.events import RunFinished

Recipe = Callable[[Sequence[str], Reporter], Outcome]
EXIT_CODES = {"done": 0, "cancelled": 0, "failed": 1}


def carry_out(recipe: Recipe, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Runs the recipe on a command line and returns the exit code. A user's mistake is one line on stderr,
    anything else that goes wrong a traceback; both are told to the attempt that the environment names, if
    any."""
    attempt = Attempt.from_environment(environment)
    reporter = Reporter(attempt)
    with stop_on_signal(reporter):
        outcome, message = _carried_out(recipe, arguments, reporter)
    reporter.emit(RunFinished(outcome, message))
    reporter.close()
    if attempt:
        write_result(
            attempt,
            Result(
                outcome=outcome,
                step=reporter.step,
                total_steps=reporter.total_steps,
                files=tuple(reporter.files),
                message=message,
            ),
        )
    return EXIT_CODES[outcome]


def _carried_out(recipe: Recipe, arguments: Sequence[str], reporter: Reporter) -> tuple[Outcome, str]:
    try:
        return recipe(arguments, reporter), ""
    except Stopped:
        return "cancelled", "stopped before the first step"
    except ContractError as error:
        sys.stderr.write(f"error: {error}\n")
        return "failed", str(error)
    except Exception as error:  # noqa: BLE001 - the border: whatever it is, the attempt must hear of it
        traceback.print_exc()
        return "failed", _told(error)


def _told(error: Exception) -> str:
    if type(error).__name__ == "OutOfMemoryError":
        return (
            f"out of memory: {error}. Use a smaller train_batch_size or resolution, gradient_checkpointing, "
            "or mixed_precision."
        )
    return f"{type(error).__name__}: {error}"


@contextmanager
def stop_on_signal(reporter: Reporter) -> Iterator[None]:
    """A first SIGTERM or Ctrl-C asks the run to save and stop; a second one ends it at once."""
    earlier: dict[signal.Signals, Any] = {}

    def ask(number: int, frame: object) -> None:
        reporter.request_stop()
        for one, handler in earlier.items():
            signal.signal(one, handler)

    for one in (signal.SIGTERM, signal.SIGINT):
        earlier[one] = signal.signal(one, ask)
    try:
        yield
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler)
