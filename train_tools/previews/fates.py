"""What becomes of pictures that are missing: whether a job waits for them, paints them or gave them up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from train_tools.errors import StorageError
from train_tools.model.job import Job, JobState
from train_tools.model.matrix_view import NOBODY, Expected, Fate
from train_tools.model.paths import AttemptPaths
from train_tools.model.preview import Cell, PreviewMatrix, PreviewSettings
from train_tools.previews.kind import PreviewWork
from train_tools.previews.renderer import REQUEST_NAME, read_request

OUTRANKED = (Fate.MISSING, Fate.FAILED, Fate.QUEUED, Fate.RUNNING)
"""Where several jobs are about one picture, the last of these is told."""


def fates(outputs: Path, grid: str, matrix: PreviewMatrix, jobs: Sequence[Job]) -> Mapping[str, Expected]:
    """Of each missing picture of a grid, by its key. `jobs` are preview jobs that wait, run or have failed."""
    wanted = [cell for cell in matrix.cells if not cell.sampled and not cell.file.exists()]
    told = {cell.picture.key: NOBODY for cell in wanted}
    for job in jobs if wanted else ():
        for key, fate in _told_by(job, outputs / job.folder, grid, matrix.settings, wanted):
            if key in told and OUTRANKED.index(fate) > OUTRANKED.index(told[key].fate):
                told[key] = Expected(fate, job)
    return told


def _told_by(
    job: Job, folder: Path, grid: str, settings: PreviewSettings, wanted: Sequence[Cell]
) -> Iterable[tuple[str, Fate]]:
    request = AttemptPaths.of(folder, job.attempt).folder / REQUEST_NAME
    painted = _painted_in_turn(request) if request.is_file() else ()
    if job.state is JobState.FAILED:
        return [(key, Fate.FAILED) for key in painted]
    if job.state is JobState.RUNNING and painted:
        return [(key, _at(place, job.step)) for place, key in enumerate(painted)]
    work = PreviewWork.of(job.subject)
    if work.grid != grid or work.only_newest or _pictures_of(work.settings) != _pictures_of(settings):
        return ()
    of_run = [cell for cell in wanted if not work.run or not cell.checkpoint or work.run in cell.checkpoint.parts]
    return [(cell.picture.key, Fate.QUEUED) for cell in of_run if work.covers(cell)]


def _at(place: int, painted: int) -> Fate:
    """A picture that was passed and is not there could not be painted."""
    return Fate.RUNNING if place == painted else Fate.QUEUED if place > painted else Fate.FAILED


def _pictures_of(settings: PreviewSettings) -> PreviewSettings:
    """The settings without what changes no picture."""
    return replace(settings, rows=(), columns=(), after_training=True, other_loras=())


@lru_cache(maxsize=32)
def _painted_in_turn(request: Path) -> tuple[str, ...]:
    """The keys of an attempt's pictures in the order in which they are painted. The file is written once."""
    try:
        asked = read_request(request)
    except StorageError:
        return ()
    return tuple(wanted.picture.key for _, group in asked.by_checkpoint() for wanted in group)
