"""The renderer that asks a WebUI: how to start its process, and the file that tells it which WebUI."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from sd_contract.attempt import EVENTS_VARIABLE, Attempt
from train_tools.files import write_json
from train_tools.model.preview import WEBUI
from train_tools.model.settings import UserSettings
from train_tools.previews.renderer import Launch, RenderRequest, write_request
from train_tools.renderers.diffusers import import_path
from train_tools.settings.secrets import checked_webui

PROCESS = "train_tools.renderers.webui_process"
PLACE_NAME = "webui.json"
FORMAT = 1
STOP_GRACE_S = 60.0


class WebuiRenderer:
    """Renders with the WebUI of the settings, as they are when the job starts."""

    name = WEBUI
    version = "1"

    def __init__(self, settings: Callable[[], UserSettings], python: Path = Path(sys.executable)) -> None:
        self._settings = settings
        self._python = python

    def launch(self, request: RenderRequest, attempt: Attempt) -> Launch:
        settings = self._settings().webui
        checked_webui(settings.url)
        write_json(attempt.folder / PLACE_NAME, {"format": FORMAT, **asdict(settings)})
        file = write_request(attempt, request)
        return Launch(
            command=(str(self._python), "-m", PROCESS, str(file)),
            folder=attempt.folder,
            environment={
                EVENTS_VARIABLE: str(attempt.events),
                "PYTHONPATH": import_path(),
                "PYTHONIOENCODING": "utf-8",
            },
            stop_grace_s=STOP_GRACE_S,
        )
