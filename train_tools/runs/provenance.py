"""Finds out what a run is made with: versions of the installed packages, without importing them, and the trainer's
code, as a commit and as a hash."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from train_tools import __version__
from train_tools.model.provenance import Provenance
from train_tools.runs.engine import Engine

PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "diffusers",
    "huggingface-hub",
    "numpy",
    "pillow",
    "prodigy-plus-schedule-free",
    "pytorch-optimizer",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
    "triton",
    "xformers",
)
"""Those that decide results or speed. What is not installed is left out."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_CODE = re.compile(r"\..*|__pycache__|venv|env|node_modules|site-packages")


def provenance_of(engine: Engine) -> Provenance:
    """As it is now: packages and code may change while the program runs."""
    return Provenance(
        train_tools=__version__,
        python=python_of(engine.environment),
        engine_commit=commit_of(engine.code),
        engine_sha256=code_sha256(engine.code),
        packages=dict(installed_packages(engine.environment)),
    )


def installed_packages(environment: Path | None = None) -> Iterator[tuple[str, str]]:
    """Those of another environment are read from its folder; it is not started."""
    places = sys.path if environment is None else [str(place) for place in _site_packages(environment)]
    for name in PACKAGES:
        found = next(iter(distributions(name=name, path=places)), None)
        if found is not None:
            yield name, found.version


def python_of(environment: Path | None) -> str:
    """The version of an environment's Python; "" where that can't be told."""
    if environment is None:
        return platform.python_version()
    try:
        settings = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    said = re.search(r"^version(?:_info)? *= *(\d+\.\d+\.\d+)", settings, re.MULTILINE)
    return said[1] if said else ""


def _site_packages(environment: Path) -> Iterator[Path]:
    yield from (*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages"))


def code_sha256(folder: Path) -> str:
    """sha256 over names and texts of the Python files below, however their lines end."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(folder), key=lambda path: path.relative_to(folder).as_posix()):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape"))
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(b"\0%d\0" % len(text) + text)
    return digest.hexdigest()


def commit_of(folder: Path) -> str:
    """The commit that is checked out in the folder or the one above; "" when neither is a checkout. Only these: a
    folder that was unpacked inside of another checkout is no part of it."""
    for checkout in (folder, folder.parent):
        if (checkout / ".git").exists():
            try:
                return _head(_git_folder(checkout))
            except (OSError, ValueError):
                return ""
    return ""


def _source_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _NO_CODE.fullmatch(name)]
        yield from (Path(parent, name) for name in names if name.endswith(".py"))


def _git_folder(checkout: Path) -> Path:
    """`.git`, or where the file of that name points: in worktrees and submodules."""
    git = checkout / ".git"
    return checkout / git.read_text("utf-8").removeprefix("gitdir:").strip() if git.is_file() else git


def _head(git: Path) -> str:
    """The commit in a `.git` that may be anybody's: what is no commit is not told."""
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return _checked(head)
    ref = head.removeprefix("ref:").strip()
    common = git / (git / "commondir").read_text("utf-8").strip() if (git / "commondir").is_file() else git
    for file in (git / ref, common / ref):
        if file.is_file():
            return _checked(file.read_text("utf-8").strip())
    packed = re.search(rf"^(\w+) {re.escape(ref)}$", (common / "packed-refs").read_text("utf-8"), re.MULTILINE)
    return _checked(packed[1]) if packed else ""


def _checked(commit: str) -> str:
    return commit if _COMMIT.fullmatch(commit) else ""
