"""Fetches a checkout of sd-scripts and makes an environment for it. What is done already is kept: who tries again
goes on where it broke off. The checkout's own set-up is never run, only its list of packages is read."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from train_tools.errors import EngineNotUsableError
from train_tools.files import last_lines, storage_error, write_text

KOHYA = "https://github.com/kohya-ss/sd-scripts"
PYTORCH_INDEXES = "https://download.pytorch.org/whl"
CHECKOUT, VENV = "sd-scripts", "venv"
LAST_LINES = 5
_ITSELF = re.compile(r"^\s*(-e\s+)?\.(/|\s|$)")
"""A line of requirements that would run the checkout's own setup.py."""
_REF = re.compile(r"[\w][\w./+-]*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is to be fetched, and what its environment is made with."""

    ref: str
    """A branch, a tag or a commit."""
    url: str = KOHYA
    python: str = sys.executable
    torch: tuple[str, ...] = ()
    """Arguments for pip that install PyTorch; none = the list of packages says what is wanted."""


def torch_as_here() -> tuple[str, ...]:
    """What installs the PyTorch that Train Tools itself has: it was chosen for this machine."""
    try:
        release, _, label = version("torch").partition("+")
    except PackageNotFoundError:
        return ("torch", "torchvision")
    index = os.environ.get("TORCH_INDEX_URL") or (f"{PYTORCH_INDEXES}/{label}" if label else "")
    wanted = f"torch=={release}+{label}" if label else f"torch=={release}"
    return (*(("--extra-index-url", index) if index else ()), wanted, "torchvision")


def install(folder: Path, source: Source, say: Callable[[str], None]) -> Path:
    """Makes `folder` with a checkout and an environment; returns that environment's Python. Raises
    EngineNotUsableError with the steps that can be taken by hand."""
    if not _REF.fullmatch(source.ref):
        raise EngineNotUsableError(f"{source.ref!r} is no branch, tag or commit. For example v0.9.1, or main.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    python = _python_in(folder)
    for words, command in _steps(folder, python, source):
        say(words)
        _run(command, folder, source)
    return python


def _steps(folder: Path, python: Path, source: Source) -> Iterator[tuple[str, Sequence[str]]]:
    checkout = folder / CHECKOUT
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install")
    if not (checkout / ".git").exists():
        yield f"Fetching {source.url}", ("git", "clone", "--", source.url, str(checkout))
    else:
        yield "Fetching what is new", ("git", "-C", str(checkout), "fetch", "--tags", "origin")
    yield f"Checking out {source.ref}", ("git", "-C", str(checkout), "checkout", "--detach", source.ref)
    if not python.is_file():
        yield "Making an environment for it", (source.python, "-m", "venv", str(folder / VENV))
    if source.torch:
        yield "Installing PyTorch", (*pip, *source.torch)
    packages = folder / "requirements.txt"
    write_text(packages, packages_of(checkout))
    yield "Installing its packages", (*pip, "-r", str(packages))


def packages_of(checkout: Path) -> str:
    """Its requirements.txt without the checkout itself, whose setup.py would be run."""
    try:
        text = (checkout / "requirements.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineNotUsableError(f"{checkout} has no requirements.txt that can be read: {error}.") from error
    return "".join(f"{line}\n" for line in text.splitlines() if not _ITSELF.match(line))


def _run(command: Sequence[str], folder: Path, source: Source) -> None:
    log = folder / "install.log"
    try:
        with log.open("wb") as file:
            code = subprocess.call(
                command,
                cwd=folder,
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
    except OSError as error:
        raise EngineNotUsableError(_by_hand(source, folder, f"{command[0]}: {error.strerror or error}")) from error
    if code:
        raise EngineNotUsableError(_by_hand(source, folder, last_lines(log, LAST_LINES).strip()))


def _by_hand(source: Source, folder: Path, said: str) -> str:
    """The end of what was tried, and how it is done without this program."""
    checkout, python = str(folder / CHECKOUT), str(_python_in(folder))
    lines = (
        _pasted(("git", "clone", source.url, checkout)),
        _pasted(("git", "-C", checkout, "checkout", source.ref)),
        _pasted(("python", "-m", "venv", str(folder / VENV))),
        f"{_pasted((python, '-m', 'pip', 'install', *(source.torch or ('torch',))))}, then the packages of "
        "requirements.txt",
        _pasted(("train-tools", "engine", "add", folder.name, "--path", checkout, "--python", python)),
    )
    return (
        f"It broke off: {said}\n"
        "Is the name of the branch, tag or commit right, and is there a connection? Then try again: what is done "
        "already is kept. Or do it by hand, on another machine if need be:\n"
        + "\n".join(f"  {line}" for line in lines)
    )


def _pasted(words: Sequence[str]) -> str:
    """The command as this system's shell takes it."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _python_in(folder: Path) -> Path:
    return folder / VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
