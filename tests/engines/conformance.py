"""What every engine has to do; a test class for each trainer inherits this and says how to make one.

The methods of `Engine` are called as the training job does; nothing is trained.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sd_contract.attempt import Attempt, Result
from train_tools.datasets.dataset import read_dataset
from train_tools.jobs.kind import Exit
from train_tools.model.dataset import Dataset
from train_tools.model.finding import Level
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths, RunPaths, VersionPaths
from train_tools.runs.engine import AttemptFiles, Engine, RunFiles

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
OPTIONS: dict[str, Any] = {
    "pretrained_model_name_or_path": str(POCKET),
    "resolution": "64,64",
    "train_batch_size": 2,
    "max_train_epochs": 3,
    "save_every_n_epochs": 1,
    "network_dim": 8,
    "network_alpha": 8.0,
    "learning_rate": 1e-3,
    "text_encoder_lr": (1e-4, 5e-5),
    "shuffle_caption": True,
    "seed": 7,
    "training_comment": 'кот "猫" [bold]',
}


def draw_folder(folder: Path, images: int, captions: bool = True) -> None:
    folder.mkdir(parents=True)
    for number in range(images):
        Image.new("RGB", (64, 64), (40 * number, 80, 120)).save(folder / f"{number:05} кот.png")
        if captions:
            (folder / f"{number:05} кот.txt").write_text(f"a zorb, number {number}", encoding="utf-8")


def files_of(attempt: Attempt) -> AttemptFiles:
    """What a first attempt may write and read."""
    output = AttemptPaths(attempt.folder).output
    return AttemptFiles(output=output, states=output.parent / "state", resume=None, cache=output.parent / "cache")


class EngineConformance:
    """Inherited once for each engine."""

    @classmethod
    def engine(cls) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    def version(self, tmp_path: Path) -> VersionPaths:
        """A version with two folders of images and one of regularisation images."""
        version = VersionPaths(tmp_path / "it's [a] проект" / "versions" / "v 1")
        draw_folder(version.processed / "2_zorb", 3)
        draw_folder(version.processed / "1_red circle", 2, captions=False)
        draw_folder(version.regularisation / "1_zorb", 2, captions=False)
        return version

    @pytest.fixture
    def dataset(self, version: VersionPaths) -> Dataset:
        return read_dataset(version)

    @pytest.fixture
    def files(self, version: VersionPaths, dataset: Dataset) -> RunFiles:
        paths = version.run("base-net-8-01234567")
        paths.folder.mkdir(parents=True)
        return RunFiles(paths=paths, options=OPTIONS, base_model=POCKET, dataset=dataset, output_name="it's-v 1")

    @pytest.fixture
    def attempt(self, files: RunFiles) -> Attempt:
        paths = AttemptPaths.of(files.paths.folder, 1)
        paths.output.mkdir(parents=True)
        return Attempt(paths.folder)

    def test_has_a_name_and_a_number_of_its_contract(self):
        engine = self.engine()
        assert engine.name == engine.name.strip().lower() != ""
        assert engine.contract >= 1

    def test_says_where_its_code_lies_and_how_many_threads_it_takes(self):
        assert list(self.engine().code.rglob("*.py"))
        assert self.engine().threads(POCKET) >= 1

    def test_takes_the_demos_base_model(self):
        assert self.engine().check_base_model(POCKET) is None

    def test_counts_steps_epochs_and_checkpoints(self, dataset):
        count = self.engine().count_steps(OPTIONS, dataset)
        assert count.steps >= count.epochs >= 1
        assert count.checkpoints >= 1
        assert self.engine().count_steps(OPTIONS, dataset) == count

    def test_has_nothing_against_a_usual_run(self, dataset):
        assert self.engine().problem == ""
        doubts = self.engine().doubts(OPTIONS, POCKET, dataset)
        assert not any(doubt.level is Level.STOP for doubt in doubts)

    def test_writes_both_files_whole_and_the_same_each_time(self, files):
        self.engine().write(files)
        first = contents(files.paths)
        assert set(first) == {"config.toml", "dataset.toml"}
        assert all(tomllib.loads(text.decode()) for text in first.values())
        self.engine().write(files)
        assert contents(files.paths) == first

    def test_launches_a_command_that_names_its_files_and_is_no_shell_string(self, files, attempt):
        self.engine().write(files)
        launch = self.engine().launch(files, files_of(attempt))
        assert all(isinstance(word, str) for word in launch.command)
        assert {str(files.paths.config), str(files_of(attempt).output)} <= set(launch.command)
        assert Path(launch.folder).is_dir()
        assert Path(launch.command[0]).is_file()
        assert launch.stop_grace_s > 0

    @pytest.mark.parametrize(
        ("outcome", "state"),
        [("done", JobState.DONE), ("failed", JobState.FAILED), ("cancelled", JobState.CANCELLED)],
    )
    @pytest.mark.parametrize("code", [0, 1, -9, None])
    def test_the_trainers_own_word_decides_however_its_process_ended(self, attempt, outcome, state, code):
        result = Result(outcome=outcome, step=3, total_steps=3, message="its word")
        verdict = self.engine().judge(attempt, Exit(code=code), result)
        assert (verdict.state, verdict.message) == (state, "its word")

    @pytest.mark.parametrize("exit_", [Exit(code=0), Exit(code=1), Exit(code=-9), Exit(code=None, reason="gone")])
    def test_without_a_word_it_is_tried_again_and_why_is_said(self, attempt, exit_):
        verdict = self.engine().judge(attempt, exit_, None)
        assert verdict.state is JobState.QUEUED
        assert verdict.message

    def test_more_images_are_more_steps(self, dataset):
        doubled = replace(
            dataset, folders=tuple(replace(folder, repeats=2 * folder.repeats) for folder in dataset.folders)
        )
        fewer, more = (self.engine().count_steps(OPTIONS, each).steps for each in (dataset, doubled))
        assert more >= fewer


def contents(paths: RunPaths) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in paths.folder.iterdir() if file.is_file()}
