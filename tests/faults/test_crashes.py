"""A trainer that can't even start costs the night two attempts; one that is killed gets its chances."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.stand_in import NoPreviews, StandInEngine
from train_tools.app import App, outputs_paths
from train_tools.jobs.worker import MOST_LOSSES
from train_tools.model.job import JobState
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.runs.engine import Launch

KILLS_ITSELF = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


class BrokenEngine(StandInEngine):
    """Its trainer is a command that never trains."""

    def __init__(self, *command: str) -> None:
        super().__init__(0.01)
        self._command = command

    def launch(self, files, attempt) -> Launch:
        return Launch(command=self._command, folder=files.paths.folder)


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Queues one run for an engine and works until nothing waits; returns the job."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    base = tmp_path / "base.safetensors"
    base.write_bytes(b"any file will do")
    Image.new("RGB", (64, 64), "orange").save(tmp_path / "one.png")
    apps: list[App] = []

    def submit(engine: StandInEngine):
        app = NoPreviews(outputs_paths(tmp_path / "outputs"), [engine], DiffusersRenderer())
        apps.append(app)
        app.create_project("cat")
        app.create_version("cat", "v1")
        app.versions.import_images("cat", "v1", [Path(tmp_path / "one.png")])
        app.versions.prepare("cat", "v1")
        app.grids.submit("cat", "v1", {"pretrained_model_name_or_path": f'"{base}"', "network_dim": "1"})
        app.jobs.worker().run(until=lambda: app.jobs.queue.waiting() == 0)
        [job] = app.jobs.all()
        return job

    yield submit
    for app in apps:
        app.jobs.queue.close()


def test_a_trainer_that_lacks_a_package_is_given_up_after_two_attempts(submitted):
    job = submitted(BrokenEngine(sys.executable, "-c", "import no_such_package"))
    assert (job.state, job.attempt) == (JobState.FAILED, 2)
    assert job.message.endswith("ModuleNotFoundError: No module named 'no_such_package'")


def test_an_interpreter_that_is_not_there_is_given_up_after_two_attempts(submitted):
    job = submitted(BrokenEngine("/no/such/python", "train_network.py"))
    assert (job.state, job.attempt) == (JobState.FAILED, 2)
    assert "/no/such/python could not be started" in job.message


def test_a_trainer_that_is_killed_each_time_gets_all_its_chances(submitted):
    job = submitted(BrokenEngine(sys.executable, "-c", KILLS_ITSELF))
    assert (job.state, job.attempt) == (JobState.FAILED, MOST_LOSSES)
