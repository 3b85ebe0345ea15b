"""The WebUI that has started us, if one has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class HostFiles:
    """Where the WebUI's extension writes what we are to know; `about` is what the environment names."""

    about: Path

    @property
    def lock(self) -> Path:
        """Held as long as the WebUI lives."""
        return self.about.with_suffix(".lock")


@dataclass(frozen=True, kw_only=True)
class HostWebui:
    """What it says about itself."""

    bridge: str
    """Where it can be asked as over its API."""
    token: str = field(repr=False)
    """Opens the bridge."""
    models: tuple[Path, ...]
    """Folders of base models; not all need be there."""
    vaes: tuple[Path, ...]
    loras: Path
