"""Folders of `processed` exchanged for new ones as a whole: whatever is killed when, what comes next mends it to
all of the old ones or all of the new ones."""

from __future__ import annotations

import errno
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from train_tools.files import storage_error
from train_tools.model.paths import VersionPaths

_BUILDING, _ASIDE, _ARRIVING = ".building", ".aside", ".arriving"
"""Endings of the hidden folders beside `processed`: of the new folders while they are made, of the old ones while
they are exchanged, and of the new ones once all old ones are out of the way."""


@contextmanager
def beside_processed(version: VersionPaths) -> Iterator[Path]:
    """An empty folder on the same disk as `processed`, gone afterwards if it was not moved away. Raises
    StorageError for whatever can't be written within the block."""
    building = version.processed.with_name(f".{uuid.uuid4().hex}{_BUILDING}")
    try:
        building.parent.mkdir(parents=True, exist_ok=True)
        _mend(version)
        building.mkdir()
        yield building
    except OSError as error:
        raise storage_error(version.processed, error) from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def exchange(replaced: Sequence[Path], building: Path, processed: Path) -> None:
    """Puts the new folders, those in `building`, where the old ones were. These are deleted only after that."""
    processed.mkdir(parents=True, exist_ok=True)
    for new in building.iterdir():
        place = processed / new.name
        if place not in replaced and (place.exists() or place.is_symlink()):
            raise FileExistsError(errno.EEXIST, f"{new.name} is there already and not to be replaced", str(place))
    aside, arriving = building.with_suffix(_ASIDE), building.with_suffix(_ARRIVING)
    aside.mkdir()
    try:
        for old in replaced:
            old.rename(aside / old.name)
        building.rename(arriving)
    except OSError:
        _bring_back(aside, processed)
        raise
    _arrive(arriving, processed)
    shutil.rmtree(aside, ignore_errors=True)


def _mend(version: VersionPaths) -> None:
    """Ends what a preparation that was killed began: forwards once its new folders were all that was left to move,
    backwards before."""
    around, processed = version.processed.parent, version.processed
    for arriving in around.glob(f".*{_ARRIVING}"):
        _arrive(arriving, processed)
    for aside in around.glob(f".*{_ASIDE}"):
        if aside.with_suffix(_BUILDING).exists():
            _bring_back(aside, processed)
        else:
            shutil.rmtree(aside)
    for building in around.glob(f".*{_BUILDING}"):
        shutil.rmtree(building)


def _arrive(arriving: Path, processed: Path) -> None:
    for new in sorted(arriving.iterdir()):
        new.rename(processed / new.name)
    arriving.rmdir()


def _bring_back(aside: Path, processed: Path) -> None:
    for old in sorted(aside.iterdir()):
        old.rename(processed / old.name)
    aside.rmdir()
