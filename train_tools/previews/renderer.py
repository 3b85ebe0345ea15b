"""What is to be rendered, as a file that a renderer's process reads; and what previews need of a renderer."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sd_contract.attempt import Attempt
from train_tools.errors import StorageError
from train_tools.files import write_json
from train_tools.jobs.kind import Launch as Launch
from train_tools.model.preview import Picture
from train_tools.previews.subjects import BaseModelFile

FORMAT = 1
REQUEST_NAME = "request.json"


@dataclass(frozen=True, kw_only=True)
class WantedPicture:
    """One picture, the file it is to be written to, and the checkpoint it shows (None = the base model alone)."""

    picture: Picture
    file: Path
    checkpoint: Path | None


@dataclass(frozen=True, kw_only=True)
class RenderRequest:
    """Pictures of one base model. `folder` is what the names in events and results are relative to."""

    base: BaseModelFile
    folder: Path
    wanted: tuple[WantedPicture, ...]
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:1", "mps"."""
    vaes: Mapping[str, Path] = field(default_factory=dict)
    """Where the VAEs lie that pictures name, by the sha256 of their files."""
    embeddings: Mapping[str, Path] = field(default_factory=dict)
    """Where the textual inversions lie that pictures name, by the "name sha256" they name them by."""

    def by_checkpoint(self) -> Iterator[tuple[Path | None, tuple[WantedPicture, ...]]]:
        """The pictures of each checkpoint together, so that each file is loaded once."""
        ordered = sorted(self.wanted, key=lambda wanted: str(wanted.checkpoint or ""))
        for checkpoint, group in itertools.groupby(ordered, key=lambda wanted: wanted.checkpoint):
            yield checkpoint, tuple(group)


class Renderer(Protocol):
    """A program that renders pictures, one process for each request.

    The process appends events to the attempt (`ImageRendered` and `StepDone` for each picture), leaves alone what
    is rendered already, ends early when asked to stop, and writes `result.json` last. A checkpoint that can't be
    used does not keep the others from being rendered, but the outcome is then "failed". The exit code is 0 when
    the outcome is "done" or "cancelled".
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Changes whenever the same request would give other pictures: it is part of each picture's key."""
        ...

    def launch(self, request: RenderRequest, attempt: Attempt) -> Launch:
        """Writes the request into the attempt's folder and says how to start the process."""
        ...


def write_request(attempt: Attempt, request: RenderRequest) -> Path:
    """Writes request.json whole. Raises StorageError."""
    file = attempt.folder / REQUEST_NAME
    write_json(
        file,
        {
            "format": FORMAT,
            "base": {"path": str(request.base.path), "sha256": request.base.sha256},
            "folder": str(request.folder),
            "device": request.device,
            "vaes": {sha256: str(path) for sha256, path in request.vaes.items()},
            "embeddings": {name: str(path) for name, path in request.embeddings.items()},
            "wanted": [
                {
                    "file": str(wanted.file),
                    "checkpoint": str(wanted.checkpoint) if wanted.checkpoint else None,
                    "picture": asdict(wanted.picture),
                }
                for wanted in request.wanted
            ],
        },
    )
    return file


def read_request(file: Path) -> RenderRequest:
    """The request in a file. Raises StorageError when it can't be read or is of another format."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            raise StorageError(f"{file} has format {fields['format']}; this version reads {FORMAT}.")
        return RenderRequest(
            base=BaseModelFile(path=Path(fields["base"]["path"]), sha256=fields["base"]["sha256"]),
            folder=Path(fields["folder"]),
            device=fields["device"],
            vaes=_paths(fields, "vaes"),
            embeddings=_paths(fields, "embeddings"),
            wanted=tuple(
                WantedPicture(
                    picture=Picture(**wanted["picture"]),
                    file=Path(wanted["file"]),
                    checkpoint=Path(wanted["checkpoint"]) if wanted["checkpoint"] else None,
                )
                for wanted in fields["wanted"]
            ),
        )
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{file} is not a list of pictures to render ({error}). It is written when a preview job starts: "
            "start the job again."
        ) from error


def _paths(fields: Mapping[str, Any], name: str) -> dict[str, Path]:
    """Requests of older attempts name neither VAEs nor embeddings."""
    return {key: Path(path) for key, path in fields.get(name, {}).items()}


def relative_name(request: RenderRequest, file: Path) -> str:
    """A picture's file as events and results name it."""
    return os.path.relpath(file, request.folder).replace(os.sep, "/")


def signature_of(renderer: Renderer) -> str:
    """What a picture's key says of its renderer."""
    return f"{renderer.name} {renderer.version}"
