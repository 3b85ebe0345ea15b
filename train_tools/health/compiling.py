"""Whether `torch.compile` (Dynamo with Inductor) works in an environment. It is tried, in a process of its own: it
needs a C compiler and, for a card, Triton, and what is installed does not say whether they fit each other."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from train_tools.errors import StorageError
from train_tools.files import write_json
from train_tools.health.answers import answer_of
from train_tools.health.packages import Environment, clean_environment, told_by
from train_tools.model.finding import Finding, Level

PROCESS = Path(__file__).with_name("compiling_process.py")
FORMAT = 1
TIME_LIMIT_S = 300.0
COMPILERS = ("cc", "gcc", "g++", "clang", "cl")
CURE = (
    "Train without torch_compile and dynamo_backend. Or install what it needs, then look again: a C++ compiler "
    "(on Debian g++, on Windows the Build Tools of Visual Studio), and for a card the package triton (on Windows "
    "triton-windows)."
)


def dynamo_works(environment: Environment, cache: Path, time_limit_s: float = TIME_LIMIT_S) -> Finding:
    """Compiling takes up to a minute, so that it works is remembered: for this interpreter, these packages and
    these compilers. That it does not is found out anew each time, since it may have been mended elsewhere."""
    file = cache / "health" / f"compiling-{_key(environment)}.json"
    remembered = _remembered(file)
    if remembered is not None:
        return remembered
    found = _tried(environment, time_limit_s)
    if found.level is Level.OK:
        _remember(file, found)
    return found


def _tried(environment: Environment, time_limit_s: float) -> Finding:
    with tempfile.TemporaryDirectory(prefix="train-tools-", ignore_cleanup_errors=True) as place:
        variables = {
            **clean_environment(),
            "TORCHINDUCTOR_CACHE_DIR": place,
            "TRITON_CACHE_DIR": place,
            "TORCHINDUCTOR_COMPILE_THREADS": "1",
        }
        command = [environment.python, "-B", str(PROCESS)]
        said = told_by(answer_of(command, time_limit_s, variables, folder=Path(place)))
    if "device" in said:
        where = "the card" if said["device"] == "cuda" else "the processor"
        return _finding(Level.OK, f"torch.compile works for {environment.trainer}, on {where}.")
    found = _finding(Level.WARNING, f"torch.compile does not work for {environment.trainer}: {said['problem']}.")
    return replace(found, cure=CURE)


def _finding(level: Level, message: str) -> Finding:
    return Finding(check="compile", level=level, message=message)


def _key(environment: Environment) -> str:
    facts: Mapping[str, object] = {
        "format": FORMAT,
        "python": environment.python,
        "version": environment.version,
        "packages": dict(environment.packages),
        "compilers": [shutil.which(name) for name in COMPILERS],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _remembered(file: Path) -> Finding | None:
    try:
        return _finding(Level.OK, str(json.loads(file.read_text(encoding="utf-8"))["message"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(file: Path, found: Finding) -> None:
    """A cache that can't be written costs a minute the next time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, {"format": FORMAT, "message": found.message})
    except (OSError, StorageError):
        return
