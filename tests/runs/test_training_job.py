from __future__ import annotations

from copy import copy
from pathlib import Path

import pytest

from sd_contract.attempt import Attempt, Result
from sd_contract.events import AttemptStarted, CheckpointSaved, EventLog, StepDone
from sd_contract.output.states import StateManifest, write_state
from tests.faults.stand_in import StandInEngine
from tests.runs.records import record
from train_tools.errors import DatasetNotUsableError, TrainToolsError
from train_tools.jobs.kind import Exit
from train_tools.model.dataset import Dataset
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.record import write_record
from train_tools.runs.training import TrainingJob, output_name, training_job

PREVIEWS = NewJob(kind="preview", title="previews", folder="x")


class Training:
    """One attempt at one run, with the job kind that tends it."""

    def __init__(self, outputs: OutputsPaths, run: RunPaths, content: str = "d" * 64) -> None:
        self.run = run
        self.kind = TrainingJob(
            outputs,
            {"bundled": StandInEngine(0.01)},
            dataset_of=lambda version, options: Dataset(folders=(), regularisation=(), content=content),
            previews_of=lambda version, record: PREVIEWS,
        )
        write_record(run, record(run.folder.name))
        self.job = Job(
            id=1, kind="train", title="cat", folder="", subject={}, state=JobState.RUNNING, attempt=1, position=1
        )
        self._begin(1)

    def _begin(self, number: int, from_step: int = 0) -> None:
        self.paths = AttemptPaths.of(self.run.folder, number)
        self.paths.output.mkdir(parents=True)
        self.attempt = Attempt(self.paths.folder)
        log = EventLog(self.attempt.events)
        log.emit(AttemptStarted(from_step))
        log.close()

    def again(self, from_step: int) -> Training:
        """The next attempt at the same run."""
        later = copy(self)
        later._begin(2, from_step)
        return later

    def prepare(self):
        return self.kind.prepare(self.job, self.run.folder, self.attempt)

    def saved(self, name: str) -> None:
        """The trainer said that it saved a checkpoint, and the worker heard it."""
        log = EventLog(self.attempt.events)
        event = CheckpointSaved(name, step=1, epoch=1)
        log.emit(event)
        log.close()
        self.kind.observe(self.job, self.run.folder, self.attempt, event)

    def judge(self, result: Result | None, code: int | None = 0) -> Verdict:
        return self.kind.judge(self.job, self.run.folder, self.attempt, Exit(code=code), result)

    def follow_ups(self, state: JobState):
        return self.kind.follow_ups(self.job, self.run.folder, Verdict(state=state))

    def published(self) -> list[str]:
        return [checkpoint.path.name for checkpoint in checkpoints_of(self.run)]


@pytest.fixture
def training(outputs, run) -> Training:
    return Training(outputs, run)


def done(*files: str) -> Result:
    return Result(outcome="done", step=2, total_steps=2, files=files)


def test_an_attempt_is_prepared_with_the_trainers_files_and_told_to_write_into_its_own_folder(training):
    launch = training.prepare()
    assert training.run.config.is_file()
    assert training.run.dataset.is_file()
    assert str(training.paths.output) in launch.command


def test_a_dataset_that_changed_meanwhile_is_another_run(outputs, run):
    with pytest.raises(DatasetNotUsableError, match="changed after this run was queued"):
        Training(outputs, run, content="other").prepare()


def test_a_trainer_that_is_not_installed_is_told_with_those_that_are(training):
    text = training.run.record.read_text()
    training.run.record.write_text(text.replace('engine = "bundled"', 'engine = "future"'))
    with pytest.raises(
        TrainToolsError, match=r"trainer 'future', which is not installed here\. There is: bundled"
    ):
        training.prepare()


def test_a_checkpoint_is_published_when_the_trainer_says_that_it_is_saved(training, write_lora):
    write_lora(training.paths.output / "cat-000001.safetensors")
    training.saved("cat-000001.safetensors")
    training.kind.observe(training.job, training.run.folder, training.attempt, StepDone(1, 2))
    assert training.published() == ["cat-000001.safetensors"]


@pytest.mark.parametrize("name", ["gone.safetensors", "../../../run.toml", "/etc/hostname"])
def test_what_is_not_in_the_attempts_output_is_not_published(training, name):
    training.saved(name)
    assert sorted(entry.name for entry in training.run.folder.iterdir()) == ["attempts", "run.toml"]


def test_a_run_is_done_when_the_trainer_says_so_and_its_files_are_whole(training, write_lora):
    write_lora(training.paths.output / "cat.safetensors")
    assert training.judge(done("cat.safetensors")).state is JobState.DONE
    assert training.published() == ["cat.safetensors"]


