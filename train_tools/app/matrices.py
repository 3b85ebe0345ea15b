"""Matrices as people look at them: a page of rows in the order and with the filter of a view, what is known of the
checkpoints there, and what becomes of pictures that are missing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from train_tools.app.grids import Grids
from train_tools.app.jobs import Jobs
from train_tools.app.previews import Previews, runs_of
from train_tools.app.versions import Versions
from train_tools.checkpoints.marks import marks_of
from train_tools.errors import NotFoundError, StorageError
from train_tools.grids.labels import varied_in
from train_tools.grids.record import GridRecord
from train_tools.jobs.queue import UNFINISHED
from train_tools.model.checkpoint import Checkpoint, Marks
from train_tools.model.job import Job, JobState
from train_tools.model.matrix_view import Alike, Axis, Expected, MatrixView, SeenCheckpoint, Sort
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.preview import Line, PreviewMatrix, PreviewSettings
from train_tools.previews.alike import alike
from train_tools.previews.arranged import is_of_settings
from train_tools.previews.axes import AXES, BASE_MODEL, CHECKPOINT, RUN, SOURCE, words_of
from train_tools.previews.fates import fates
from train_tools.previews.kind import KIND, PREVIEW_NOW
from train_tools.previews.matrix import picture_count
from train_tools.previews.subjects import LabelledCheckpoint, TrainingSample, checkpoint_label
from train_tools.runs.record import read_record
from train_tools.runs.training import TRAIN
from train_tools.scoring.loss_curves import losses_of

CHECKPOINTS_OF_A_PAGE, FEWEST, PICTURES_OF_A_PAGE = 50, 10, 800
"""Fewer checkpoints where each has many pictures."""
WEIGHTS = "*.safetensors"
SAMPLES = "attempts/*/out/sample/*.png"


@dataclass(frozen=True, kw_only=True)
class MatrixPage:
    """A page of a matrix."""

    grid: str
    matrix: PreviewMatrix
    page: int
    pages: tuple[int, ...]
    """About how many rows each page has."""
    shown: int
    """Checkpoints that the view leaves, on all pages."""
    checkpoints: tuple[SeenCheckpoint, ...]
    """Those of this page."""
    expected: Mapping[str, Expected]
    """Of missing pictures, by their key."""
    alike: Alike
    row_groups: tuple[int, ...]
    column_groups: tuple[int, ...]
    """For each line the first that differs from it only in what the base model alone does not have."""
    row_axes: tuple[Axis, ...]
    column_axes: tuple[Axis, ...]
    axes: tuple[Axis, ...]
    """All that rows or columns can be told apart by."""
    jobs: tuple[Job, ...]
    """Preview jobs of the grid that wait, run, or have failed."""


@dataclass(frozen=True, kw_only=True)
class RunOfMatrix:
    """A run of a grid, for a choice of runs."""

    name: str
    label: str
    varied: Mapping[str, Any]
    training: bool
    checkpoints: int


@dataclass(frozen=True)
class _Selection:
    """What of a grid is on a page, and in which order."""

    page: int
    pages: tuple[int, ...]
    shown: int
    rows: Sequence[LabelledCheckpoint]
    samples: Sequence[TrainingSample]
    ranks: Mapping[Path, int] | None = None


class Matrices:
    """Shows matrices. A grid of any size costs what a page of it does, unless the view selects."""

    def __init__(
        self, outputs: OutputsPaths, versions: Versions, jobs: Jobs, grids: Grids, previews: Previews
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._jobs = jobs
        self._grids = grids
        self._previews = previews

    def page(
        self,
        project: str,
        version: str,
        grid: str | None = None,
        view: MatrixView | None = None,
        page: int = 0,
    ) -> MatrixPage:
        """One page; the last one for a number that is too high. NotFoundError for a run that the grid has not."""
        view = view or MatrixView()
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        settings = self._previews.settings_of(paths)
        if view.arranged:
            settings = replace(settings, rows=view.rows, columns=view.columns)
        selection = self._selection(paths, record, settings, view, page)
        if selection.page + 1 < len(selection.pages):
            settings = replace(settings, other_loras=())  # they are the last rows
        matrix = self._previews.matrix_of(
            paths, record, selection.rows, selection.samples, settings, selection.ranks
        )
        jobs = self._preview_jobs(paths, record.name)
        return MatrixPage(
            grid=record.name,
            matrix=matrix,
            page=selection.page,
            pages=selection.pages,
            shown=selection.shown,
            checkpoints=_seen(paths, selection.rows),
            expected=fates(self._outputs.folder, record.name, matrix, jobs),
            alike=alike(matrix),
            row_groups=_groups(matrix.rows),
            column_groups=_groups(matrix.columns),
            row_axes=tuple(map(_axis, matrix.row_axes)),
            column_axes=tuple(map(_axis, matrix.column_axes)),
            axes=tuple(map(_axis, _axes_offered(matrix, selection.rows))),
            jobs=jobs,
        )

    def runs(self, project: str, version: str, grid: str | None = None) -> tuple[RunOfMatrix, ...]:
        """The runs of a grid that have a record, in its order."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        training = self._trainings(paths)
        names = (name for name in runs_of(paths, record) if paths.run(name).record.is_file())
        return tuple(_run(paths, record, name, training) for name in names)

    def _selection(
        self, paths: VersionPaths, record: GridRecord, settings: PreviewSettings, view: MatrixView, page: int
    ) -> _Selection:
        names = [name for name in runs_of(paths, record) if view.run in ("", name)]
        if not names and view.run:
            raise NotFoundError(f"The grid {record.name} has no run {view.run!r}.")
        if not _is_a_row_each(settings):
            return self._all_at_once(paths, record, names, view)
        if view.selects:
            return self._chosen(paths, record, names, view, page, _length(settings))
        return self._in_turn(paths, record, names, page, _length(settings))

    def _in_turn(
        self, paths: VersionPaths, record: GridRecord, names: Sequence[str], page: int, length: int
    ) -> _Selection:
        """Whole runs, so that only those of the page are read."""
        counts = {name: _rows_about(paths.run(name).folder) for name in names}
        pages = list(_whole_runs(counts, length)) or [()]
        page = min(page, len(pages) - 1)
        return _Selection(
            page,
            tuple(sum(counts[name] for name in runs) for runs in pages),
            sum(counts.values()),
            self._previews.rows_of(paths, record.name, pages[page]),
            self._previews.samples_of(paths, record.name, pages[page]),
        )

    def _chosen(
        self,
        paths: VersionPaths,
        record: GridRecord,
        names: Sequence[str],
        view: MatrixView,
        page: int,
        length: int,
    ) -> _Selection:
        """Checkpoints by what is known of them; of training samples those of their moments."""
        found = self._selected(paths, record, names, view)
        pages = [found[at : at + length] for at in range(0, len(found), length)]
        page = min(page, max(0, len(pages) - 1))
        rows = pages[page] if pages else []
        moments = {(row.checkpoint.run, checkpoint_label(row.checkpoint)) for row in rows}
        samples = self._previews.samples_of(paths, record.name, {run for run, _ in moments})
        return _Selection(
            page,
            tuple(map(len, pages)),
            len(found),
            rows,
            [sample for sample in samples if (sample.run, sample.when) in moments],
            _ranks(rows),
        )

    def _all_at_once(
        self, paths: VersionPaths, record: GridRecord, names: Sequence[str], view: MatrixView
    ) -> _Selection:
        """Where a row is not a checkpoint, each may have a part in every row."""
        rows = self._selected(paths, record, names, view)
        samples = () if view.selects else self._previews.samples_of(paths, record.name, names)
        return _Selection(0, (len(rows),), len(rows), rows, samples, _ranks(rows) if view.selects else None)

    def _selected(
        self, paths: VersionPaths, record: GridRecord, names: Sequence[str], view: MatrixView
    ) -> list[LabelledCheckpoint]:
        rows = self._previews.rows_of(paths, record.name, names)
        if not view.selects:
            return rows
        by_path = {row.checkpoint.path: row for row in rows}
        wanted = [each for each in _seen(paths, rows) if _is_wanted(each, view)]
        return [by_path[each.checkpoint.path] for each in _sorted(wanted, view)]

    def _preview_jobs(self, paths: VersionPaths, grid: str) -> tuple[Job, ...]:
        states = (*UNFINISHED, JobState.FAILED)
        found = self._jobs_below(paths, states)
        return tuple(job for job in found if job.kind in (KIND, PREVIEW_NOW) and job.subject.get("grid") == grid)

    def _trainings(self, paths: VersionPaths) -> Collection[str]:
        """The folders of runs that train now."""
        found = self._jobs_below(paths, (JobState.RUNNING,))
        return {Path(job.folder).name for job in found if job.kind == TRAIN}

    def _jobs_below(self, paths: VersionPaths, states: Sequence[JobState]) -> list[Job]:
        if not self._outputs.queue.exists():
            return []
        return self._jobs.queue.below(paths.folder.relative_to(self._outputs.folder).as_posix(), states)


