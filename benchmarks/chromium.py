"""The browser that pages are tried in, and how it is kept from asking anything of anybody."""

from __future__ import annotations

import shutil
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = f"No browser is on PATH (looked for {', '.join(BROWSERS)})."


def found_browser() -> Path | None:
    return next((Path(path) for path in map(shutil.which, BROWSERS) if path), None)
