"""A run that is stopped or killed again and again ends with the weights of one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sd_contract.attempt import Attempt, read_result
from sd_contract.events import AttemptStarted, StepDone, Tail
from sd_contract.output.states import newest_state

TIMES = 10
STEPS = 60
LIMIT_S = 120


class Nursery:
    """Where processes come from that have torch loaded already; one at a time."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        script = Path(__file__).with_name("nursery.py")
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, words, attempt):
        """The id of a new training process."""
        order = {
            "words": [str(word) for word in words],
            "environment": {"TRAIN_TOOLS_EVENTS": str(attempt.events)},
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def exit_code(self):
        """How the process that was started last ended; waits for it."""
        return int(self._process.stdout.readline())

    def close(self):
        self._process.communicate()


@pytest.fixture(scope="module")
def nursery():
    nursery = Nursery()
    yield nursery
    nursery.close()


class Run:
    """A run whose attempts are processes of their own."""

    def __init__(self, nursery, folder, options):
        self.nursery = nursery
        self.folder = folder
        self.options = options
        self.attempts = []

    @property
    def attempt(self):
        return self.attempts[-1]

    def start(self, *options):
        """The next attempt, which goes on from the newest state of those before."""
        resume = newest_state(attempt.folder / "state" for attempt in self.attempts)
        attempt = Attempt(self.folder / f"{len(self.attempts) + 1:03}")
        attempt.folder.mkdir(parents=True)
        self.attempts.append(attempt)
        words = [*self.options, "--output_dir", self.folder / "out", "--state_dir", attempt.folder / "state"]
        return self.nursery.start([*words, *options, *(["--resume", resume] if resume else [])], attempt)

    def signal_at(self, count, number, *options, pause_s=0.0):
        """Sends the next attempt a signal after so many steps; its exit code."""
        process = self.start(*options)
        deadline = time.monotonic() + LIMIT_S
        tail, done = Tail(self.attempt.events), 0
        while (done := done + sum(isinstance(event, StepDone) for event in tail.events())) < count:
            assert time.monotonic() < deadline, self.attempt.folder
            time.sleep(0.01)
        time.sleep(pause_s)
        os.kill(process, number)
        return self.nursery.exit_code()

    def finish(self):
        """The weights at the end of a last attempt that is left alone."""
        self.start()
        assert self.nursery.exit_code() == 0
        return load_file(self.folder / "out" / "lora.safetensors")


def steps_of(attempt):
    return [event.step for event in Tail(attempt.events).events() if isinstance(event, StepDone)]


def begun_at(attempt):
    return next(e.from_step for e in Tail(attempt.events).events() if isinstance(e, AttemptStarted))


@pytest.fixture
def options(tiny_model, dataset):
    words = ["--pretrained_model_name_or_path", tiny_model, "--dataset_config", dataset, "--output_name", "lora"]
    words += ["--max_train_steps", STEPS, "--network_dim", "2", "--learning_rate", "1e-3", "--seed", "5"]
    return [*words, "--lr_scheduler", "cosine", "--flip_aug", "--network_train_unet_only"]


def assert_equal(first, second):
    assert first.keys() == second.keys()
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []


def test_ten_stops_and_ten_kills_at_random_steps_change_nothing(nursery, tmp_path, options):
    chance = random.Random(10)
    whole = Run(nursery, tmp_path / "whole", options).finish()
    stopped = Run(nursery, tmp_path / "stopped", options)
    killed = Run(nursery, tmp_path / "killed", options)

    for _ in range(TIMES):
        assert stopped.signal_at(chance.randint(1, 4), signal.SIGTERM) == 0
        assert read_result(stopped.attempt).outcome == "cancelled"
        pause_s = chance.uniform(0, 0.1)
        code = killed.signal_at(
            chance.randint(3, 5), signal.SIGKILL, "--state_every_n_steps", "2", pause_s=pause_s
        )
        assert code == -signal.SIGKILL

    assert_equal(stopped.finish(), whole)
    assert_equal(killed.finish(), whole)
    ends = [read_result(attempt).step for attempt in stopped.attempts]
    assert [begun_at(attempt) for attempt in stopped.attempts] == [0, *ends[:-1]]
    assert all(begun_at(attempt) > 0 for attempt in killed.attempts[1:])
    assert steps_of(killed.attempts[-1])[-1] == STEPS
