"""What the real launcher leaves in the log of a trainer that never trained, and what the app makes of it."""

from __future__ import annotations

import subprocess

import pytest

from sd_contract.attempt import Attempt
from tests.engines.conformance import POCKET, files_of
from train_tools.engines.bundled import BundledEngine
from train_tools.jobs.kind import Exit
from train_tools.jobs.supervisor import write_exit
from train_tools.model.dataset import Dataset
from train_tools.model.job import Verdict
from train_tools.model.paths import AttemptPaths, RunPaths
from train_tools.runs.engine import RunFiles
from train_tools.runs.false_starts import given_up

KILLS_ITSELF = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"


@pytest.fixture
def verdict_after_two(tmp_path):
    """Has accelerate start a trainer, and judges the run as though that had happened twice."""

    def judge(trainer: str) -> Verdict | None:
        (tmp_path / "train_network.py").write_text(trainer)
        run = RunPaths(tmp_path / "run")
        first, second = (AttemptPaths.of(run.folder, number) for number in (1, 2))
        for paths in (first, second):
            paths.folder.mkdir(parents=True)
        empty = Dataset(folders=(), regularisation=(), content="")
        files = RunFiles(paths=run, options={}, base_model=POCKET, dataset=empty, output_name="cat")
        launch = BundledEngine(scripts=tmp_path).launch(files, files_of(Attempt(second.folder)))
        with second.log.open("wb") as log:
            code = subprocess.call(
                launch.command, cwd=launch.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        first.log.write_bytes(second.log.read_bytes())
        write_exit(first, Exit(code=code))
        return given_up(run, second, Exit(code=code))

    return judge


def test_a_trainer_that_can_not_be_imported_is_given_up_with_its_own_last_words(verdict_after_two):
    message = verdict_after_two("import no_such_package\n").message
    assert message.endswith("ModuleNotFoundError: No module named 'no_such_package'")


def test_a_trainer_that_is_killed_is_told_from_one_that_crashed(verdict_after_two):
    assert verdict_after_two(KILLS_ITSELF) is None
