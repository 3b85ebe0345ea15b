"""Asking a tagger what it sees on pictures, without writing captions: the request, and the lines of its answer.
The process that answers is `captioning_process.tagging`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train_tools.captioners.registry import BY_NAME, Captioner, captioner_of
from train_tools.errors import OptionValueError, StorageError
from train_tools.files import write_json
from train_tools.model.base_model import CaptionStyle
from train_tools.model.captioning import Chosen

PROCESS = "train_tools.captioners.captioning_process.tagging"
FORMAT = 1
NAME = "tagging.json"
ANSWER = "tags.jsonl"


@dataclass(frozen=True, kw_only=True)
class TaggingRequest:
    """Which pictures to look at. The answer is a file of lines beside the request: `{"phase": ...}` while it
    loads, `{"known": [...]}` with those of `asked` that the tagger could say, then for each picture
    `{"picture": ..., "tags": [...]}` or `{"picture": ..., "problem": ...}`. Tags are spelt as `tags.plain` does
    it."""

    tagger: Chosen
    weights: Path
    """The folder with a folder for each captioner's model."""
    pictures: tuple[str, ...]
    asked: tuple[str, ...]
    download: bool = False
    """Somebody agreed to fetching what is missing."""
    device: str = "auto"


def tagger_of(chosen: Chosen) -> Captioner:
    """Raises OptionValueError for one that writes no tags."""
    captioner = captioner_of(chosen)
    if captioner.style is not CaptionStyle.TAGS:
        taggers = ", ".join(name for name, each in BY_NAME.items() if each.style is CaptionStyle.TAGS)
        raise OptionValueError(f"{chosen.name} writes no tags. Taggers are: {taggers}.")
    return captioner


def write_tagging(folder: Path, request: TaggingRequest) -> Path:
    """Writes the request whole. Raises StorageError."""
    file = folder / NAME
    write_json(file, {"format": FORMAT, **asdict(request), "weights": str(request.weights)})
    return file


def read_tagging(file: Path) -> TaggingRequest:
    """Raises StorageError when it can't be read."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if told.pop("format") != FORMAT:
            raise StorageError(f"{file} is of another version. Start the job again.")
        told |= {"tagger": Chosen(**told["tagger"]), "weights": Path(told["weights"])}
        return TaggingRequest(**{**told, "pictures": tuple(told["pictures"]), "asked": tuple(told["asked"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{file} does not say what to look at ({error}). Start the job again.") from error


class Answers:
    """The answer's lines, as they come."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_to = 0

    def new(self) -> list[dict[str, Any]]:
        """Those that are whole by now and were not returned before."""
        if not self._file.is_file():
            return []
        with self._file.open("rb") as content:
            content.seek(self._read_to)
            *lines, torn = content.read().split(b"\n")
            self._read_to = content.tell() - len(torn)
        return [json.loads(line) for line in lines]
