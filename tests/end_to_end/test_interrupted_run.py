"""A run that is interrupted in the queue goes on at its exact step, and ends as if it had been left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt
from sd_contract.base_models.base_model import cpu_threads
from sd_contract.events import AttemptStarted, StepDone, Tail
from tests.end_to_end.conftest import DEMO, POCKET, CommandLine, python_path
from tests.faults.stand_in import NoPreviews
from tests.jobs.patience import eventually
from train_tools.app import outputs_paths
from train_tools.engines.bundled import BundledEngine
from train_tools.model.job import JobState
from train_tools.renderers.diffusers import DiffusersRenderer

STEPS = 72


@pytest.fixture
def run(command_line: CommandLine) -> Path:
    """The folder of a queued run that draws in many ways."""
    command_line.make_version("zorb", [DEMO / "dataset"], "--width", "64", "--height", "64", "--repeats", "1")
    command_line.ok(
        "submit", "zorb", "v1", "--base-model", str(POCKET), "--set", "max_train_epochs=3", "--set", "seed=3",
        "--set", "network_dim=2", "--set", "network_dropout=0.1", "--set", "noise_offset=0.05",
        "--set", "flip_aug=true",
    )  # fmt: skip
    [folder] = (command_line.outputs / "train_tools").rglob("trains/*")
    return folder


def steps_of(attempt: Path) -> list[int]:
    return [event.step for event in Tail(Attempt(attempt).events).events() if isinstance(event, StepDone)]


def begun_at(attempt: Path) -> int:
    events = Tail(Attempt(attempt).events).events()
    return next(event.from_step for event in events if isinstance(event, AttemptStarted))


def work_until_interrupted(command_line: CommandLine, attempt: Path) -> int:
    """Ctrl-C in a terminal that works off the queue, once a few steps are done; the exit code."""
    command = [sys.executable, "-m", "train_tools", "--outputs", str(command_line.outputs), "work", "--quiet"]
    environment = {**os.environ, "TRAIN_TOOLS_STATE": str(command_line.state), "PYTHONPATH": python_path()}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as worker:
        eventually(lambda: len(steps_of(attempt)) > 2, most_s=120)
        worker.send_signal(signal.SIGINT)
        worker.communicate()
    return worker.returncode


def undisturbed(run: Path, folder: Path) -> Path:
    """What the run's own settings give in one go."""
    torch.set_num_threads(cpu_threads(POCKET))
    files = ("--config_file", run / "config.toml", "--dataset_config", run / "dataset.toml")
    train_lora(read_job([str(word) for word in (*files, "--output_dir", folder)]), Reporter(None))
    return folder / "zorb-v1.safetensors"


def test_an_interrupted_run_ends_as_if_left_alone(
    run: Path, command_line: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run / "attempts" / "001", run / "attempts" / "002"
    assert work_until_interrupted(command_line, first) == 130
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(command_line.state))
    app = NoPreviews(outputs_paths(command_line.outputs), [BundledEngine()], DiffusersRenderer())
    assert [job.state for job in app.jobs.all()] == [JobState.QUEUED]
    app.jobs.worker().run(until=lambda: app.jobs.queue.waiting() == 0)

    assert [(job.state, job.attempt) for job in app.jobs.all()] == [(JobState.DONE, 2)]
    assert 2 < begun_at(second) == steps_of(first)[-1] < STEPS
    assert steps_of(first) + steps_of(second) == list(range(1, STEPS + 1))
    app.jobs.queue.close()
    ours, theirs = load_file(run / "zorb-v1.safetensors"), load_file(undisturbed(run, tmp_path))
    assert ours.keys() == theirs.keys()
    assert [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])] == []
