"""Programs of the operating system, called with a list of words: what they are told is never part of a script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

PATIENCE_S = 10.0
if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    NO_WINDOW = 0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that is there, with the words it is called with."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own."""

    @property
    def name(self) -> str:
        return self.command[0]


def found(*command: str, **environment: str) -> Program | None:
    """The program, if it is on PATH."""
    path = shutil.which(command[0])
    return Program(command=(path, *command[1:]), environment=environment) if path else None


def run(program: Program, timeout_s: float = PATIENCE_S) -> str:
    """Runs it to its end. Returns "" when it did what it was asked, else what went wrong, in words."""
    name = os.path.basename(program.name)  # noqa: PTH119 - a word, not a place
    try:
        ended = subprocess.run(
            program.command,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            creationflags=NO_WINDOW,
        )
    except subprocess.TimeoutExpired:
        return f"{name} did not answer within {timeout_s:g} s"
    except OSError as error:
        return f"{name} could not be started: {error.strerror or error}"
    if ended.returncode == 0:
        return ""
    words = (ended.stderr or ended.stdout).decode("utf-8", "replace").strip().splitlines()
    return f"{name} ended with code {ended.returncode}" + (f": {words[-1].strip().rstrip('.')}" if words else "")
