"""The stand-in trainer as an Engine, and an app that trains with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt, Result
from train_tools.app import App, outputs_paths
from train_tools.engines.bundled import BundledEngine
from train_tools.files import write_toml
from train_tools.jobs.kind import Exit, JobKind, Launch
from train_tools.model.dataset import Dataset
from train_tools.model.finding import Finding
from train_tools.model.job import Verdict
from train_tools.options.bundled import bundled_options
from train_tools.renderers.diffusers import DiffusersRenderer, import_path
from train_tools.runs.engine import AttemptFiles, RunFiles, StepCount
from train_tools.runs.training import TrainingJob

TRAINER = Path(__file__).with_name("stand_in_trainer.py")
STEPS = 40


class StandInEngine:
    """Trains nothing, at `seconds_per_step`."""

    name = "bundled"
    contract = 1
    options = bundled_options()
    environment = None
    problem = ""

    def __init__(self, seconds_per_step: float) -> None:
        self._seconds_per_step = seconds_per_step

    @property
    def code(self) -> Path:
        return TRAINER.parent

    def threads(self, base_model: Path) -> int:
        return 1

    def check_base_model(self, path: Path) -> None:
        """Any file will do."""

    def count_steps(self, options: Mapping[str, Any], dataset: Dataset) -> StepCount:
        return StepCount(steps=STEPS, epochs=1, checkpoints=2)

    def doubts(self, options: Mapping[str, Any], base_model: Path, dataset: Dataset) -> Iterator[Finding]:
        yield from ()

    def completed(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return options

    def write(self, files: RunFiles) -> None:
        write_toml(
            files.paths.config,
            {
                "network_dim": files.options["network_dim"],
                "seed": files.options.get("seed", 0),
                "max_train_steps": STEPS,
                "seconds_per_step": self._seconds_per_step,
                "output_name": files.output_name,
            },
        )
        write_toml(files.paths.dataset, {"images": files.dataset.image_count})

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        paths = files.paths
        resumed = ("--resume", str(attempt.resume)) if attempt.resume else ()
        return Launch(
            command=(sys.executable, str(TRAINER), str(paths.config), str(attempt.output), *resumed),
            folder=paths.folder,
            environment={"PYTHONPATH": import_path()},
        )

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        return BundledEngine().judge(attempt, exit_, result)


class NoPreviews(App):
    """The app, without preview jobs: pictures are no part of what these tests are about."""

    def _kinds(self) -> Sequence[JobKind]:
        return (
            TrainingJob(
                self.outputs,
                self.engines,
                dataset_of=self.versions.trained_on_by,
                previews_of=lambda version, record: None,
            ),
        )


def stand_in_app(outputs: Path, seconds_per_step: float = 0.03) -> App:
    return NoPreviews(outputs_paths(outputs), [StandInEngine(seconds_per_step)], DiffusersRenderer())
