"""What a captioner is opened with, and where it calculates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from train_tools.captioners.request import CaptionRequest
from train_tools.errors import OptionValueError
from train_tools.model.captioning import CaptionSettings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Opening:
    request: CaptionRequest
    folder: Path
    """With the weights."""

    @property
    def settings(self) -> CaptionSettings:
        return self.request.work.settings


def torch_device(name: str) -> torch.device:
    """ "auto" is the first GPU, else the CPU. OptionValueError for a device that is not there."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionValueError(
            f"Device {name!r} can't be used here ({error}). Choose auto, cpu, or a GPU of this machine."
        ) from error
    return device
