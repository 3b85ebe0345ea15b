"""What the WebUI that started us says about itself. Its extension keeps the file up to date; nothing else writes
there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from train_tools.model.host import HostFiles

HOST_VARIABLE = "TRAIN_TOOLS_WEBUI"


def host_files(environment: Mapping[str, str] = os.environ) -> HostFiles | None:
    """None when we stand alone."""
    named = environment.get(HOST_VARIABLE, "")
    return HostFiles(about=Path(named)) if named else None
