"""draft.json: what was typed into a version's form and not submitted. Costs only the typing when it is lost."""

from __future__ import annotations

import json
from pathlib import Path

from train_tools.files import storage_error, write_json
from train_tools.model.draft import Draft
from train_tools.model.rules import rules_in, rules_table

FORMAT = 1


def read_draft(path: Path) -> Draft:
    """The draft in a file; an empty one where there is none, or none that can be read."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] > FORMAT:
            return Draft()
        return Draft(
            assignments={str(name): str(text) for name, text in told["assignments"].items()},
            unset=tuple(map(str, told["unset"])),
            rules=None if told["rules"] is None else rules_in(told["rules"], path),
            grid=told["grid"],
            engine=told["engine"],
            previews=told["previews"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Draft()


def write_draft(path: Path, draft: Draft) -> None:
    """Keeps a draft; one that says nothing leaves no file."""
    if draft == Draft():
        forget_draft(path)
        return
    table = {
        "format": FORMAT,
        "assignments": dict(draft.assignments),
        "unset": list(draft.unset),
        "rules": None if draft.rules is None else rules_table(draft.rules),
        "grid": draft.grid,
        "engine": draft.engine,
        "previews": draft.previews,
    }
    write_json(path, table)


def forget_draft(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
