"""A run that is paused in the middle goes on at its exact step, with the real trainer through the real queue, and
ends with the tensors of a run that nobody paused."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from sd_contract.attempt import Attempt
from sd_contract.events import AttemptStarted, StepDone, Tail
from tests.end_to_end.conftest import DEMO, POCKET, CommandLine, python_path
from train_tools.app import App, open_app
from train_tools.jobs.kind import attempts_in
from train_tools.model.job import JobState

OPTIONS = {
    "pretrained_model_name_or_path": str(POCKET),
    "network_dim": 4,
    "train_batch_size": 2,
    "learning_rate": 1e-3,
    "max_train_epochs": 2,
    "optimizer_type": "Prodigy",
    "network_args": ("conv_dim=2",),
    "noise_offset": 0.05,
    "seed": 5,
}
PATIENCE_S = 120.0


def pause_in_the_middle(app: App, job: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while app.jobs.get(job).step < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    app.jobs.pause(job)


def test_a_paused_run_ends_as_if_it_had_not_been(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = sorted((DEMO / "dataset").glob("zorb-0[1-4].*"))
    command_line.make_version("paused", pictures, "--width", "64", "--height", "64", "--repeats", "20")
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(command_line.state))
    monkeypatch.setenv("PYTHONPATH", python_path())
    app = open_app(command_line.outputs)
    stored = app.versions.settings("paused", "v1")
    app.versions.save_settings("paused", "v1", replace(stored, options=OPTIONS))
    [job] = command_line.json("submit", "paused", "v1", "--no-previews")["jobs"]

    pausing = threading.Thread(target=pause_in_the_middle, args=(app, job))
    pausing.start()
    app.jobs.worker().run(until=lambda: app.jobs.get(job).state in (JobState.PAUSED, JobState.DONE))
    pausing.join()
    paused = app.jobs.get(job)
    assert (paused.state, 0 < paused.step < paused.total_steps) == (JobState.PAUSED, True), app.jobs.log(job)

    app.jobs.resume(job)
    app.jobs.worker().run(until=lambda: app.jobs.get(job).state.finished)
    assert app.jobs.get(job).state is JobState.DONE, app.jobs.log(job)
    first, second = attempts_in(app.runs.find(str(job)).paths.folder)
    steps = [event.step for event in Tail(Attempt(first.folder).events).events() if isinstance(event, StepDone)]
    begun = next(Tail(Attempt(second.folder).events).events())
    assert begun == AttemptStarted(from_step=steps[-1])
    assert command_line.json("reproduce", str(job), "--wait")["equal"]
    app.jobs.queue.close()
