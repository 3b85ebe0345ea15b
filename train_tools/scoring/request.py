"""What is to be measured with fixed noise, as a file that the measuring process reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from train_tools.errors import StorageError
from train_tools.files import write_json
from train_tools.scoring.measured import Measurement

FORMAT = 1
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
class ScoreRequest:
    series: tuple[Series, ...]
    cache: str
    """The folder of latents that were encoded before."""
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
        return ScoreRequest(
            series=tuple(
                Series(
                    base_model=each["base_model"],
                    measurement=Measurement(**each["measurement"]),
                    images=tuple(CaptionedImage(**image) for image in each["images"]),
                    wanted=tuple(Wanted(**wanted) for wanted in each["wanted"]),
                )
                for each in fields["series"]
            ),
            cache=fields["cache"],
            device=fields["device"],
        )
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} does not say what to measure ({error}). Start the job again.") from error
