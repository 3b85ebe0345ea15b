"""Captions of many pictures in one file: kohya's JSON, a table of pictures, and JSON lines, one picture each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from train_tools.errors import DatasetNotUsableError

SUFFIXES = (".json", ".jsonl")
LARGEST_BYTES = 512 * 1024**2
NAMES = ("image_path", "file_name", "path", "image", "file")
TEXTS = ("caption", "text", "prompt")
SEPARATOR = ", "


class NoMetadataError(DatasetNotUsableError):
    """A file that holds no captions. The text is a reason to stand behind its name."""


def read_metadata(path: Path, pictures: Iterable[Path]) -> tuple[dict[Path, str], int]:
    """The captions of these pictures, and how many of the file's are of none of them (or of several).

    Each is found by its path, else its path below the file's folder, else its name with or without suffix. The
    caption is kohya's: the caption, then the tags. Raises NoMetadataError.
    """
    known = _Pictures(path.parent, pictures)
    captions: dict[Path, str] = {}
    unmatched = 0
    for name, text in _entries(path):
        picture = known.called(name)
        if picture is None:
            unmatched += 1
        elif text:
            captions[picture] = text
    return captions, unmatched


class _Pictures:
    """Pictures by all they may be called."""

    def __init__(self, folder: Path, pictures: Iterable[Path]) -> None:
        self._by_name: dict[str, set[Path]] = defaultdict(set)
        for picture in pictures:
            names = {picture.as_posix(), picture.name, picture.stem}
            if picture.is_relative_to(folder):
                below = PurePosixPath(picture.relative_to(folder).as_posix())
                names |= {str(below), str(below.with_suffix(""))}
            for name in names:
                self._by_name[name].add(picture)

    def called(self, name: str) -> Path | None:
        """The one picture that is meant; None when it is none, or one of several."""
        path = PurePosixPath(name.replace("\\", "/"))
        for spelt in (str(path), path.name, path.stem):
            found = self._by_name.get(spelt, ())
            if found:
                return next(iter(found)) if len(found) == 1 else None
        return None


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """(what a picture is called, its caption)."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise NoMetadataError(f"it has more than {LARGEST_BYTES // 1024**2} MB, too much for captions")
        found = [each for each in _lines(path) if each is not None]
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, NoMetadataError):
            raise
        raise NoMetadataError(f"it can't be read as JSON ({error})") from error
    if not found:
        raise NoMetadataError("it holds no captions of pictures, as kohya's metadata do")
    yield from found


def _lines(path: Path) -> Iterator[tuple[str, str] | None]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".jsonl":
        for line in text.splitlines():
            if line.strip():
                yield _row(json.loads(line))
        return
    table = json.loads(text)
    if isinstance(table, Mapping):
        for name, fields in table.items():
            yield _entry(name, fields)
    elif isinstance(table, Sequence) and not isinstance(table, str):
        for fields in table:
            yield _row(fields)


def _row(fields: Any) -> tuple[str, str] | None:
    if not isinstance(fields, Mapping):
        return None
    name = next((fields[key] for key in NAMES if isinstance(fields.get(key), str)), None)
    return None if name is None else _entry(name, fields)


def _entry(name: str, fields: Any) -> tuple[str, str] | None:
    if isinstance(fields, str):
        return (name, fields.strip())
    if not isinstance(fields, Mapping) or not {*TEXTS, "tags"} & fields.keys():
        return None
    parts = (next((fields[key] for key in TEXTS if key in fields), ""), fields.get("tags"))
    return (name, SEPARATOR.join(filter(None, map(_text, parts))))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence):
        return SEPARATOR.join(str(each).strip() for each in value)
    return ""
