"""Asking a checkout's scripts for their options: their own parsers answer, in a process of its own that is ended
when it takes too long. What was answered is remembered by the content of the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from train_tools.errors import EngineNotUsableError, StorageError
from train_tools.files import last_lines, write_json

PROCESS = Path(__file__).with_name("parser_process.py")
FORMAT = 1
TIME_LIMIT_S = 60.0
OWN_TIME_LIMIT_S = 300.0
"""The first import of torch from a slow disk takes minutes."""
MOST_BYTES = 10_000_000
LAST_LINES = 3
KEPT_VARIABLES = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "LANG")
"""Of the environment: no secret goes to code that only lists options."""


class Way(StrEnum):
    """How a script is imported."""

    STUBS = "stubs"
    """With stand-ins for whatever isn't Python's own or the checkout's: nothing has to be installed."""
    OWN = "own"
    """With the packages of the checkout's environment, which is thereby checked."""


@dataclass(frozen=True, kw_only=True)
class ParsedOption:
    """One option as the script's parser holds it. Types are the names of what converts a word."""

    name: str
    action: str
    type: str
    nargs: str | int | None
    default: Any
    choices: tuple[Any, ...] | None
    help: str


def discovered(folder: Path, script: str, content: str, cache: Path) -> tuple[ParsedOption, ...]:
    """The script's options, remembered, or by `asked` with stand-ins. `content` stands for all of the checkout's
    code."""
    key = hashlib.sha256(f"{FORMAT}\n{sys.version_info[:2]}\n{content}\n{script}".encode()).hexdigest()
    file = cache / "options" / f"{key}.json"
    found = _remembered(file)
    if found is None:
        found = asked(folder, script, Way.STUBS, sys.executable, TIME_LIMIT_S)
        _remember(file, found)
    return found


def asked(
    folder: Path, script: str, way: Way, python: str, time_limit_s: float = OWN_TIME_LIMIT_S
) -> tuple[ParsedOption, ...]:
    """What the script's parser answers. Raises EngineNotUsableError with the last lines it printed."""
    with tempfile.TemporaryDirectory(prefix="train-tools-") as place:
        answer = Path(place) / "options.json"
        isolated = ("-I", "-S") if way is Way.STUBS else ()
        command = [python, *isolated, "-B", str(PROCESS), way.value, str(folder), script, str(answer)]
        said, code = _run(command, folder, Path(place) / "said", time_limit_s)
        try:
            if answer.stat().st_size > MOST_BYTES:
                raise ValueError(f"it answers with {answer.stat().st_size:,} bytes")
            return _options_in(json.loads(answer.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = said if isinstance(error, OSError) else str(error)
            raise EngineNotUsableError(
                f"{folder / script}.py does not say which options it has (exit code {code}): {reason}"
            ) from error


def _run(command: Sequence[str], folder: Path, said: Path, time_limit_s: float) -> tuple[str, int]:
    """The last lines that a process prints into the file `said`, and its exit code."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    try:
        with said.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise EngineNotUsableError(f"{command[0]} could not be started: {error.strerror or error}.") from error
    try:
        code = process.wait(time_limit_s)
    except subprocess.TimeoutExpired as error:
        _end(process)
        raise EngineNotUsableError(
            f"{folder} did not say within {time_limit_s:.0f} s which options it has. Its scripts do something at "
            "their import that takes long."
        ) from error
    return last_lines(said, LAST_LINES).strip() or "it prints nothing", code


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform != "win32":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _options_in(answer: Mapping[str, Any]) -> tuple[ParsedOption, ...]:
    names = [field.name for field in fields(ParsedOption)]
    options = []
    for entry in answer["options"]:
        values = {name: entry[name] for name in names}
        if not all(isinstance(values[name], str) for name in ("name", "action", "type", "help")):
            raise TypeError("an option without a name")
        values["choices"] = None if values["choices"] is None else tuple(values["choices"])
        options.append(ParsedOption(**values))
    return tuple(options)


def _remembered(file: Path) -> tuple[ParsedOption, ...] | None:
    try:
        return _options_in(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(file: Path, found: Sequence[ParsedOption]) -> None:
    """A cache that can't be written costs half a second the next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"options": [asdict(option) for option in found]})
    except (OSError, StorageError):
        return
