"""Finished runs as their folders tell: what the queue is rebuilt from when its file is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from sd_contract.attempt import Attempt, Outcome, read_result
from train_tools.errors import StorageError
from train_tools.model.paths import RunPaths, VersionPaths
from train_tools.runs.record import RunRecord, read_record


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run whose newest attempt said how it ended."""

    record: RunRecord
    outcome: str
    message: str
    ended_at: float


def finished_runs(version: VersionPaths) -> Iterator[FinishedRun]:
    """Runs with a result; folders without a readable record are passed over."""
    for file in sorted(version.trains.glob("*/run.toml")):
        paths = RunPaths(file.parent)
        try:
            record = read_record(paths)
        except StorageError:
            continue
        for folder in sorted(paths.folder.glob("attempts/[0-9]*"), reverse=True):
            attempt = Attempt(folder)
            result = read_result(attempt)
            if result is not None and result.outcome in get_args(Outcome):
                yield FinishedRun(
                    record=record,
                    outcome=result.outcome,
                    message=result.message,
                    ended_at=attempt.result.stat().st_mtime,
                )
                break
