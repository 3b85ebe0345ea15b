"""Whether the trainer can begin at all, and what it would do without a word."""

from __future__ import annotations

from collections.abc import Iterator

from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Prospect

TRAINER = "trainer"


def trainer(prospect: Prospect) -> Iterator[Finding]:
    engine = prospect.engine
    if engine.problem:
        yield Finding(
            check=TRAINER,
            level=Level.STOP,
            message=f"The trainer {engine.name} can't train now: {engine.problem}",
            cure=f"Mend it and look with `train-tools engine check {engine.name}`, or take another with --engine.",
        )
        return
    yield Finding(check=TRAINER, level=Level.OK, message=f"{engine.name} trains.")
    for candidate in prospect.candidates:
        for doubt in engine.doubts(candidate.options, candidate.base_model, candidate.dataset):
            yield candidate.finds(doubt.check, doubt.level, doubt.message, doubt.cure)
