"""Runs a recipe as a process: events first and last, result.json in any case, an exit code. Without torch."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lora_engine.errors import NotANumberError, Stopped
from lora_engine.output.causes import out_of_memory
from lora_engine.output.reporting import Reporter
from sd_contract.attempt import Attempt, Cause, Outcome, Result, exit_code, write_result
from sd_contract.errors import ContractError
from sd_contract.events import RunFinished

Recipe = Callable[[Sequence[str], Reporter], Outcome]


def carry_out(recipe: Recipe, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Runs the recipe on a command line and returns the exit code. A user's mistake is one line on stderr,
    anything else that goes wrong a traceback; both are told to the attempt that the environment names, if
    any."""
    attempt = Attempt.from_environment(environment)
    reporter = Reporter(attempt)
    with stop_on_signal(reporter):
        outcome, message, cause = _carried_out(recipe, arguments, reporter)
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
                cause=cause,
            ),
        )
    return exit_code(outcome, cause)


def _carried_out(recipe: Recipe, arguments: Sequence[str], reporter: Reporter) -> tuple[Outcome, str, Cause]:
    try:
        return recipe(arguments, reporter), "", ""
    except Stopped:
        return "cancelled", "stopped before the first step", ""
    except ContractError as error:
        sys.stderr.write(f"error: {error}\n")
        return "failed", str(error), "not a number" if isinstance(error, NotANumberError) else ""
    except Exception as error:  # noqa: BLE001 - the border: whatever it is, the attempt must hear of it
        starved = out_of_memory(error, reporter.doing)
        if starved is not None:
            sys.stderr.write(f"error: {starved}\n")
            return "failed", starved, "out of memory"
        traceback.print_exc()
        return "failed", f"{type(error).__name__}: {error}", ""


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
