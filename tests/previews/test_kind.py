"""The preview job, with real processes of the renderer that only draws colours."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sd_contract.attempt import Attempt, Result, read_result
from tests.renderers.scene import SMALL, checkpoint, pocket, write_lora
from tests.renderers.stand_in import StandInRenderer
from train_tools.errors import OptionValueError, StorageError
from train_tools.jobs.kind import Exit
from train_tools.jobs.queue import Queue
from train_tools.jobs.worker import Worker
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, VersionPaths
from train_tools.model.preview import PreviewSettings
from train_tools.previews.kind import DRAWN_AT_ONCE, PreviewJob, PreviewWork, preview_job, settings_from
from train_tools.previews.matrix import LabelledCheckpoint
from train_tools.previews.renderer import read_request


class OtherRenderer(StandInRenderer):
    """Known by what it is started with."""

    name = "other"

    def launch(self, request, attempt):
        return replace(super().launch(request, attempt), stop_grace_s=7.0)


class Grid:
    """A version with a grid of two runs of one checkpoint each."""

    def __init__(self, folder: Path) -> None:
        self.outputs = OutputsPaths(folder / "it's train_tools")
        self.version = self.outputs.project("кот 猫").version("v1")
        self.rows = []
        for number, run in enumerate(("small", "large"), 1):
            file = write_lora(self.version.run(run).folder / "zorb.safetensors", seed=number)
            found = checkpoint(file, run=run)
            self.rows.append(LabelledCheckpoint(label=f"network_dim={number}", checkpoint=found, base=pocket()))
        self.kind = PreviewJob(
            {"bundled": StandInRenderer(), "webui": OtherRenderer()}, self.rows_of, device="cpu"
        )

    def rows_of(self, version: VersionPaths, grid: str):
        assert (version, grid) == (self.version, "grid-1")
        return self.rows

    @property
    def sheet(self) -> Path:
        return self.version.grid("grid-1").matrix

    def new_job(self, run: str | None = "small", settings: PreviewSettings = SMALL) -> NewJob:
        return preview_job(
            self.outputs,
            self.version,
            grid="grid-1",
            run=run,
            settings=settings,
            base=pocket(),
            title="previews",
            checkpoints=1,
        )

    def attempt_at(self, new: NewJob) -> TriedJob:
        job = Job(
            id=1,
            kind=new.kind,
            title=new.title,
            folder=new.folder,
            subject=json.loads(json.dumps(new.subject)),
            state=JobState.RUNNING,
            attempt=new.attempt + 1,
            position=1,
        )
        return TriedJob(self, job)


class TriedJob:
    """One attempt at a job, as the worker goes about it."""

    def __init__(self, grid: Grid, job: Job) -> None:
        self.kind, self.job = grid.kind, job
        self.folder = grid.outputs.folder / job.folder
        self.paths = AttemptPaths.of(self.folder, job.attempt)
        self.paths.folder.mkdir(parents=True)
        self.attempt = Attempt(self.paths.folder)
        self.launch = self.kind.prepare(job, self.folder, self.attempt)

    @property
    def wanted(self) -> int:
        return len(read_request(self.paths.folder / "request.json").wanted)

    def run(self) -> int:
        with self.paths.log.open("wb") as log:
            return subprocess.run(
                self.launch.command,
                cwd=self.launch.folder,
                env={**os.environ, **self.launch.environment},
                stdout=log,
                stderr=log,
            ).returncode

    def judged(self, exit_: Exit) -> Verdict:
        return self.kind.judge(self.job, self.folder, self.attempt, exit_, read_result(self.attempt))


@pytest.fixture
def grid(tmp_path):
    return Grid(tmp_path)


def test_a_runs_job_renders_its_checkpoints_and_the_base_and_draws_the_grids_sheet(grid):
    tried = grid.attempt_at(grid.new_job("small"))
    assert tried.wanted == 1 + 2
    assert tried.judged(Exit(code=tried.run())) == Verdict(state=JobState.DONE)
    pictures = list(grid.version.run("small").images_of("zorb").glob("*.png"))
    assert len(pictures) == 2
    facts = json.loads(pictures[0].with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["picture"]["prompt"] == SMALL.prompts[0] and "Steps: 3" in facts["infotext"]
    assert not grid.version.run("large").images_of("zorb").exists()
    assert grid.sheet.is_file()


def test_the_settings_choose_the_renderer_and_each_has_pictures_of_its_own(grid):
    bundled = grid.attempt_at(grid.new_job())
    bundled.run()
    other = grid.attempt_at(grid.new_job(settings=replace(SMALL, renderer="webui")))
    assert (bundled.launch.stop_grace_s == 7.0, other.launch.stop_grace_s == 7.0) == (False, True)
    assert other.wanted == 1 + 2
    assert other.judged(Exit(code=other.run())).state is JobState.DONE
    assert len(list(grid.version.run("small").images_of("zorb").glob("*.png"))) == 2 * 2


def test_a_grids_job_renders_all_runs(grid):
    tried = grid.attempt_at(grid.new_job(run=None))
    assert tried.wanted == 1 + 2 * 2
    assert tried.judged(Exit(code=tried.run())).state is JobState.DONE


def test_a_later_job_renders_only_what_is_missing_and_counts_the_attempts_on(grid):
    grid.attempt_at(grid.new_job("small")).run()
    assert grid.new_job("small").attempt == 1
    assert grid.attempt_at(grid.new_job("small")).wanted == 0
    assert grid.attempt_at(grid.new_job("large")).wanted == 2


@pytest.mark.parametrize("exit_", [Exit(code=None), Exit(code=-9)])
def test_a_renderer_that_was_killed_is_tried_again(grid, exit_):
    verdict = grid.attempt_at(grid.new_job()).judged(exit_)
    assert verdict.state is JobState.QUEUED


def test_pictures_that_are_all_there_count_however_the_process_ended(grid):
    tried = grid.attempt_at(grid.new_job())
    tried.run()
    tried.attempt.result.unlink()
    assert tried.judged(Exit(code=None)).state is JobState.DONE


def test_a_stopped_job_is_cancelled_and_keeps_what_it_rendered(grid):
    tried = grid.attempt_at(grid.new_job())
    tried.attempt.stop.touch()
    verdict = tried.judged(Exit(code=tried.run(), stopped=True))
    assert verdict == Verdict(state=JobState.CANCELLED, message="Stopped after 0 of 3 pictures.")
    assert grid.sheet.is_file()


def test_a_broken_checkpoint_fails_the_job_with_its_name_after_the_others_are_rendered(grid):
    broken = grid.rows[0].checkpoint.path
    broken.write_bytes(broken.read_bytes()[:-1])
    tried = grid.attempt_at(grid.new_job(run=None))
    verdict = tried.judged(Exit(code=tried.run()))
    assert verdict.state is JobState.FAILED
    assert "2 of 5 pictures could not be rendered" in verdict.message and str(broken) in verdict.message
    assert len(list(grid.version.run("large").images_of("zorb").glob("*.png"))) == 2
    assert grid.sheet.is_file()


def test_a_renderer_that_ends_without_a_result_is_quoted(grid):
    tried = grid.attempt_at(grid.new_job())
    tried.paths.log.write_text("Traceback ...\nModuleNotFoundError: No module named 'diffusers'\n\n")
    verdict = tried.judged(Exit(code=1))
    assert verdict.state is JobState.FAILED
    assert verdict.message.endswith("Its last words: ModuleNotFoundError: No module named 'diffusers'")


def test_a_large_sheet_waits_for_its_last_picture(grid):
    many = replace(SMALL, weights=tuple(n / DRAWN_AT_ONCE for n in range(DRAWN_AT_ONCE)))
    tried = grid.attempt_at(grid.new_job(settings=many))
    assert tried.judged(Exit(code=None, stopped=True)).state is JobState.CANCELLED
    assert not grid.sheet.exists()


def test_settings_survive_the_queue_and_a_newer_versions_additions_are_left_out():
    settings = replace(SMALL, prompts=("a", 'b "猫"'), seeds=(1, 2))
    stored = json.loads(json.dumps(asdict(settings)))
    assert settings_from({**stored, "upscale": 2}) == settings


def test_settings_that_can_not_be_rendered_make_no_job(grid):
    with pytest.raises(OptionValueError, match="'k_lms_b' is not known"):
        grid.new_job(settings=replace(SMALL, sampler="k_lms_b"))


def test_a_subject_that_says_too_little_is_one_sentence():
    with pytest.raises(StorageError, match=r"does not say what to render \('grid'\)"):
        PreviewWork.of({"run": None})


def test_a_worker_takes_it_from_the_queue_to_done(grid, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    grid.outputs.folder.mkdir(parents=True, exist_ok=True)
    queue = Queue(grid.outputs.queue)
    [id_] = queue.add([grid.new_job(run=None)])
    Worker(grid.outputs.folder, queue, (grid.kind,)).run(until=lambda: queue.get(id_).state.finished)
    job = queue.get(id_)
    assert (job.state, job.message) == (JobState.DONE, "")
    assert (job.step, job.total_steps) == (5, 5)
    assert read_result(Attempt(AttemptPaths.of(grid.outputs.folder / job.folder, 1).folder)) == Result(
        outcome="done",
        step=5,
        total_steps=5,
        files=tuple(
            path.relative_to(grid.version.folder).as_posix()
            for path in sorted(grid.version.folder.rglob("images/*.png"), key=lambda p: p.stat().st_mtime_ns)
        ),
    )
