"""How an attempt of kohya's scripts ended. Their exit code alone says little: without images they end with 0 and
no file, and every failure ends with a traceback that may name nothing. Success is exit code 0 and the final
checkpoint, whole; a failure is told with what the log is known to mean."""

from __future__ import annotations

import re
from pathlib import Path

from sd_contract.attempt import Result
from train_tools.engines.kohya.run import MOST_STEPS_AT_NAN, KohyaRun
from train_tools.failures.diagnosis import UNKNOWN, Evidence, diagnose
from train_tools.files import last_lines
from train_tools.runs.engine import Exit

NOT_STARTED = "{} could not be started: {}. `train-tools engine check` says what is wrong with it."
SHELLS_ADD = 128
LINES_LOOKED_AT = 300
LONGEST_WORDS = 500
_RAISED = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Invalid|Interrupt|Warning)\b.*)")
_BAR = re.compile(r"\d+%\|")


def result_of(run: KohyaRun, code: int, *, stopped: bool, log: Path) -> Result | None:
    """The result of an attempt whose script ended with this code; None when a signal ended it that nobody here has
    sent: another attempt may do better."""
    if run.is_hopeless:
        return _result(
            run,
            "failed",
            f"The loss has been no number for {MOST_STEPS_AT_NAN} steps, so what is trained is none either, and "
            "the training was ended. Take a smaller learning rate, or bf16 instead of fp16.",
        )
    if code == 0 and run.is_whole:
        return _result(run, "done", "")
    if stopped:
        return _result(run, "cancelled", _where_it_goes_on(run))
    return None if code < 0 else _result(run, "failed", why(run.final_file, code, log))


def why(final_file: str, code: int, log: Path) -> str:
    """What the log is known to mean, and its last words."""
    said = last_lines(log, LINES_LOOKED_AT)
    diagnosis = diagnose(Evidence(log=said, exit_=Exit(code=code)))
    words = last_words(said)
    if code == 0:
        found = "" if diagnosis.name == "no result" else f" {diagnosis.happened}"
        return f"The trainer ended as if all were well, but {final_file} is not there.{found} {words}".strip()
    if diagnosis.name == UNKNOWN:
        return f"The trainer failed with exit code {code}. {words}".strip()
    return f"{diagnosis.happened} {words}".strip()


def last_words(log: str) -> str:
    """The last line that says what was raised, else the last that is no progress bar."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not _BAR.search(line)]
    raised = next((found[1] for line in reversed(lines) if (found := _RAISED.match(line))), "")
    return (raised or (lines[-1] if lines else ""))[:LONGEST_WORDS]


def _result(run: KohyaRun, outcome: str, message: str) -> Result:
    return Result(
        outcome=outcome,  # type: ignore[arg-type]
        step=run.step,
        total_steps=run.total_steps,
        files=tuple(run.files),
        message=message,
        cause="not a number" if run.is_hopeless else "",
    )


def _where_it_goes_on(run: KohyaRun) -> str:
    step = run.kept_step or run.from_step
    if not step:
        return f"Stopped at step {run.step}. No state was saved, so it would begin anew."
    return f"Stopped at step {run.step}. It can go on from the state of step {step}."
