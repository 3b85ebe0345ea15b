"""What the WebUI that started us says about itself. Its extension keeps the file up to date; nothing else writes
there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from train_tools.model.host import HostFiles, HostWebui

HOST_VARIABLE = "TRAIN_TOOLS_WEBUI"
FORMAT = 1


def host_files(environment: Mapping[str, str] = os.environ) -> HostFiles | None:
    """None when we stand alone."""
    named = environment.get(HOST_VARIABLE, "")
    return HostFiles(about=Path(named)) if named else None


def host_webui(environment: Mapping[str, str] = os.environ) -> HostWebui | None:
    """None when we stand alone, or when it has said nothing that can be read: the same as alone."""
    files = host_files(environment)
    if files is None:
        return None
    try:
        told = json.loads(files.about.read_text(encoding="utf-8"))
        if told["format"] != FORMAT:
            return None
        return HostWebui(
            bridge=told["bridge"],
            token=told["token"],
            models=tuple(map(Path, told["models"])),
            vaes=tuple(map(Path, told["vaes"])),
            loras=Path(told["loras"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
