"""Showing a folder, or a file in its folder, in the file manager of this machine's desktop."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from train_tools.machine.program import Program, found

STARTS_WITHIN_S = 1.5
"""What fails does so at once; a file manager may stay for hours."""
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def file_manager(
    place: Path, system: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> Program | None:
    """The program that shows the place; None where there is none, or nobody could see it: without a display
    xdg-open would show the folder in a terminal that nobody sits before."""
    if system == "darwin":
        return found("open", "-R", str(place)) if place.is_file() else found("open", str(place))
    if system == "win32":
        return found("explorer", f"/select,{place}" if place.is_file() else str(place))
    if not any(environment.get(name) for name in DISPLAYS):
        return None
    return found("xdg-open", str(place.parent if place.is_file() else place))


def show(program: Program, system: str = sys.platform) -> str:
    """Starts it and lets it go. Returns "" when it has not failed at once, else what went wrong, in words."""
    name = Path(program.name).name
    try:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"{name} could not be started: {error.strerror or error}"
    try:
        code = process.wait(STARTS_WITHIN_S)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # else it would stay among the processes
        return ""
    failed = code and system != "win32"  # explorer ends with 1 whatever it did
    return f"{name} ended with code {code}" if failed else ""
