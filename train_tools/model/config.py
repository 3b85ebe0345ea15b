"""What a file of settings says, of whichever program: the options that come of it, and the fate of every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from train_tools.model.grid import BUNDLED


class ConfigFormat(StrEnum):
    """Whose file it is, as people call that program."""

    TRAIN_TOOLS = "Train Tools"
    SD_SCRIPTS = "sd-scripts"
    KOHYA_SS = "kohya_ss"
    ONE_TRAINER = "OneTrainer"
    TRAIN_TRAIN = "TrainTrain"
    LORA_FILE = "a LoRA file"


class Fate(StrEnum):
    """What became of a key."""

    TAKEN = "taken"
    RENAMED = "renamed"
    """Taken; the option has another name here."""
    CONVERTED = "converted"
    """Taken; the value is written in another way here."""
    ASSUMED = "assumed"
    """Not in the file: what the program does then."""
    WITHOUT_EFFECT = "without effect"
    """It asks for nothing, or for what happens anyway."""
    LEFT_OUT = "left out"
    """Train Tools decides it, or it belongs to a dataset or a machine."""
    NOT_SUPPORTED = "not supported"
    NOT_USABLE = "not usable"
    """The value can't be what it should be."""
    REFUSED = "refused"
    """It would run code, is a secret, or names a file that is not here."""
    UNKNOWN = "unknown"


USED = frozenset({Fate.TAKEN, Fate.RENAMED, Fate.CONVERTED, Fate.ASSUMED})
WORTH_A_LOOK = frozenset({Fate.NOT_SUPPORTED, Fate.NOT_USABLE, Fate.REFUSED, Fate.UNKNOWN})
"""What somebody who wants the same training should read."""


@dataclass(frozen=True, kw_only=True)
class ConfigEntry:
    """One key of a file, and what became of it. Values are text for people; a secret's isn't shown."""

    key: str
    value: str
    """As the file says it."""
    fate: Fate
    option: str = ""
    """The option that was set; empty when none was."""
    result: str = ""
    """Its value."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ImportedConfig:
    """Typed options, ready for a version or a grid. `entries` has a line for everything that was in the file."""

    format: ConfigFormat
    engine: str = BUNDLED
    """The trainer whose options these are."""
    options: Mapping[str, Any]
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    entries: tuple[ConfigEntry, ...] = ()
    notes: tuple[str, ...] = ()
    """What holds for the file as a whole, in words."""

    def of(self, *fates: Fate) -> tuple[ConfigEntry, ...]:
        return tuple(entry for entry in self.entries if entry.fate in fates)


@dataclass(frozen=True, kw_only=True)
class ConfigChange:
    """What taking over some options made of a version's own, by option; None where there is none."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[str, ...]:
        """Options that are another value now, or no longer or newly set."""
        names = dict.fromkeys((*self.after, *self.before))
        return tuple(name for name in names if self.before.get(name) != self.after.get(name))


@dataclass(frozen=True, kw_only=True)
class ExportedConfig:
    """One run as a file for another program."""

    name: str
    """A file name without suffix."""
    text: str
    notes: tuple[str, ...] = ()
