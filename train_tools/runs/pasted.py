"""A command as a person pastes it into the shell of this system: quoted, with its folder and environment."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from train_tools.jobs.kind import Launch
from train_tools.options.secrets import without_secrets


def pasted(launch: Launch, system: str = sys.platform) -> str:
    """One line for a POSIX shell, or for PowerShell on Windows. Secrets are left out of the environment."""
    environment = without_secrets(launch.environment)
    write = _powershell if system == "win32" else _posix
    return write(launch.command, launch.folder, environment)


def _posix(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """In a subshell, so that the shell stays in its own folder."""
    words = ("env", *(f"{name}={value}" for name, value in environment.items()), *command)
    return f"(cd {shlex.quote(str(folder))} && {shlex.join(words)})"


def _powershell(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    variables = "".join(f"$env:{name} = {_single(value)}; " for name, value in environment.items())
    words = " ".join(_single(word) for word in command)
    return f"Push-Location -LiteralPath {_single(str(folder))}; {variables}& {words}; Pop-Location"


def _single(word: str) -> str:
    """In single quotes nothing means anything in PowerShell but the quote itself, straight or curly."""
    for quote in "'\u2018\u2019\u201a\u201b":
        word = word.replace(quote, quote * 2)
    return f"'{word}'"
