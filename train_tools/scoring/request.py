"""What is to be measured, as a file that the measuring process reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError
from train_tools.files import write_json
from train_tools.scoring.measured import Measurement

FORMAT = 2
NAME = "request.json"


@dataclass(frozen=True, kw_only=True)
class CaptionedImage:
    image: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One checkpoint (None = the base model alone), and the file that its losses belong into."""

    checkpoint: str | None
    file: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """Checkpoints whose losses are compared: the same model, images and noise."""

    base_model: str
    measurement: Measurement
    images: tuple[CaptionedImage, ...]
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A preview to be looked at."""

    file: str
    prompt: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """A checkpoint's previews beside the base model's of the same, and the file that what was seen belongs
    into."""

    file: str
    own: tuple[Shown, ...]
    base: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Looking:
    """What one model is to look at. Pictures are compared with `training` images."""

    looker: str
    chosen: str
    training: tuple[str, ...]
    galleries: tuple[Gallery, ...]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What is not measured yet."""

    series: tuple[Series, ...] = ()
    looking: tuple[Looking, ...] = ()

    @property
    def count(self) -> int:
        return sum(len(each.wanted) for each in self.series) + sum(len(each.galleries) for each in self.looking)


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    missing: Missing
    cache: str
    """The folder of latents that were encoded before."""
    weights: str
    """The folder with a folder for each model that looks at pictures."""
    download: bool = False
    """Somebody agreed to fetching such models."""
    device: str = "auto"


def write_request(folder: Path, request: ScoreRequest) -> Path:
    """Writes request.json whole. Raises StorageError."""
    file = folder / NAME
    write_json(file, {"format": FORMAT, **asdict(request)})
    return file


def read_request(file: Path) -> ScoreRequest:
    """The request in a file. Raises StorageError when it can't be read or is of another format."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            raise StorageError(f"{file} has format {fields['format']}; this version reads {FORMAT}.")
        missing = fields["missing"]
        return ScoreRequest(
            missing=Missing(
                series=tuple(map(_series, missing["series"])), looking=tuple(map(_looking, missing["looking"]))
            ),
            cache=fields["cache"],
            weights=fields["weights"],
            download=fields["download"],
            device=fields["device"],
        )
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} does not say what to measure ({error}). Start the job again.") from error


def _series(told: Mapping[str, Any]) -> Series:
    return Series(
        base_model=told["base_model"],
        measurement=Measurement(**told["measurement"]),
        images=tuple(CaptionedImage(**image) for image in told["images"]),
        wanted=tuple(Wanted(**wanted) for wanted in told["wanted"]),
    )


def _looking(told: Mapping[str, Any]) -> Looking:
    galleries = tuple(
        Gallery(
            file=each["file"],
            own=tuple(Shown(**shown) for shown in each["own"]),
            base=tuple(Shown(**shown) for shown in each["base"]),
        )
        for each in told["galleries"]
    )
    return Looking(
        looker=told["looker"], chosen=told["chosen"], training=tuple(told["training"]), galleries=galleries
    )
