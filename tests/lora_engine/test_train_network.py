"""train_network.py as users and the queue start it: a process of its own, with and without an attempt folder."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import sd_contract
from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt, Result, read_result
from sd_contract.events import (
    AttemptStarted,
    CheckpointSaved,
    PhaseStarted,
    RunFinished,
    StepDone,
    Tail,
)
from sd_contract.tensors.tensor_files import verify_safetensors

SCRIPT = Path(sd_contract.__file__).parent.parent / "train_network.py"
LAUNCHER = ["-m", "accelerate.commands.launch", "--num_processes=1", "--num_machines=1"]
LAUNCHER += ["--mixed_precision=no", "--dynamo_backend=no", "--num_cpu_threads_per_process=1"]


@pytest.fixture
def config(tiny_model, dataset, tmp_path):
    """A config file of a short run; its options can be overridden on the command line."""
    path = tmp_path / "it's a run.toml"
    path.write_text(
        f"""
        [model]
        pretrained_model_name_or_path = '{tiny_model}'
        [files]
        dataset_config = '{dataset}'
        output_dir = '{tmp_path / "out"}'
        output_name = "zorb"
        save_every_n_epochs = 1
        [course]
        network_dim = 2
        learning_rate = 1e-3
        max_train_epochs = 2
        seed = 7
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture
def start(config, tmp_path):
    """Starts the script with an attempt folder; the process is killed if a test leaves it behind."""
    processes = []

    def run(*options, attempt=None, launcher=()):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRAIN_TOOLS_CACHE": str(tmp_path / "cache")}
        if attempt is not None:
            attempt.folder.mkdir()
            environment["TRAIN_TOOLS_EVENTS"] = str(attempt.events)
        command = [sys.executable, *launcher, str(SCRIPT), "--config_file", str(config), *map(str, options)]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def events_of(attempt):
    return list(Tail(attempt.events).events())


def await_step(attempt, process, step):
    """Follows the events until that step is done."""
    tail = Tail(attempt.events)
    while process.poll() is None:
        if any(isinstance(event, StepDone) and event.step >= step for event in tail.events()):
            return
        time.sleep(0.05)
    raise AssertionError(process.communicate())


def test_a_run_tells_its_story_and_leaves_its_files(start, config, tmp_path, capfd):
    attempt = Attempt(tmp_path / "attempt")
    process = start(attempt=attempt)
    stdout, stderr = process.communicate()

    assert process.returncode == 0, stderr
    files = ("zorb-000001.safetensors", "zorb.safetensors")
    assert read_result(attempt) == Result(outcome="done", step=4, total_steps=4, files=files)
    story = events_of(attempt)
    assert story[0] == AttemptStarted(0)
    assert [type(event) for event in story[1:4]] == [PhaseStarted] * 3
    assert [event.step for event in story if isinstance(event, StepDone)] == [1, 2, 3, 4]
    assert all(0 < event.loss < 10 for event in story if isinstance(event, StepDone))
    assert story[-2:] == [CheckpointSaved("zorb.safetensors", 4, 2), RunFinished("done")]
    assert f"saving checkpoint: {tmp_path / 'out' / 'zorb.safetensors'}\n" in stdout
    assert "  num batches per epoch: 2\n" in stdout
    bars = re.findall(r"steps: +\d+%\|.*\| (\d+)/4 \[.*, avr_loss=([\d.e-]+)\]", stderr.replace("\r", "\n"))
    assert bars[-1][0] == "4"
    assert "Traceback" not in stderr
    train_lora(read_job(["--config_file", str(config), "--output_name", "here"]), Reporter(None))
    assert_equal_weights(*(tmp_path / "out" / name for name in ("zorb.safetensors", "here.safetensors")))


def assert_equal_weights(*paths):
    first, second = map(load_file, paths)
    assert len(first) == 3 * (192 + 12)
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_a_stop_file_and_a_signal_save_what_there_is(start, tmp_path):
    asked, signalled = Attempt(tmp_path / "asked"), Attempt(tmp_path / "signalled")
    endless = ("--max_train_epochs", "100000")
    first = start(*endless, "--output_name", "first", attempt=asked, launcher=LAUNCHER)
    second = start(*endless, "--output_name", "second", attempt=signalled)
    await_step(asked, first, 2)
    asked.stop.touch()
    await_step(signalled, second, 2)
    second.send_signal(signal.SIGTERM)

    for attempt, process, name in ((asked, first, "first"), (signalled, second, "second")):
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        result = read_result(attempt)
        assert (result.outcome, result.total_steps) == ("cancelled", 200000)
        assert result.files[-1] == f"{name}-step{result.step:08d}.safetensors"
        verify_safetensors(tmp_path / "out" / result.files[-1])
        assert events_of(attempt)[-1] == RunFinished("cancelled")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--network_dimm", "8"],
            "error: command line: unknown option 'network_dimm'. Did you mean 'network_dim'?",
        ),
        (["--pretrained_model_name_or_path", "gone.safetensors"], "error: base model: gone.safetensors does not"),
        (["--dataset_config", "gone.toml"], "error: dataset file gone.toml can't be read: No such file"),
        (["--output_dir", "/dev/null/out"], "error: output_dir = /dev/null/out: files can't be written there"),
        (["--output_dir", ""], "error: option 'output_dir' is missing"),
        (["--train_data_dir", "gone", "--dataset_config", ""], "error: folder gone does not exist."),
    ],
)
def test_a_mistake_is_told_in_one_line_before_torch_is_loaded(start, tmp_path, options, told):
    attempt = Attempt(tmp_path / "attempt")
    process = start(*options, attempt=attempt, launcher=["-X", "importtime"])
    _, stderr = process.communicate()

    assert process.returncode == 1
    lines = [line for line in stderr.splitlines() if not line.startswith("import time:")]
    assert len(lines) == 1
    assert lines[0].startswith(told)
    assert not re.search(r"\| +(torch|numpy|diffusers|transformers)$", stderr, re.MULTILINE)
    assert read_result(attempt).outcome == "failed"
    assert f"error: {read_result(attempt).message}" == lines[0]
    assert events_of(attempt) == [AttemptStarted(0), RunFinished("failed", read_result(attempt).message)]


def test_a_folder_without_images_is_a_failure(start, dataset, tmp_path):
    for image in (tmp_path / "images").glob("*.png"):
        image.unlink()
    process = start()
    _, stderr = process.communicate()

    assert process.returncode == 1
    assert stderr.startswith(f"error: image folder {tmp_path / 'images'} holds no images.")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_image_that_can_not_be_read_fails_the_run_by_name(start, tmp_path):
    (tmp_path / "images" / "red.png").write_bytes(b"garbage")
    process = start()
    _, stderr = process.communicate()

    assert process.returncode == 1
    assert len(stderr.splitlines()) == 1
    assert "red.png can't be read" in stderr


def test_several_processes_are_refused(config, tmp_path):
    environment = {**os.environ, "WORLD_SIZE": "2"}
    ended = subprocess.run(
        [sys.executable, SCRIPT, "--config_file", config], env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 1
    assert "started as 2 processes; the bundled engine trains on one device so far" in ended.stderr


def test_help_lists_every_option():
    ended = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True)

    assert ended.returncode == 0
    assert "--network_dim INT" in ended.stdout
    assert ended.stderr == ""
