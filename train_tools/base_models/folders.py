"""Where base models lie: the folders that a user names, those of a WebUI below them, and which files in them
count."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from train_tools.model.base_model import FolderProblem
from train_tools.model.paths import CAPTIONERS

SUFFIXES = (".safetensors", ".ckpt")
DIFFUSERS = "model_index.json"
OF_A_WEBUI = (Path("models", "Stable-diffusion"), Path("Stable-diffusion"), Path("models", "checkpoints"))
"""Where WebUIs keep base models, below their own folder."""
MOST_FILES = 10_000


def searched_folders(named: Iterable[str], own: Path) -> tuple[list[Path], list[FolderProblem]]:
    """The folders to look through, each once, `own` first; and what is wrong with those that were named."""
    found: dict[Path, Path] = {own.resolve(): own} if own.is_dir() else {}
    problems = []
    for text in named:
        try:
            folder = Path(text).expanduser()
        except RuntimeError:  # a home that nobody knows
            folder = Path(text)
        if not folder.is_absolute():
            problems.append(FolderProblem(folder=folder, reason="it has to be a whole path"))
        elif not folder.is_dir():
            problems.append(FolderProblem(folder=folder, reason="it is not there"))
        else:
            place = _place_in(folder)
            found.setdefault(place.resolve(), place)
    return list(found.values()), problems


def model_paths(folder: Path) -> Iterator[Path]:
    """Files and diffusers folders that may be base models, by name. Links are followed, each folder once."""
    seen: set[Path] = set()
    count = 0
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = Path(parent)
        real = here.resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        if DIFFUSERS in names:
            folders.clear()
            yield here
            continue
        folders[:] = sorted(filter(_may_hold_some, folders), key=str.casefold)
        for name in sorted(names, key=str.casefold):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                count += 1
                if count > MOST_FILES:
                    return
                yield here / name


def _may_hold_some(folder: str) -> bool:
    return folder != CAPTIONERS and not folder.startswith(".")


def _place_in(folder: Path) -> Path:
    return next((folder / inner for inner in OF_A_WEBUI if (folder / inner).is_dir()), folder)
