"""What is to be rendered, as a file that a renderer's process reads; and what previews need of a renderer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from sd_contract.attempt import Attempt
from train_tools.errors import StorageError
from train_tools.files import write_json
from train_tools.jobs.kind import Launch as Launch
from train_tools.model.preview import Picture
from train_tools.previews.matrix import BaseModelFile

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
