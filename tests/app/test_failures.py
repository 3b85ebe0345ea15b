"""Trainings that really fail, and what is told of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.conftest import PROJECT, VERSION, draw_version, submit, train
from tests.faults.stand_in import NoPreviews, StandInEngine
from train_tools.app import App, outputs_paths
from train_tools.errors import JobMoveError, NotFoundError
from train_tools.jobs.kind import Launch
from train_tools.model.failure import NextStep
from train_tools.model.job import JobState, NewJob, Verdict
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.runs.engine import AttemptFiles, RunFiles


class ScriptEngine(StandInEngine):
    """Runs a line of Python instead of a training."""

    def __init__(self, script: str) -> None:
        super().__init__(0.0)
        self.script = script

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        return Launch(command=(sys.executable, "-c", self.script), folder=files.paths.folder)


FailedApp = Callable[[str], tuple[App, int]]


@pytest.fixture
def failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FailedApp]:
    """An app with one run, whose trainer was this script, and the run's job."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    apps = []

    def fail(script: str) -> tuple[App, int]:
        app = NoPreviews(outputs_paths(tmp_path / "outputs"), [ScriptEngine(script)], DiffusersRenderer())
        apps.append(app)
        draw_version(app, tmp_path / "pictures")
        [job] = submit(app)
        train(app)
        return app, job

    yield fail
    for app in apps:
        app.jobs.queue.close()


@pytest.mark.parametrize(
    ("script", "code", "name"),
    [
        ("import voluptuous_of_nowhere", 1, "module missing"),
        ("x = bytearray(1 << 62)", 1, "out of memory"),
        ("open('/nowhere/vae.safetensors')", 1, "file missing"),
        ("import os, errno; raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", 1, "disk full"),
        ("import os; os.kill(os.getpid(), 9)", -9, "killed"),
        ("import os; os.kill(os.getpid(), 11)", -11, "crashed"),
        ("import os; os.kill(os.getpid(), 15)", -15, "interrupted"),
        ("print('all is well')", 0, "no result"),
        ("raise SystemExit(77)", 77, "unknown"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="exit codes are those of POSIX")
def test_a_failed_training_is_told_with_exit_code_log_and_words(failed, script, code, name):
    app, job = failed(script)
    failure = app.runs.failure(job)
    assert (failure.exit_code, failure.diagnosis.name, failure.state) == (code, name, JobState.FAILED)
    assert failure.tail == app.jobs.log(job)
    if name != "unknown":
        assert failure.diagnosis.happened in app.jobs.get(job).message


def test_the_end_of_a_long_log_is_shown(failed):
    app, job = failed("print(*range(100), sep='\\n'); raise SystemExit(5)")
    assert app.runs.failure(job).tail.split("\n") == [*map(str, range(61, 100)), ""]


def test_lack_of_memory_offers_to_take_less(failed):
    app, job = failed("raise SystemExit('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB')")
    assert app.runs.failure(job).diagnosis.next_steps == (NextStep.LESS_MEMORY, NextStep.RETRY)


def test_a_training_that_was_never_started_is_told_by_its_message(app):
    [job] = submit(app)
    [image] = (app.versions.paths(PROJECT, VERSION).processed).rglob("*0-0.txt")
    image.write_text("another caption", encoding="utf-8")
    train(app)
    failure = app.runs.failure(job)
    assert (failure.exit_code, failure.tail, failure.diagnosis.name) == (None, "", "dataset changed")


def test_what_the_trainer_said_itself_is_told(app):
    [job] = submit(app, network_dim="13")
    train(app)
    failure = app.runs.failure(job)
    assert (failure.message, failure.diagnosis.happened, failure.exit_code) == ("unlucky", "unlucky", 1)


def test_a_job_that_has_not_failed_has_no_failure(app):
    [job] = submit(app)
    with pytest.raises(JobMoveError, match=r"has not failed: it is queued\."):
        app.runs.failure(job)
    train(app)
    with pytest.raises(JobMoveError, match=r"has not failed: it is done\."):
        app.runs.failure(job)
    with pytest.raises(NotFoundError):
        app.runs.failure(77)


def test_a_job_of_another_kind_can_only_be_tried_again(failed):
    app, _ = failed("raise SystemExit(1)")
    [job] = app.jobs.queue.add([NewJob(kind="preview", title="previews", folder="projects/x")])
    claimed = app.jobs.queue.claim("cpu", "here")
    app.jobs.queue.finish(job, claimed.attempt, Verdict(state=JobState.FAILED, message="CUDA out of memory"))
    diagnosis = app.runs.failure(job).diagnosis
    assert (diagnosis.name, diagnosis.next_steps) == ("out of GPU memory", (NextStep.RETRY,))
