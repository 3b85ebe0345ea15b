"""What a result was made with and from: the code, the packages, the machine, and the run that a run came of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The programs that make a run: versions, and the trainer's code itself."""

    train_tools: str
    python: str
    engine_commit: str
    """Of the checkout that holds the trainer; "" where it is none."""
    engine_sha256: str
    """Over the trainer's source files, line ends aside: a checkout may have been changed."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Installed versions of the packages that decide results or speed."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    name: str
    driver: str
    memory_mib: int


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where an attempt ran, as known when it began."""

    slot: str
    """"cpu", or the GPU's UUID."""
    system: str
    """Name and release of the operating system."""
    architecture: str
    processors: int
    threads: int
    """That the trainer may use."""
    made_with: Provenance
    gpu: Gpu | None = None


class Descent(StrEnum):
    """How a run came of another."""

    REPRODUCTION = "reproduction"
    LESS_MEMORY = "less memory"
    CLONE = "clone"
    CONTINUATION = "continuation"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The run that a run came of."""

    how: Descent
    run: str
    """Its folder's name, in the same version."""
    checkpoint: str = ""
    """The file that a continuation began with."""
    tensors_sha256: str = ""

    @property
    def label(self) -> str:
        """What it adds to the run's label, where the options do not say it."""
        if self.how is Descent.CONTINUATION:
            return f" (on from {self.checkpoint})"
        return " (again)" if self.how is Descent.REPRODUCTION else ""
