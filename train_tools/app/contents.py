"""How much is in a project: names in its folders are counted, nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sd_contract.datasets import IMAGE_SUFFIXES
from train_tools.model.paths import VersionPaths
from train_tools.model.project import Contents, Project


def contents_of(project: Project, versions: Sequence[VersionPaths]) -> Contents:
    runs = [run for version in versions for run in _folders(version.trains)]
    watched = [project.paths.folder, *(place for each in versions for place in (each.trains, each.processed))]
    changed = max((place.stat().st_mtime for place in watched if place.exists()), default=0.0)
    return Contents(
        project=project.name,
        versions=len(versions),
        images=sum(_count(folder, IMAGE_SUFFIXES) for each in versions for folder in _folders(each.processed)),
        runs=len(runs),
        checkpoints=sum(_count(run, {".safetensors"}) for run in runs),
        changed=datetime.fromtimestamp(changed, UTC),
    )


def _folders(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (entry for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _count(folder: Path, suffixes: set[str] | frozenset[str]) -> int:
    return sum(entry.suffix.lower() in suffixes for entry in folder.iterdir())
