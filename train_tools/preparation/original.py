"""What a step may know about an original besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train_tools.model.preparation import Crop


@dataclass(frozen=True, kw_only=True)
class Original:
    crop: Crop | None = None
    """The part that a person chose."""
    models: Path | None = None
    """The folder that holds detectors (`opencv`) and background removers (`backgrounds`)."""
