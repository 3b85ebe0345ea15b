"""A checkpoint: a LoRA file that a run published, and what is known and thought of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from train_tools.errors import OptionValueError

BEST_RATING = 5
LONGEST_NOTES = 10_000


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A whole, verified LoRA file in its run's folder."""

    run: str
    path: Path
    size_bytes: int
    modified: float
    epoch: int
    step: int
    final: bool
    """The last of its run: the name carries no number."""
    stage: str = ""
    """Of a run of several: `base`, `concept_A` ... The base is never final; each concept has a final one."""

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def called(self) -> str:
        """What tells it from all others of its version: `<run>/<name>`."""
        return f"{self.run}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What the user thinks of a checkpoint. Raises OptionValueError for what can't be kept."""

    rating: int = 0
    """1 to 5 stars; 0 is none."""
    pinned: bool = False
    """Never put away with others."""
    notes: str = ""
    weights: str = ""
    """The `sshs_model_hash` of the file that was rated; "" when it has none. A file that was trained anew under
    the same name has not been rated."""

    def __post_init__(self) -> None:
        if isinstance(self.rating, bool) or self.rating not in range(BEST_RATING + 1):
            raise OptionValueError(
                f"{self.rating!r} is no rating: 1 to {BEST_RATING} stars are, and 0 takes it back."
            )
        if len(self.notes) > LONGEST_NOTES:
            raise OptionValueError(
                f"These notes have {len(self.notes):,} characters; up to {LONGEST_NOTES:,} are kept. Shorten them."
            )


@dataclass(frozen=True, kw_only=True)
class MarkedCheckpoint:
    """A checkpoint with what the user thinks of it."""

    checkpoint: Checkpoint
    marks: Marks


@dataclass(frozen=True, kw_only=True)
class CheckpointDetails:
    """All that is known of one checkpoint. Texts from the file can be shown: no control characters, cut where
    they are endless."""

    checkpoint: Checkpoint
    marks: Marks
    sha256: str
    """Of the whole file; sites call its first ten digits AutoV2."""
    tensors_sha256: str
    """Of what follows the header: the same however the metadata are edited."""
    trigger: tuple[str, ...]
    """The words that call what was learnt."""
    base_model: str
    """The name of the file it was trained on."""
    family: str
    """As WebUI spells it: SD1, SD2, SDXL, Unknown."""
    tags: tuple[tuple[str, int], ...]
    """The captions' tags and how often they were seen, most frequent first."""
    metadata: Mapping[str, str]
    images: tuple[Path, ...]
    edits: int
    """How many edits of its metadata can be undone."""


class KeepBy(StrEnum):
    """What the best checkpoints are best by."""

    STARS = "stars"
    SCORE = "score"
    """Their places among the scores of a grid."""
    STEP = "step"
    """The longest trained are the best."""


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Which checkpoints are to stay. One that any of these speaks for stays."""

    rated: int = 0
    """Stars from which on; 0: no rating speaks for any."""
    best: int = 0
    """How many of the best."""
    by: KeepBy = KeepBy.STARS
    each_run: bool = False
    """So many of each run, not of all together."""
    grid: str = ""
    """Whose scores count; empty = the newest one's."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """By `<run>/<name>`, the highest is the best; where there are any, the best are best by them."""
    finals: bool = True
    """The last one of each run."""

    def __post_init__(self) -> None:
        if self.rated not in range(BEST_RATING + 1):
            raise OptionValueError(f"{self.rated} is no rating: 1 to {BEST_RATING} stars are.")
        if self.best < 0:
            raise OptionValueError(f"{self.best} best checkpoints can't be kept: a number from 0 on is wanted.")
        if not self.best and (self.each_run or self.by is not KeepBy.STARS):
            raise OptionValueError(f"How many of the best by {self.by} are to stay? Say best = 1, or more.")
        if self.scores and self.by is KeepBy.STEP:
            raise OptionValueError("The best are best by their steps or by the scores given, not by both.")
        if not (self.rated or self.best or self.finals):
            raise OptionValueError(
                "Nothing but the pinned would be kept. Say which are to stay: those rated from some stars on, the "
                "best few, or the final ones."
            )


@dataclass(frozen=True, kw_only=True)
class Parting:
    """Checkpoints that would be put away, or were."""

    going: tuple[Checkpoint, ...]
    staying: tuple[Checkpoint, ...] = ()
    size_bytes: int = 0
    """What they take on the disk, with their previews."""
    freed_bytes: int = 0
    """What of it the disk gets back when the trash is emptied: not what copies elsewhere share with them."""
    token: str = ""
    """Brings them back; "" while nothing was moved."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MetadataEdit:
    """A change of a file's metadata that can be undone."""

    number: int
    edited: datetime
    changes: Mapping[str, str | None]
    """The new text by key; None: the key was taken out."""


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A checkpoint in a folder that belongs to another program."""

    path: Path
    beside: tuple[Path, ...] = ()
    """The card and the picture."""
    linked: bool = False
    """It takes no room, since it is the same file."""
    was_there: bool = False
    notes: tuple[str, ...] = ()
