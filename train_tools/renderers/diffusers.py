"""The bundled renderer: how to start the process that renders without a WebUI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import sd_contract
import train_tools
from sd_contract.attempt import EVENTS_VARIABLE, Attempt
from sd_contract.base_models.base_model import cpu_threads
from train_tools.previews.renderer import Launch, RenderRequest, write_request

PROCESS = "train_tools.renderers.diffusers_process"


class DiffusersRenderer:
    """Renders SD1 models without a WebUI. `python` is the interpreter to start."""

    name = "diffusers"
    version = "2"
    """1 took brackets in prompts for letters and cut prompts after 75 tokens."""

    def __init__(self, python: Path = Path(sys.executable)) -> None:
        self._python = python

    def launch(self, request: RenderRequest, attempt: Attempt) -> Launch:
        file = write_request(attempt, request)
        return Launch(
            command=(str(self._python), "-m", PROCESS, str(file)),
            folder=attempt.folder,
            environment={
                EVENTS_VARIABLE: str(attempt.events),
                "PYTHONPATH": import_path(),
                "PYTHONIOENCODING": "utf-8",
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": str(cpu_threads(request.base.path)),
            },
        )


def import_path() -> str:
    """PYTHONPATH with the folders that our packages lie in put first."""
    ours = [str(Path(package.__path__[0]).resolve().parent) for package in (train_tools, sd_contract)]
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(dict.fromkeys([*ours, *filter(None, inherited.split(os.pathsep))]))
