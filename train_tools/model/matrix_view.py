"""How somebody looks at a preview matrix: in which order, which part of it, and what is seen there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from train_tools.errors import OptionValueError
from train_tools.model.checkpoint import Checkpoint, Marks
from train_tools.model.job import Job


class Sort(StrEnum):
    """What rows are put in order by."""

    TRAINING = ""
    """As they were trained."""
    STEP = "step"
    LOSS = "loss"
    RATING = "rating"
    NAME = "name"


@dataclass(frozen=True, kw_only=True)
class MatrixView:
    """A wish: what is empty wants nothing. Raises OptionValueError for what nobody can want."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Axes, outermost first; those of the version's settings where both are empty."""
    sort: Sort = Sort.TRAINING
    descending: bool = False
    text: str = ""
    """All of its words are in the names or the notes of a checkpoint, in whatever case."""
    run: str = ""
    rated: int = 0
    """So many stars or more."""
    loss_below: float | None = None
    steps_from: int | None = None
    steps_to: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rated <= 5:
            raise OptionValueError(f"{self.rated} stars can't be asked for: 0 to 5 can.")

    @property
    def arranged(self) -> bool:
        """It names axes."""
        return bool(self.rows or self.columns)

    @property
    def selects(self) -> bool:
        """It leaves out checkpoints by what is known of them, or orders them by it."""
        limits = (self.loss_below, self.steps_from, self.steps_to)
        return bool(self.sort or self.descending or self.text or self.rated) or limits != (None, None, None)


@dataclass(frozen=True, kw_only=True)
class SeenCheckpoint:
    """A checkpoint as a row shows it."""

    checkpoint: Checkpoint
    label: str
    """Of its run, for people."""
    called: str
    """Within its run: "epoch 5"."""
    marks: Marks
    loss: float | None
    """The mean training loss since the checkpoint before it; None where no loss was told."""
    own: bool
    """Of this version, so that it can be marked and put away."""


class Fate(StrEnum):
    """What becomes of a picture that is not there."""

    MISSING = "missing"
    """Nobody asked for it."""
    QUEUED = "queued"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True)
class Expected:
    """What is told of a missing picture, and by which job (None = by none)."""

    fate: Fate
    job: Job | None = None


NOBODY = Expected(Fate.MISSING)


@dataclass(frozen=True)
class Axis:
    """What pictures can differ in, and what people call it; empty where its values need no word."""

    name: str
    words: str


@dataclass(frozen=True)
class Alike:
    """How far a matrix compares like with like."""

    rows: tuple[tuple[str, ...], ...]
    """For each row, in words, the settings in which it differs from most others of the same column."""
    columns: tuple[tuple[str, ...], ...]
    prompts: tuple[str, ...]
    """The different ones that all rendered pictures have."""
    seeds: tuple[int, ...]
