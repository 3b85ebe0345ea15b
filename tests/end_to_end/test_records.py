"""Records with the real trainer: the pasted command trains the same, and so does a reproduction."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.end_to_end.conftest import DEMO, POCKET, CommandLine, python_path
from train_tools.app import App, open_app
from train_tools.failures.diagnosis import UNKNOWN, Evidence, diagnose
from train_tools.runs.comparison import compare_files
from train_tools.runs.training import LINES_LOOKED_AT

OPTIONS = {
    "pretrained_model_name_or_path": str(POCKET),
    "network_dim": 4,
    "train_batch_size": 4,
    "learning_rate": 1e-3,
    "max_train_epochs": 2,
    "save_every_n_epochs": 1,
}


@pytest.fixture(scope="module")
def trained(command_line: CommandLine) -> Any:
    """One short run with two checkpoints, without a seed and without previews; its job's number."""
    pictures = sorted((DEMO / "dataset").glob("zorb-0[1-4].*"))
    command_line.make_version("it's", pictures, "--width", "64", "--height", "64", "--repeats", "2")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRAIN_TOOLS_STATE", str(command_line.state))
        environment.setenv("PYTHONPATH", python_path())
        app = open_app(command_line.outputs)
        stored = app.versions.settings("it's", "v1")
        app.versions.save_settings("it's", "v1", replace(stored, options=OPTIONS))
        [job] = command_line.json("submit", "it's", "v1")["jobs"]
        assert app.jobs.worker().run(until=lambda: app.jobs.get(job).state.finished)
        assert app.jobs.get(job).state == "done", app.jobs.log(job)
        yield app, job
        app.jobs.queue.close()


def test_the_log_of_a_sound_training_shows_no_sign_of_trouble(trained: tuple[App, int]) -> None:
    app, job = trained
    log = app.jobs.log(job, LINES_LOOKED_AT)
    assert len(log) > 100
    assert diagnose(Evidence(log=log)).name == UNKNOWN


def test_the_pasted_command_trains_the_same_checkpoints(
    trained: tuple[App, int], command_line: CommandLine
) -> None:
    app, job = trained
    told = command_line.run("command", str(job))
    assert "No seed was given; the trainer drew" in told.stderr
    text = told.stdout.strip()
    shell = ["powershell", "-Command"] if sys.platform == "win32" else ["sh", "-c"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRAIN_TOOLS")}
    done = subprocess.run([*shell, text], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    folder = app.runs.find(str(job)).paths.folder
    made = sorted((folder / "by-hand" / "out").glob("*.safetensors"))
    assert [file.name for file in made] == ["it's-v1-000001.safetensors", "it's-v1.safetensors"]
    assert all(compare_files(file, folder / file.name).equal for file in made)


def test_a_reproduction_is_equal_to_the_last_bit(trained: tuple[App, int], command_line: CommandLine) -> None:
    app, job = trained
    told = command_line.json("reproduce", str(job), "--wait")
    assert (told["equal"], told["state"], told["surroundings"]) == (True, "done", [])
    assert told["sentence"] == "Equal to the last bit: 2 checkpoints, every tensor."
    assert [file["tensors"] > 0 for file in told["checkpoints"]] == [True, True]
    difference = command_line.json("diff", str(job), told["run"], "--checkpoints")
    assert difference["equal"]
    assert [change["what"] for change in difference["options"]] == ["seed"]
    drawn = app.runs.find(told["run"]).record.run.options["seed"]
    assert difference["options"][0]["after"] == str(drawn)


def test_checkpoints_that_are_not_the_same_are_told_apart(trained: tuple[App, int]) -> None:
    """So that "equal" means something."""
    app, job = trained
    folder = app.runs.find(str(job)).paths.folder
    early, late = folder / "it's-v1-000001.safetensors", folder / "it's-v1.safetensors"
    found = compare_files(early, late)
    assert found.differing > 0
    assert 0 < found.largest < 1


def test_a_checkpoint_is_gone_on_from_with_its_own_weights(
    trained: tuple[App, int], command_line: CommandLine
) -> None:
    app, job = trained
    original = app.runs.find(str(job)).paths.folder
    [made] = command_line.json("continue", str(original / "it's-v1.safetensors"), "--epochs", "1")["jobs"]
    assert app.jobs.worker().run(until=lambda: app.jobs.get(made).state.finished)
    assert app.jobs.get(made).state == "done", app.jobs.log(made)
    [final] = app.runs.find(str(made)).paths.folder.glob("*.safetensors")
    went_on = compare_files(original / "it's-v1.safetensors", final)
    began_anew = compare_files(original / "it's-v1-000001.safetensors", final)
    assert went_on.problem == ""
    assert 0 < went_on.largest < began_anew.largest
