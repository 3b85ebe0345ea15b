from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sd_contract.attempt import EVENTS_VARIABLE, Attempt, read_result
from sd_contract.events import StepDone, Tail
from tests.runs.records import record
from train_tools.errors import NotFoundError, StorageError
from train_tools.follow_ups.copies import CopyJob, copy_job, suffix_of
from train_tools.jobs.kind import Exit
from train_tools.model.job import Job, JobState
from train_tools.model.settings import CopySettings, UserSettings, WhichCheckpoints
from train_tools.runs.record import write_record


class Copying:
    """One copy job of one finished run, by hand."""

    def __init__(self, outputs, run, write_lora, tmp_path) -> None:
        self.run = run
        self.folder = tmp_path / "it's [Lora]"
        self.folder.mkdir()
        self.attempt = Attempt(run.copies / "attempts" / "001")
        self.attempt.folder.mkdir(parents=True)
        write_record(run, record(run.folder.name))
        for name in ("cat-v1-000001", "cat-v1-000002", "cat-v1"):
            write_lora(run.folder / f"{name}.safetensors", output_name="cat-v1")
        training = Job(
            id=1,
            kind="train",
            title="cat / v1: a",
            folder=run.folder.relative_to(outputs.folder).as_posix(),
            subject={"grid": "grid-001"},
            state=JobState.DONE,
            attempt=1,
            position=1,
        )
        self.job = copy_job(outputs, training)
        self.settings = CopySettings(folder=str(self.folder))

    def go(self):
        """Prepares, runs the process, judges; the verdict."""
        kind = CopyJob(lambda: UserSettings(copies=self.settings))
        row = Job(id=2, state=JobState.RUNNING, attempt=1, position=1, **vars_of(self.job))
        launch = kind.prepare(row, self.run.copies, self.attempt)
        ended = subprocess.run(
            launch.command,
            cwd=launch.folder,
            env={**os.environ, **launch.environment, EVENTS_VARIABLE: str(self.attempt.events)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return kind.judge(
            row, self.run.copies, self.attempt, Exit(code=ended.returncode), read_result(self.attempt)
        )

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def vars_of(job) -> dict[str, object]:
    return {name: getattr(job, name) for name in ("kind", "title", "folder", "subject")}


@pytest.fixture
def copying(outputs, run, write_lora, tmp_path) -> Copying:
    return Copying(outputs, run, write_lora, tmp_path)


def test_the_final_checkpoint_is_copied_under_a_name_that_tells_the_run(copying):
    verdict = copying.go()
    assert (verdict.state, verdict.message) == (JobState.DONE, f"1 checkpoint in {copying.folder}.")
    assert copying.names == ["cat-v1-net-8-lr-1e-06.safetensors"]


def test_all_are_copied_when_that_is_wanted_and_counted(copying):
    copying.settings = CopySettings(folder=str(copying.folder), checkpoints=WhichCheckpoints.ALL)
    assert copying.go().message.startswith("3 checkpoints in ")
    ends = "-net-8-lr-1e-06.safetensors"
    assert copying.names == [f"cat-v1-000001{ends}", f"cat-v1-000002{ends}", f"cat-v1{ends}"]
    steps = [event.step for event in Tail(copying.attempt.events).events() if isinstance(event, StepDone)]
    assert steps == [1, 2, 3]


def test_another_file_of_that_name_is_kept_and_that_is_said(copying):
    (copying.folder / "cat-v1-net-8-lr-1e-06.safetensors").write_text("mine")
    assert "is another file, so the copy is called cat-v1-net-8-lr-1e-06-2.safetensors." in copying.go().message
    assert copying.go().state is JobState.DONE
    assert copying.names == ["cat-v1-net-8-lr-1e-06-2.safetensors", "cat-v1-net-8-lr-1e-06.safetensors"]
    assert (copying.folder / "cat-v1-net-8-lr-1e-06.safetensors").read_text() == "mine"


def test_a_folder_that_is_gone_fails_the_copy_and_a_retry_makes_it(copying):
    copying.folder.rmdir()
    verdict = copying.go()
    assert (verdict.state, "is not there any more" in verdict.message) == (JobState.FAILED, True)
    copying.folder.mkdir()
    assert copying.go().state is JobState.DONE


def test_a_copy_can_be_stopped(copying):
    copying.attempt.request_stop()
    copying.settings = CopySettings(folder="/dev/shm" if Path("/dev/shm").is_dir() else str(copying.folder))
    if Path(copying.settings.folder).stat().st_dev == copying.run.folder.stat().st_dev:
        pytest.skip("a link is made at once")
    assert copying.go().state is JobState.CANCELLED


def test_settings_that_no_longer_ask_for_it_or_a_run_that_is_empty_are_told(copying):
    for checkpoint in copying.run.folder.glob("*.safetensors"):
        checkpoint.unlink()
    with pytest.raises(NotFoundError, match="no checkpoint any more"):
        copying.go()
    copying.settings = CopySettings()
    with pytest.raises(NotFoundError, match="No folder for copies is set"):
        copying.go()


def test_a_request_that_can_not_be_read_is_the_jobs_message(copying):
    kind = CopyJob(lambda: UserSettings(copies=copying.settings))
    row = Job(id=2, state=JobState.RUNNING, attempt=1, position=1, **vars_of(copying.job))
    launch = kind.prepare(row, copying.run.copies, copying.attempt)
    (copying.attempt.folder / "copies.json").write_text("{}")
    environment = {**os.environ, **launch.environment, EVENTS_VARIABLE: str(copying.attempt.events)}
    assert subprocess.run(launch.command, env=environment, capture_output=True, check=False).returncode == 1
    assert "does not say what to copy" in read_result(copying.attempt).message


def test_the_job_lies_beside_the_run_and_belongs_to_its_grid(copying):
    assert copying.job.folder.endswith(f"{copying.run.folder.name}/copies")
    assert (copying.job.subject["grid"], copying.job.attempt) == ("grid-001", 1)


@pytest.mark.parametrize(
    ("varied", "suffix"),
    [
        ({}, ""),
        ({"network_dim": 8, "learning_rate": 1e-06}, "-net-8-lr-1e-06"),
        ({"learning_rate": 0.0001}, "-lr-0_0001"),
        ({"text_encoder_lr": (5e-05, 0.1)}, "-text_encoder_lr-5e-05_0_1"),
        ({"pretrained_model_name_or_path": "/models/a,b:<c>.safetensors"}, "-pretrained_model_name_or_path-a_b_c"),
        ({"vae": "C:\\models\\v.ckpt"}, "-vae-v"),
        ({"training_comment": "кот " * 99}, "-training_comment-" + "кот_" * 8 + "кот"),
    ],
)
def test_what_varies_becomes_part_of_a_name_that_can_stand_in_a_prompt(varied, suffix):
    assert suffix_of(varied) == suffix
    assert len(suffix.encode()) <= 81


def test_no_error_of_ours_escapes(copying):
    def unreadable() -> UserSettings:
        raise StorageError("line 3")

    row = Job(id=2, state=JobState.RUNNING, attempt=1, position=1, **vars_of(copying.job))
    with pytest.raises(StorageError, match="line 3"):
        CopyJob(unreadable).prepare(row, copying.run.copies, copying.attempt)


@pytest.mark.parametrize(
    ("exit_", "state", "says"),
    [
        (Exit(code=None), JobState.QUEUED, "killed from outside"),
        (Exit(code=-9), JobState.QUEUED, "killed from outside"),
        (Exit(code=143, stopped=True), JobState.CANCELLED, "Stopped"),
        (Exit(code=127, reason="python could not be started"), JobState.FAILED, "python could not be started"),
        (Exit(code=3), JobState.FAILED, "it ended with code 3"),
        (Exit(code=0), JobState.DONE, ""),
    ],
)
def test_an_end_without_a_result_is_judged_by_how_the_process_ended(copying, exit_, state, says):
    verdict = CopyJob(UserSettings).judge(None, copying.run.copies, copying.attempt, exit_, None)
    assert verdict.state is state
    assert says in verdict.message
