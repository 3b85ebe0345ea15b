"""What a grid would do, told before anything starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train_tools.model.grid import BUNDLED, Run
from train_tools.model.preflight import NOT_LOOKED_AT, Preflight


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run of a plan. `done` = a run of the same fingerprint has finished in this version; `left_out` = it was
    unticked."""

    run: Run
    steps: int
    epochs: int
    checkpoints: int
    images_per_step: int = 1
    """Images that each move of the optimizer learns from: the batch, times the batches that share one."""
    views: float = 0
    """How often each training image is seen; 0 where the dataset's are not learnt from."""
    done: bool = False
    left_out: bool = False
    notes: tuple[str, ...] = ()
    """What its trainer says of it besides, as which images it takes for what."""

    @property
    def base(self) -> Path:
        return Path(self.run.base_model)


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """What the hungriest run of a plan takes of the device, against what that has. `rough` = a rule of thumb."""

    device: str
    bytes: int
    free_bytes: int
    total_bytes: int
    rough: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs, and their cost. Time is None where nothing comparable has run on this machine."""

    project: str
    version: str
    engine: str = BUNDLED
    runs: tuple[PlannedRun, ...]
    """Of very large grids only some, from all over it; the costs are those of all."""
    total: int
    """How many runs the grid has."""
    images: int
    pictures: int
    """Previews that would be rendered."""
    seconds: float | None
    seconds_from: str
    """Where the estimate comes from, in words."""
    disk_bytes: int
    free_bytes: int
    notes: tuple[str, ...] = ()
    """What was understood in another way than it was typed; what the trainer says of the runs."""
    warnings: tuple[str, ...] = ()
    memory: MemoryNeed | None = None
    """None where it was not asked for, or nothing is to be trained, or a file can't be read."""

    @property
    def to_train(self) -> tuple[PlannedRun, ...]:
        return tuple(planned for planned in self.runs if not planned.done and not planned.left_out)

    @property
    def runs_to_train(self) -> int:
        return round(len(self.to_train) * self._share)

    @property
    def steps(self) -> int:
        return round(sum(planned.steps for planned in self.to_train) * self._share)

    @property
    def _share(self) -> float:
        """How many runs each of those that were looked at stands for."""
        return self.total / max(1, len(self.runs))


@dataclass(frozen=True, kw_only=True)
class Turn:
    """When the runs of a grid have their turn in the queue, and whether they are rendered afterwards."""

    priority: int = 0
    """Jobs of a higher one go first."""
    not_before: float | None = None
    """When they may start at the earliest, in seconds since the epoch."""
    stop_after_failures: int = 0
    """When so many runs have failed, those that still wait are taken out; 0 = never."""
    previews: bool | None = None
    """None = as the version says when a run has ended."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`jobs` were queued now; `already` names runs that are done or queued already and were left alone."""

    grid: str
    jobs: tuple[int, ...]
    already: tuple[str, ...] = ()
    ahead: int = 0
    """Jobs that wait in front of the first of these, of a higher priority or earlier: the first is #ahead + 1."""
    preflight: Preflight = NOT_LOOKED_AT
