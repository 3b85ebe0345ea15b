"""Folders of this machine, to pick a path in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query

from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp

router = APIRouter(tags=["folders"])


class EntryAnswer(Answer):
    name: str
    path: Path
    is_folder: bool
    size_bytes: int
    changed: datetime


class ListingAnswer(Answer):
    path: Path | None
    """Null = the roots."""
    parent: Path | None
    """Null at a root."""
    entries: tuple[EntryAnswer, ...]
    left_out: int


@router.get("/folders")
def list_folder(
    app: TheApp, path: Annotated[str, Query()] = "", suffix: Annotated[list[str] | None, Query()] = None
) -> ListingAnswer:
    """What lies in a folder below one of the roots; the roots themselves without a path."""
    found = app.folders.listed(Path(path) if path else None, suffix or ())
    entries = tuple(
        EntryAnswer(
            name=each.name,
            path=each.path,
            is_folder=each.is_folder,
            size_bytes=each.size_bytes,
            changed=each.changed,
        )
        for each in found.entries
    )
    return ListingAnswer(path=found.path, parent=found.parent, entries=entries, left_out=found.left_out)
