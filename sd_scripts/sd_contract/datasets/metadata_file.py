"""The list of images of sd-scripts' fine-tuning tools: JSON (`{path: {caption, tags}}`) or JSON lines
(`{"image_path": ..., "caption": ..., "tags": ...}`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sd_contract.errors import DatasetError
from sd_contract.images.image_files import IMAGE_SUFFIXES

JSON_LINES = ".jsonl"


def read_metadata_file(path: Path, image_dir: Path, *, separator: str, every_line: bool) -> list[tuple[Path, str]]:
    """Images and their captions, sorted by path: the caption, the separator, the tags. With `every_line` the tags
    follow each line of the caption. DatasetError for anything that is not as it should be."""
    entries = _entries(path)
    if not entries:
        raise DatasetError(f"metadata file {path} lists no images.")
    return sorted(
        (_image(path, name, image_dir), _caption(path, name, entry, separator, every_line))
        for name, entry in entries.items()
    )


def _entries(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        entries = _from_lines(text) if path.suffix == JSON_LINES else json.loads(text)
    except OSError as error:
        raise DatasetError(f"metadata file {path} can't be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"metadata file {path} is not JSON as it should be: {error!r}.") from error
    if not isinstance(entries, dict):
        raise DatasetError(f"metadata file {path} must be a table from image paths to captions and tags.")
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise DatasetError(f"metadata file {path}: {name!r} must be a table with caption and tags.")
    return entries


def _from_lines(text: str) -> dict[str, Mapping[str, Any]]:
    entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    return {entry.pop("image_path"): entry for entry in entries}


def _image(path: Path, name: str, image_dir: Path) -> Path:
    """The file that an entry names: as it stands there, below image_dir, or there with an image's suffix."""
    places = [Path(name), image_dir / name]
    places += [image_dir / f"{name}{suffix}" for suffix in sorted(IMAGE_SUFFIXES)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DatasetError(f"metadata file {path} lists {name}, which is neither there nor in {image_dir}.")
    return found


def _caption(path: Path, name: str, entry: Mapping[str, Any], separator: str, every_line: bool) -> str:
    caption, tags = entry.get("caption"), entry.get("tags")
    for value in (caption, tags):
        if value is not None and not isinstance(value, str):
            raise DatasetError(f"metadata file {path}: caption and tags of {name!r} must be texts.")
    if caption is None and tags is None:
        raise DatasetError(f"metadata file {path}: {name!r} has neither caption nor tags.")
    if caption is None or not tags:
        return str(tags if caption is None else caption)
    lines = [line for line in caption.split("\n") if line.strip()] if every_line else [caption]
    return "\n".join(f"{line}{separator}{tags.replace(chr(10), separator)}" for line in lines)
