"""The project and version chosen last, in the file and under the keys of older layouts (S1-05)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from train_tools.files import write_json
from train_tools.model.project import Choice


def read_choice(path: Path) -> Choice:
    """What was written there. A missing or broken file is no choice: it costs the user one click."""
    remembered = _read(path)
    return Choice(
        project=remembered.get("select_project") or None, version=remembered.get("select_version") or None
    )


def write_choice(path: Path, choice: Choice) -> None:
    chosen = {"select_project": choice.project or "", "select_version": choice.version or ""}
    write_json(path, {**_read(path), **chosen})


def _read(path: Path) -> dict[str, Any]:
    try:
        remembered = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return remembered if isinstance(remembered, dict) else {}
