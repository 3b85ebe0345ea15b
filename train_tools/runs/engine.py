"""What a trainer has to offer; one class per trainer in `engines/`. It never starts anything itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sd_contract.attempt import Attempt, Result
from train_tools.jobs.kind import Exit as Exit
from train_tools.jobs.kind import Launch as Launch
from train_tools.model.dataset import Dataset
from train_tools.model.finding import Finding
from train_tools.model.job import Verdict
from train_tools.model.paths import RunPaths
from train_tools.options.table import OptionTable


@dataclass(frozen=True, kw_only=True)
class StepCount:
    """How long a run is, by the trainer's own arithmetic."""

    steps: int
    epochs: int
    checkpoints: int
    notes: tuple[str, ...] = ()
    """What to know of it besides, as which images it takes for what."""


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """Everything a trainer's files are written from."""

    paths: RunPaths
    options: Mapping[str, Any]
    base_model: Path
    dataset: Dataset
    output_name: str


@dataclass(frozen=True, kw_only=True)
class AttemptFiles:
    """Where one attempt at a run writes, and what it begins with."""

    output: Path
    """An existing, empty folder for checkpoints."""
    states: Path
    """The folder for states, from which a later attempt goes on."""
    resume: Path | None
    """The newest whole state of the earlier attempts."""
    cache: Path


class Engine(Protocol):
    """Knows one trainer: writes its TOML, gives its command line, reads its progress, judges its files."""

    @property
    def name(self) -> str: ...

    @property
    def contract(self) -> int | str:
        """Another one when the same options would give another result."""
        ...

    @property
    def options(self) -> OptionTable:
        """What may be set, and to what."""
        ...

    @property
    def problem(self) -> str:
        """Why it can't train anything now, as far as can be told without running its code; empty = it can."""
        ...

    @property
    def code(self) -> Path:
        """The folder of the trainer's own code. Its `.git`, where it is a checkout, lies there or one above."""
        ...

    @property
    def environment(self) -> Path | None:
        """The folder of the trainer's own Python environment; None where it is the app's."""
        ...

    def threads(self, base_model: Path) -> int:
        """How many threads a training of this model takes on a CPU. More or fewer may give other last digits."""
        ...

    def check_base_model(self, path: Path) -> None:
        """Raises BaseModelNotUsableError when this trainer can't train the file."""
        ...

    def count_steps(self, options: Mapping[str, Any], dataset: Dataset) -> StepCount:
        """How long the run would be. Raises OptionValueError or ContractError for what can't be trained."""
        ...

    def doubts(self, options: Mapping[str, Any], base_model: Path, dataset: Dataset) -> Iterator[Finding]:
        """What it would do in silence, or stumble over later, though `count_steps` takes the run."""
        ...

    def completed(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options with what this trainer has to be told besides, for a file of settings; a base model need not
        be chosen."""
        ...

    def write(self, files: RunFiles) -> None:
        """Writes the run's config.toml and dataset.toml, whole."""
        ...

    def launch(self, files: RunFiles, attempt: AttemptFiles) -> Launch:
        """The command that makes this attempt, from the files that `write` wrote."""
        ...

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """How an attempt ended, by the trainer's own signs of success."""
        ...
