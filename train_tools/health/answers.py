"""What a program answers within a time limit, and why it answers nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from train_tools.machine.program import NO_WINDOW

PATIENCE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What it printed, and how it ended."""

    out: str = ""
    err: str = ""
    code: int | None = None
    """None: it was ended because it took too long, or could not be started at all."""
    problem: str = ""
    """Why there is no code, in words."""

    @property
    def good(self) -> bool:
        return self.code == 0


def answer_of(
    command: Sequence[str],
    timeout_s: float = PATIENCE_S,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Answer:
    """Runs a program to its end, with all the processes that it starts."""
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder or tempfile.gettempdir(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            creationflags=NO_WINDOW,
            start_new_session=True,
        )
    except OSError as error:
        return Answer(problem=f"could not be started: {error.strerror or error}")
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return Answer(problem=f"did not answer within {timeout_s:g} s")
    return Answer(out=out, err=err, code=process.returncode)


def _end(process: subprocess.Popen[str]) -> None:
    if sys.platform != "win32":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.communicate()
