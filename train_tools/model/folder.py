"""What the page may show of this machine's folders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A folder or a file in a folder."""

    name: str
    path: Path
    is_folder: bool
    size_bytes: int
    changed: datetime


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A folder as it is now."""

    path: Path | None
    """None = the roots, which have no folder in common."""
    parent: Path | None
    """None at a root."""
    entries: tuple[Entry, ...]
    """Folders first, each by name."""
    left_out: int
    """How many more there are than can be shown."""
