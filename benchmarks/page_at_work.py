"""The page as a user has it, for what looks at it: the real command on a folder, a real browser in front."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from benchmarks.chromium import MISSING, QUIET, found_browser
from train_tools.app import App, open_app

ROOT = Path(__file__).resolve().parent.parent
PRECISE = "--enable-precise-memory-info"


@dataclass(frozen=True)
class Service:
    """A running service, and the app that shares its folder."""

    app: App
    address: str

    @property
    def page(self) -> str:
        return self.address.partition("?")[0]


@contextmanager
def service() -> Iterator[Service]:
    """Served from a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TRAIN_TOOLS_BENCHMARKS")) as place:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(place, "state"))
        os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "sd_scripts")])
        app = open_app(Path(place, "outputs"))
        command = [
            sys.executable,
            "-m",
            "train_tools",
            "--outputs",
            str(app.outputs.folder),
            "serve",
            "--port",
            "0",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found, "the service did not say its address"
            try:
                yield Service(app, found[0])
            finally:
                process.terminate()


@contextmanager
def browser() -> Iterator[Browser]:
    """The Chromium of this machine."""
    path = found_browser()
    if path is None:
        raise SystemExit(MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=[*QUIET, PRECISE])
        yield opened
        opened.close()