def test_a_run_whose_file_is_torn_is_failed(training, write_lora):
    file = write_lora(training.paths.output / "cat.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    verdict = training.judge(done("cat.safetensors"))
    assert verdict.state is JobState.FAILED
    assert "cat.safetensors is cut short" in verdict.message
    assert training.published() == []


def test_what_the_trainer_took_back_is_taken_back_here(training, write_lora):
    for epoch in (1, 2):
        write_lora(training.paths.output / f"cat-{epoch:06}.safetensors", step=epoch)
        training.saved(f"cat-{epoch:06}.safetensors")
    (training.paths.output / "cat-000001.safetensors").unlink()
    write_lora(training.paths.output / "cat.safetensors", step=3)
    training.judge(done("cat-000002.safetensors", "cat.safetensors"))
    assert training.published() == ["cat-000002.safetensors", "cat.safetensors"]


def test_what_another_attempt_published_or_a_person_put_there_is_never_taken_back(training, write_lora):
    write_lora(training.run.folder / "mine.safetensors", step=1)
    write_lora(training.run.folder / "cat-000009.safetensors", step=2)
    write_lora(training.paths.output / "cat.safetensors", step=3)
    training.judge(done("cat.safetensors"))
    assert training.published() == ["cat-000009.safetensors", "mine.safetensors", "cat.safetensors"]


def test_what_an_attempt_saved_that_was_gone_on_from_is_taken_back_too(training, write_lora):
    write_lora(training.paths.output / "cat-000001.safetensors", step=1)
    training.saved("cat-000001.safetensors")
    second = training.again(from_step=2)
    write_lora(second.paths.output / "cat-000002.safetensors", step=3)
    second.saved("cat-000002.safetensors")
    second.judge(done("cat-000002.safetensors"))
    assert second.published() == ["cat-000002.safetensors"]


def test_what_an_attempt_saved_that_was_given_up_stays(training, write_lora):
    write_lora(training.paths.output / "cat-step00000001.safetensors", step=1)
    training.saved("cat-step00000001.safetensors")
    second = training.again(from_step=0)
    write_lora(second.paths.output / "cat.safetensors", step=3)
    second.judge(done("cat.safetensors"))
    assert second.published() == ["cat-step00000001.safetensors", "cat.safetensors"]


def test_the_next_attempt_goes_on_from_the_newest_whole_state(training):
    for step, content in ((4, b"whole"), (6, b"torn")):
        state = training.paths.states / f"step-{step:08}"
        manifest = StateManifest(step=step, epoch=1, seed=1, session_id=1, started_at=0.0)
        write_state(state, manifest, {"network": lambda path: path.write_bytes(b"whole") and None})
        (state / "network").write_bytes(content)
    second = training.again(from_step=4)
    launch = second.prepare()
    assert launch.command[-2:] == ("--resume", str(training.paths.states / "step-00000004"))


def test_a_run_that_is_done_keeps_no_states(training, write_lora):
    training.paths.states.mkdir()
    write_lora(training.paths.output / "cat.safetensors")
    assert training.judge(None).state is JobState.QUEUED
    assert training.paths.states.exists()
    training.judge(done("cat.safetensors"))
    assert not training.paths.states.exists()


def test_a_trainer_that_ended_without_a_word_is_tried_again(training):
    verdict = training.judge(None, code=1)
    assert verdict.state is JobState.QUEUED
    assert "without a result (exit code 1)" in verdict.message


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED])
def test_previews_follow_a_run_that_left_checkpoints(training, write_lora, state):
    assert training.follow_ups(state) == ()
    write_lora(training.run.folder / "cat.safetensors")
    assert training.follow_ups(state) == (PREVIEWS,)


def test_nothing_follows_a_run_that_was_cancelled(training, write_lora):
    write_lora(training.run.folder / "cat.safetensors")
    assert training.follow_ups(JobState.CANCELLED) == ()


def test_the_next_attempt_has_a_number_that_is_not_taken_on_disk(training, outputs, version):
    AttemptPaths.of(training.run.folder, 12).folder.mkdir()
    Path(training.run.folder / "attempts" / "notes").mkdir()
    job = training_job(outputs, version, record(training.run.folder.name), "cat")
    assert (job.attempt, job.total_steps, job.kind) == (12, 120, "train")
    assert outputs.folder / job.folder == training.run.folder


def test_files_are_named_by_project_and_version(version):
    assert output_name(version) == "it's [кот]-v1"
