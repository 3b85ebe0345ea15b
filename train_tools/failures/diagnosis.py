"""From what a failed attempt left behind to a diagnosis. The signs of each trouble are a table in `signs`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sd_contract.attempt import Result
from train_tools.failures.signs import TROUBLES, Trouble
from train_tools.jobs.kind import Exit
from train_tools.model.failure import Diagnosis, NextStep

LONGEST_SIGN = 500
"""Characters of a line that are looked at: tracebacks may quote whole command lines."""
SIGNAL_SHELLS_ADD = 128
UNKNOWN = "unknown"

_GUESS = re.compile(r"\(killed from outside, or out of memory\?\)")
"""What the queue says of any job that vanished again and again: a guess, no sign."""
_COMMAND = re.compile(r"Command '?\[.*\]'?")
_GAP = re.compile(r"\{(\W*)(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an attempt left: the end of its log, how its process ended, the trainer's own word, and the job's
    message."""

    log: str = ""
    exit_: Exit | None = None
    result: Result | None = None
    message: str = ""


def diagnose(evidence: Evidence) -> Diagnosis:
    """The trainer's own word counts most, then an end that came from outside, then the last line of the log that
    says something, then the job's message, then the exit code."""
    word, log, exit_ = _word(evidence), evidence.log, evidence.exit_
    if word:
        return _by_text(word) or _by_cause(evidence.result) or _unknown(word, exit_)
    return (
        _by_cause(evidence.result)
        or _by_exit(exit_, from_outside=True)
        or _by_text(log)
        or _by_text(_GUESS.sub("", evidence.message))
        or _by_exit(exit_)
        or _unknown("" if log or exit_ else evidence.message, exit_)
    )


def _word(evidence: Evidence) -> str:
    """What the trainer said of its failure; of one that thought it had done well, what was found wrong with
    that."""
    if evidence.result is None:
        return ""
    return evidence.result.message if evidence.result.outcome == "failed" else evidence.message


def signal_of(code: int | None) -> int | None:
    """The signal that ended a process: -9 as Python says it and 137 as shells do are both 9."""
    if code is None or not (code < 0 or SIGNAL_SHELLS_ADD < code <= SIGNAL_SHELLS_ADD + 64):
        return None
    return -code if code < 0 else code - SIGNAL_SHELLS_ADD


def _by_text(text: str) -> Diagnosis | None:
    for line in _telling_lines(text):
        for trouble in TROUBLES:
            for sign in trouble.signs:
                if found := re.search(sign, line, re.IGNORECASE):
                    return _told(trouble, found.groupdict())
    return None


def _telling_lines(text: str) -> Iterator[str]:
    """From the last to the first. A launcher's traceback ends with its whole command: paths may say anything."""
    for line in reversed(re.split(r"[\r\n]+", text)):
        yield _COMMAND.sub("Command", line)[-LONGEST_SIGN:]


def _by_cause(result: Result | None) -> Diagnosis | None:
    cause = result.cause if result else ""
    return next((_told(trouble) for trouble in TROUBLES if cause and trouble.cause == cause), None)


def _by_exit(exit_: Exit | None, *, from_outside: bool = False) -> Diagnosis | None:
    """By exit code and signal; with `from_outside` only an end that the trainer's own log can't know of."""
    if exit_ is None:
        return None
    signal = signal_of(exit_.code)
    for trouble in TROUBLES:
        is_it = exit_.code in trouble.codes or (signal is not None and signal in trouble.signals)
        if is_it and (trouble.from_outside or not from_outside):
            return _told(trouble)
    return None if from_outside else _by_text(exit_.reason)


def _told(trouble: Trouble, found: dict[str, str | None] | None = None) -> Diagnosis:
    words = {name: text.strip() for name, text in (found or {}).items() if text}
    return Diagnosis(
        name=trouble.name,
        happened=_filled(trouble.happened, words),
        advice=_filled(trouble.advice, words),
        next_steps=trouble.next_steps,
    )


def _filled(text: str, words: dict[str, str]) -> str:
    """The text with what was found in the log in its gaps; a gap for which nothing was is closed."""
    return _GAP.sub(lambda gap: gap[1] + words[gap[2]] if gap[2] in words else "", text)


def _unknown(message: str, exit_: Exit | None) -> Diagnosis:
    if message:
        happened, advice = message, "Change what it names, then try again."
    else:
        code = exit_.code if exit_ else None
        how = "and nobody saw its end" if code is None else f"with exit code {code}"
        happened = f"It ended {how}, and the end of its log says nothing that is known here."
        advice = "Read the log: the last lines of a traceback say most. If it was chance, try again."
    return Diagnosis(name=UNKNOWN, happened=happened, advice=advice, next_steps=(NextStep.RETRY, NextStep.CLONE))
