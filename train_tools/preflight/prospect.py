"""What a pre-flight looks at: the runs that would be trained, and what they would be trained with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sd_contract.images.image_sizes import Size
from sd_contract.options import parse_resolution, trained_size
from train_tools.model.dataset import Dataset
from train_tools.model.device import Device
from train_tools.model.finding import Finding, Level
from train_tools.model.paths import RunPaths
from train_tools.model.plan import Plan, PlannedRun
from train_tools.options.table import OptionTable, engine_options
from train_tools.runs.engine import Engine

USUAL_SIZE = 512, 512


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One run as it would be trained."""

    planned: PlannedRun
    dataset: Dataset
    table: OptionTable
    paths: RunPaths

    @property
    def name(self) -> str:
        return self.planned.run.name

    @property
    def base_model(self) -> Path:
        return self.planned.base

    @cached_property
    def options(self) -> Mapping[str, Any]:
        return engine_options(self.planned.run.options)

    def value(self, name: str) -> Any:
        """An option's value, the trainer's default where it is not set; None where it has no such option."""
        if self.options.get(name) is not None:
            return self.options[name]
        return self.table[name].spec.default if name in self.table else None

    @property
    def resolution(self) -> Size:
        text = trained_size(self.value)
        return parse_resolution(str(text)) if text else USUAL_SIZE

    def finds(self, check: str, level: Level, message: str, cure: str = "") -> Finding:
        """A finding about this run."""
        return Finding(check=check, level=level, message=message, cure=cure, runs=(self.name,))


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """A grid before the night."""

    plan: Plan
    engine: Engine
    candidates: tuple[Candidate, ...]
    """Those that are to be trained; of a very large grid, some from all over it."""
    device: Device
    family_of: Callable[[Path], str]
    """`sd1`, `sd2`, `sdxl` ...; empty where nothing can be told."""
    compiles: Callable[[], Finding]
    """Whether PyTorch compiles here, as far as that was tried."""
    of_dataset: Callable[[Candidate], Iterable[Finding]]
    """What is known of a run's dataset without looking at pictures."""

    def datasets(self) -> Iterator[tuple[Candidate, ...]]:
        """The candidates by the dataset that they take."""
        groups: dict[str, list[Candidate]] = {}
        for candidate in self.candidates:
            groups.setdefault(candidate.dataset.content, []).append(candidate)
        yield from map(tuple, groups.values())