def _is_a_row_each(settings: PreviewSettings) -> bool:
    """Whether rows are runs with their checkpoints and nothing else."""
    plain = settings.rows in ((), (RUN, CHECKPOINT)) and not {RUN, CHECKPOINT} & set(settings.columns)
    named = {*settings.rows, *settings.columns} - {RUN, CHECKPOINT}
    return plain and BASE_MODEL not in settings.axes and named <= set(AXES)


def _rows_about(run: Path) -> int:
    """Rows of a run whose files are not opened: one for each checkpoint, else one for what was painted."""
    return sum(1 for _ in run.glob(WEIGHTS)) or int(any(run.glob(SAMPLES)))


def _length(settings: PreviewSettings) -> int:
    """How many checkpoints a page has at least."""
    return min(CHECKPOINTS_OF_A_PAGE, max(FEWEST, PICTURES_OF_A_PAGE // picture_count(settings, 1)))


def _whole_runs(counts: Mapping[str, int], length: int) -> Iterator[tuple[str, ...]]:
    """Runs in their order, so many together that they have a page's rows."""
    page: list[str] = []
    for name, rows in counts.items():
        if rows:
            page.append(name)
        if sum(counts[each] for each in page) >= length:
            yield tuple(page)
            page = []
    if page:
        yield tuple(page)


def _seen(paths: VersionPaths, rows: Sequence[LabelledCheckpoint]) -> tuple[SeenCheckpoint, ...]:
    """What is known of checkpoints, beside their pictures."""
    losses = {run: losses_of(paths.run(run).folder) for run in {row.checkpoint.run for row in rows}}
    return tuple(
        SeenCheckpoint(
            checkpoint=row.checkpoint,
            label=row.label,
            called=checkpoint_label(row.checkpoint),
            marks=_readable_marks(row.checkpoint),
            loss=_loss_at(row.checkpoint.step, losses[row.checkpoint.run]),
            own=row.checkpoint.path.is_relative_to(paths.trains),
        )
        for row in rows
    )


def _loss_at(step: int, losses: Mapping[int, float]) -> float | None:
    """The mean over the last tenth of the steps that led there."""
    last = [losses[each] for each in range(step - step // 10, step + 1) if each in losses]
    return fmean(last) if last else None


def _readable_marks(checkpoint: Checkpoint) -> Marks:
    try:
        return marks_of(checkpoint)
    except StorageError:
        return Marks()


def _is_wanted(seen: SeenCheckpoint, view: MatrixView) -> bool:
    checkpoint = seen.checkpoint
    said = " ".join((seen.label, seen.called, checkpoint.called, seen.marks.notes)).casefold()
    return (
        seen.marks.rating >= view.rated
        and all(word in said for word in view.text.casefold().split())
        and (view.loss_below is None or (seen.loss is not None and seen.loss < view.loss_below))
        and (view.steps_from is None or checkpoint.step >= view.steps_from)
        and (view.steps_to is None or checkpoint.step <= view.steps_to)
    )


SORTED_BY: Mapping[Sort, Callable[[SeenCheckpoint], Any]] = {
    Sort.STEP: lambda seen: seen.checkpoint.step,
    Sort.LOSS: lambda seen: seen.loss,
    Sort.RATING: lambda seen: seen.marks.rating or None,
    Sort.NAME: lambda seen: (seen.label, seen.checkpoint.name),
}
"""None comes last in either direction."""


def _sorted(seen: Iterable[SeenCheckpoint], view: MatrixView) -> list[SeenCheckpoint]:
    if not view.sort:
        return list(seen)[:: -1 if view.descending else 1]
    found = [(SORTED_BY[view.sort](each), each) for each in seen]
    known = sorted((pair for pair in found if pair[0] is not None), key=lambda pair: pair[0])
    unknown = [each for place, each in found if place is None]
    return [each for _, each in known[:: -1 if view.descending else 1]] + unknown


def _ranks(rows: Sequence[LabelledCheckpoint]) -> Mapping[Path, int]:
    return {row.checkpoint.path: rank for rank, row in enumerate(rows)}


def _groups(lines: Sequence[Line]) -> tuple[int, ...]:
    firsts: dict[tuple[Any, ...], int] = {}
    shared = (tuple(value.value for value in line.values if is_of_settings(value.axis)) for line in lines)
    return tuple(firsts.setdefault(key, at) for at, key in enumerate(shared))


def _axis(name: str) -> Axis:
    return Axis(name, words_of(name))


def _axes_offered(matrix: PreviewMatrix, rows: Sequence[LabelledCheckpoint]) -> tuple[str, ...]:
    """Those in use, and those that take the place of the run's label."""
    varied = (name for row in rows for name in row.options if name not in AXES)
    offered = dict.fromkeys((*matrix.row_axes, *matrix.column_axes, RUN, CHECKPOINT, *varied))
    return tuple(axis for axis in offered if axis != SOURCE)


def _run(paths: VersionPaths, record: GridRecord, name: str, training: Collection[str]) -> RunOfMatrix:
    told = read_record(paths.run(name))
    varied = varied_in(record.grid, told.run.options)
    label = replace(told.run, varied=varied).label if name in record.runs else told.label
    files = sum(1 for _ in paths.run(name).folder.glob(WEIGHTS))
    return RunOfMatrix(name=name, label=label, varied=varied, training=name in training, checkpoints=files)
