"""What tells two runs apart: what they were asked for, made with and trained on; and how far their results are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is not the same, as people read it. Empty = there is none of it."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Everything that is not the same about two runs, or about a run's surroundings and those of now."""

    options: tuple[Change, ...] = ()
    dataset: tuple[Change, ...] = ()
    code: tuple[Change, ...] = ()
    packages: tuple[Change, ...] = ()
    machine: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def sections(self) -> Mapping[str, tuple[Change, ...]]:
        """The changes by what they are about."""
        return {
            "options": self.options,
            "dataset": self.dataset,
            "code": self.code,
            "packages": self.packages,
            "machine": self.machine,
        }

    @property
    def surroundings(self) -> tuple[Change, ...]:
        """What is not decided by the run itself."""
        return (*self.code, *self.packages, *self.machine)


@dataclass(frozen=True, kw_only=True)
class FileComparison:
    """Two checkpoints of the same step, tensor by tensor."""

    name: str
    problem: str = ""
    """Why they can't be compared, in words; "" where they can."""
    largest: float = 0.0
    """The largest absolute difference between two numbers; 0 with `equal` False = only the bits differ."""
    tensor: str = ""
    """The tensor in which it lies."""
    differing: int = 0
    """Tensors that are not the same to the last bit."""
    tensors: int = 0

    @property
    def equal(self) -> bool:
        return not self.problem and not self.differing


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The checkpoints of two runs."""

    files: tuple[FileComparison, ...]

    @property
    def equal(self) -> bool:
        """Whether there is something to compare, and all of it is the same to the last bit."""
        return bool(self.files) and all(file.equal for file in self.files)

    @property
    def sentence(self) -> str:
        if not self.files:
            return "There are no checkpoints to compare yet."
        count = f"{len(self.files)} checkpoint{'s' * (len(self.files) > 1)}"
        if self.equal:
            return f"Equal to the last bit: {count}, every tensor."
        problems = [f"{file.name}: {file.problem}" for file in self.files if file.problem]
        if problems:
            return f"They can't be compared as a whole. {' '.join(problems)}"
        differing = [file for file in self.files if not file.equal]
        worst = max(differing, key=lambda file: file.largest)
        return (
            f"Not equal: {len(differing)} of {count} differ. The largest difference is {worst.largest:.3g}, in "
            f"{worst.tensor} of {worst.name}."
        )
