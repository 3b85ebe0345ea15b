"""The parts of originals that a person chose, in dataset/crops.toml: a line for each, by its name in origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple

from train_tools.errors import DatasetNotUsableError, NotFoundError
from train_tools.files import read_toml, write_toml
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Crop

FORMAT = 1


def read_crops(version: VersionPaths) -> Mapping[str, Crop]:
    """By the original's name in origin, with the concept's folder. Raises DatasetNotUsableError naming the line
    that can't be used."""
    if not version.crops.is_file():
        return {}
    record = read_toml(version.crops)
    if record.get("format") != FORMAT:
        raise DatasetNotUsableError(
            f"{version.crops} has format {record.get('format')!r}; this Train Tools reads format {FORMAT}."
        )
    lines = record.get("crops", {})
    if not isinstance(lines, dict):
        raise DatasetNotUsableError(
            f"{version.crops}: crops = {lines!r} is not a table. Write [crops] above its lines."
        )
    return {name: _crop(version, name, shares) for name, shares in lines.items()}


def set_crop(version: VersionPaths, name: str, crop: Crop | None) -> None:
    """From the next preparation on; None takes the whole picture again. Raises NotFoundError for no original."""
    origin = version.origin.resolve()
    path = (origin / name).resolve()
    if not path.is_relative_to(origin) or not path.is_file():
        raise NotFoundError(f"There is no original {name!r} in {version.origin}.")
    crops = {each: astuple(stored) for each, stored in read_crops(version).items()}
    crops.pop(path.relative_to(origin).as_posix(), None)
    if crop is not None:
        crops[path.relative_to(origin).as_posix()] = astuple(crop)
    write_toml(version.crops, {"format": FORMAT, "crops": dict(sorted(crops.items()))})


def _crop(version: VersionPaths, name: str, shares: object) -> Crop:
    numbers = (
        [float(share) for share in shares if isinstance(share, int | float)] if isinstance(shares, list) else []
    )
    if len(numbers) != 4:
        raise DatasetNotUsableError(
            f"{version.crops}: {name} = {shares!r} can't be used: it has to be [left, top, right, bottom], "
            "shares from 0 to 1."
        )
    left, top, right, bottom = numbers
    return Crop(left=left, top=top, right=right, bottom=bottom)
