"""What is to be captioned, as a file that the captioning process reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError, TrainToolsError
from train_tools.files import write_json
from train_tools.model.captioning import CaptionSettings, Endpoint
from train_tools.model.paths import VersionPaths

FORMAT = 1
NAME = "request.json"
MANNER = 1
"""Counted up when the same settings begin to mean other words."""


@dataclass(frozen=True, kw_only=True)
class CaptionWork:
    """What one caption job does, as the queue keeps it."""

    settings: CaptionSettings
    endpoint: Endpoint = field(default_factory=Endpoint)
    download: bool = False
    """Somebody agreed to fetching what is missing."""
    round: str = ""
    """Names this asking when what is captioned already is to be captioned anew."""

    def subject(self) -> dict[str, Any]:
        return {
            "settings": self.settings.as_json(),
            "endpoint": asdict(self.endpoint),
            "download": self.download,
            "round": self.round,
        }

    @classmethod
    def of(cls, subject: Mapping[str, Any]) -> CaptionWork:
        """The work a subject names. Raises StorageError when it is not one."""
        try:
            return cls(
                settings=CaptionSettings.of(subject["settings"]),
                endpoint=Endpoint(**subject["endpoint"]),
                download=bool(subject["download"]),
                round=str(subject["round"]),
            )
        except (KeyError, TypeError, AttributeError, TrainToolsError) as error:
            raise StorageError(
                f"This caption job does not say what to do ({error}). Remove it and ask for the captions again."
            ) from error

    @property
    def key(self) -> str:
        """Equal for work that writes the same words."""
        asks = any(chosen.name == "endpoint" for chosen in self.settings.captioners)
        told = [MANNER, self.settings.as_json(), asdict(self.endpoint) if asks else None]
        text = json.dumps(told, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class CaptionRequest:
    """Work on a version's originals."""

    version: VersionPaths
    work: CaptionWork
    weights: Path
    """The folder with a folder for each captioner's model."""
    device: str = "auto"
    """"auto", "cpu", "cuda", "cuda:1", "mps"."""


def write_request(folder: Path, request: CaptionRequest) -> Path:
    """Writes request.json whole. Raises StorageError."""
    file = folder / NAME
    write_json(
        file,
        {
            "format": FORMAT,
            "version": str(request.version.folder),
            "work": request.work.subject(),
            "weights": str(request.weights),
            "device": request.device,
        },
    )
    return file


def read_request(file: Path) -> CaptionRequest:
    """The request in a file. Raises StorageError when it can't be read or is of another format."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        if fields["format"] != FORMAT:
            raise StorageError(f"{file} has format {fields['format']}; this version reads {FORMAT}.")
        return CaptionRequest(
            version=VersionPaths(Path(fields["version"])),
            work=CaptionWork.of(fields["work"]),
            weights=Path(fields["weights"]),
            device=fields["device"],
        )
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{file} does not say what to caption ({error}). Start the job again.") from error
