"""Fetching a file from somewhere else: what is offered, what was agreed to, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a server says about a file before it is fetched. The address itself may hold a secret and is no part of
    it."""

    host: str
    """Whom the user asked."""
    sent_by: str
    """Who sends it: another one when the first leads there."""
    name: str
    size_bytes: int
    folder: Path
    can_resume: bool
    validator: str = ""
    """What changes when the file does: its ETag, or when it was modified."""
    here_bytes: int = 0
    """Of this very file, from an earlier attempt."""
    free_bytes: int = 0
    """On the folder's disk."""

    @property
    def target(self) -> Path:
        return self.folder / self.name


class DownloadState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, kw_only=True)
class Download:
    """One that was begun since the service started."""

    id: int
    name: str
    host: str
    target: Path
    size_bytes: int
    done_bytes: int
    state: DownloadState
    message: str = ""
    """Why it failed."""
