"""What was measured of checkpoints, in files named by the content of all that decides the numbers: the same is
never measured twice, and a file that was trained anew never has an old number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train_tools.files import storage_error, write_json

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a loss is measured on and how; equal for checkpoints whose losses can be compared."""

    base: str
    """sha256 of the base model's file."""
    dataset: str
    """The dataset's content."""
    clip_skip: int | None = None
    v_prediction: bool = False
    """Whether the run was told to predict v; models that say so themselves need not be told."""
    vae: str = ""

    @property
    def key(self) -> str:
        return _hashed(asdict(self))


class Measured:
    """The folder with a folder for each scorer that keeps something."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, scorer: str, manner: int, **what: str) -> Path:
        """Where the numbers belong that `what` decides. `manner` is counted up when they begin to be made in
        another way."""
        return self._folder / scorer / f"{_hashed({'manner': manner, **what})[:24]}.json"


def keep(file: Path, numbers: Mapping[str, Any]) -> None:
    """Writes numbers whole. Raises StorageError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(file.parent, error) from error
    write_json(file, {"format": FORMAT, **numbers})


def kept(file: Path) -> dict[str, Any] | None:
    """The numbers in a file; None where there is none, or none that this version reads: it is measured again."""
    try:
        numbers = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return numbers if isinstance(numbers, dict) and numbers.get("format") == FORMAT else None


def _hashed(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
