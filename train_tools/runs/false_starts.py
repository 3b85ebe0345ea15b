"""False starts: attempts in which the trainer broke off by itself before its first step and without a word.

One may be chance and is tried again. A second one with the same exit code is a crash - a package that can't be
imported, an interpreter that isn't there - which no repetition heals. A process that was killed, or whose end
nobody saw, made no false start: it may do better another time.
"""

from __future__ import annotations

from sd_contract.attempt import Attempt, read_result
from sd_contract.events import StepDone, Tail
from train_tools.jobs.kind import Exit, attempts_in
from train_tools.jobs.supervisor import read_exit
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import AttemptPaths, RunPaths

FIRST_SIGNAL_CODE = 128
"""Shells and launchers add a signal's number to it; on Windows what is above is a fault of the system's."""
LAUNCHER_FAILED = "subprocess.CalledProcessError: "
"""How the last line of a Python launcher begins whose trainer failed. The launcher itself always exits with 1."""
TRAINER_KILLED = "died with <Signals."
TRACEBACK = "Traceback (most recent call last):"
LAST_LINES = 3


def given_up(run: RunPaths, attempt: AttemptPaths, exit_: Exit) -> Verdict | None:
    """The verdict on a false start that is like the one before it. None when it is worth another try."""
    if _false_start(attempt, exit_) is None or _false_start_before(run, attempt) != exit_.code:
        return None
    return Verdict(
        state=JobState.FAILED,
        message=f"The trainer ended twice before its first step with exit code {exit_.code}, so it is not tried "
        f"again. Its last words:\n{exit_.reason or last_words(attempt)}",
    )


def _false_start_before(run: RunPaths, attempt: AttemptPaths) -> int | None:
    """The exit code of the attempt before this one, if that was a false start."""
    earlier = [tried for tried in attempts_in(run.folder) if int(tried.folder.name) < int(attempt.folder.name)]
    exit_ = read_exit(earlier[-1]) if earlier else None
    return _false_start(earlier[-1], exit_) if exit_ else None


def _false_start(attempt: AttemptPaths, exit_: Exit) -> int | None:
    """The exit code of a trainer that ended by itself, before its first step, without saying how; else None."""
    by_itself = exit_.code is not None and 0 <= exit_.code < FIRST_SIGNAL_CODE and not exit_.stopped
    silent = not _trainer_killed(attempt) and not _said_something(Attempt(attempt.folder))
    return exit_.code if by_itself and silent else None


def last_words(attempt: AttemptPaths) -> str:
    """The last lines of the log, without what a launcher adds about the trainer's end."""
    lines = _log_lines(attempt)
    if lines and lines[-1].startswith(LAUNCHER_FAILED) and TRACEBACK in lines:
        del lines[len(lines) - 1 - lines[::-1].index(TRACEBACK) :]
    return "\n".join(lines[-LAST_LINES:]) or "the log is empty."


def _trainer_killed(attempt: AttemptPaths) -> bool:
    """Whether a launcher tells that a signal ended the trainer under it."""
    lines = _log_lines(attempt)
    return bool(lines) and lines[-1].startswith(LAUNCHER_FAILED) and TRAINER_KILLED in lines[-1]


def _said_something(attempt: Attempt) -> bool:
    return read_result(attempt) is not None or any(
        isinstance(event, StepDone) for event in Tail(attempt.events).events()
    )


def _log_lines(attempt: AttemptPaths) -> list[str]:
    """What can be read of the log: the last state of each line that is not empty."""
    try:
        text = attempt.log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n") if line.strip()]
