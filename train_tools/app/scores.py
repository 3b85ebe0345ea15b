"""Which checkpoint: scores of a grid's checkpoints, the job that measures what they lack, blind votes, what
options do to scores, and loss curves side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from train_tools.app.grids import Grids
from train_tools.app.jobs import Jobs
from train_tools.app.previews import Previews
from train_tools.app.versions import Versions
from train_tools.checkpoints.marks import readable_marks
from train_tools.datasets.dataset import caption_seen
from train_tools.errors import ChangedMeanwhileError, NotFoundError
from train_tools.model.dataset import Dataset
from train_tools.model.job import Job
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.preview import Cell, PreviewMatrix
from train_tools.model.score import (
    BlindPair,
    LossCurve,
    Preference,
    Score,
    ScoredCheckpoint,
    ScoreTable,
    Unscored,
)
from train_tools.model.settings import UserSettings
from train_tools.previews.matrix import LabelledCheckpoint
from train_tools.previews.picture_file import is_whole, without_texts
from train_tools.previews.subjects import lora_hash
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.record import RunRecord, read_record
from train_tools.runs.training import TRAIN
from train_tools.scoring import votes
from train_tools.scoring.galleries import not_seen
from train_tools.scoring.kind import KIND, score_job
from train_tools.scoring.lookers import lookers_of
from train_tools.scoring.loss_curves import images_of_a_step, loss_curve, validation_curve
from train_tools.scoring.main_effects import RunOfGrid, main_effects
from train_tools.scoring.measured import Measured, Measurement, kept
from train_tools.scoring.registry import chosen_scorers
from train_tools.scoring.request import CaptionedImage, Missing, Series, Wanted
from train_tools.scoring.scorer import Pictured, Scorer, Subject
from train_tools.scoring.scorers import fixed_noise
from train_tools.scoring.suggestion import ranked, suggestion

FULL_WEIGHT = 1.0


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A checkpoint of a grid with its run and what that was trained on."""

    labelled: LabelledCheckpoint
    record: RunRecord
    dataset: Dataset
    content: str
    measurement: Measurement

    @property
    def path(self) -> Path:
        return self.labelled.checkpoint.path


class Scores:
    """Scores, and what they suggest."""

    def __init__(
        self,
        outputs: OutputsPaths,
        versions: Versions,
        jobs: Jobs,
        grids: Grids,
        previews: Previews,
        settings: Callable[[], UserSettings],
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._jobs = jobs
        self._grids = grids
        self._previews = previews
        self._settings = settings

    def table(
        self, project: str, version: str, grid: str | None = None, scorers: Sequence[str] = ()
    ) -> ScoreTable:
        """Everything that is known about a grid's checkpoints now (of the newest grid without a name), by these
        scorers or by all. Raises OptionValueError for a scorer that there is not, NotFoundError without a grid."""
        chosen = chosen_scorers(scorers)
        paths = self._versions.paths(project, version)
        name = self._grids.record(project, version, grid).name
        rows = self._rows(paths, name)
        subjects = list(self._subjects(paths, rows, self._previews.matrix(project, version, name)))
        scored = ranked([_scored(row, subject, chosen) for row, subject in zip(rows, subjects, strict=True)])
        return ScoreTable(
            grid=name,
            checkpoints=scored,
            suggestion=suggestion(scored),
            effects=main_effects(_runs(rows, scored)),
            unmeasured=_missing(paths, rows, subjects, download=False).count,
        )

    @staticmethod
    def check_names(scorers: Sequence[str]) -> None:
        """Raises OptionValueError for a scorer that there is not."""
        chosen_scorers(scorers)

    def start(self, project: str, version: str, grid: str | None = None, *, download: bool = False) -> Job | None:
        """Queues the measuring of what is missing; None when nothing is. One that waits or runs already is that.
        `download` agrees to fetching models that look at previews."""
        paths = self._versions.paths(project, version)
        name = self._grids.record(project, version, grid).name
        rows = self._rows(paths, name)
        if not rows:
            raise NotFoundError(
                f"The grid {name} has no checkpoints yet. `train-tools jobs` shows how far its runs are."
            )
        wanted = self._missing_of_rows(project, version, name, rows, download=download).count
        if not wanted:
            return None
        title = f"{project} / {version}: scores of {name}"
        job = score_job(self._outputs, paths, name, title, wanted, download=download)
        there = self._jobs.queue.in_folder(job.folder, KIND)
        if there is not None and not there.state.finished and there.subject.get("grid") == name:
            return there
        (id_,) = self._jobs.queue.add([job])
        return self._jobs.get(id_)

    def missing_of(self, version: VersionPaths, grid: str, download: bool) -> Missing:
        """What is still to be measured."""
        project, name = version.folder.parent.parent.name, version.folder.name
        return self._missing_of_rows(project, name, grid, self._rows(version, grid), download=download)

    def pair(self, project: str, version: str, grid: str | None = None) -> BlindPair:
        """Two pictures to choose between, of the checkpoints that were compared least. Raises NotFoundError when
        no two checkpoints have pictures of the same prompt and seed."""
        paths = self._versions.paths(project, version)
        name = self._grids.record(project, version, grid).name
        cells = _by_content(self._previews.matrix(project, version, name))
        for first, second in votes.least_compared(tuple(cells), votes.votes_in(paths.votes)):
            seen = {vote.pictures for vote in votes.votes_in(paths.votes)}
            pairs = list(_alike(cells[first], cells[second]))
            fresh = [pair for pair in pairs if (pair[0].picture.key, pair[1].picture.key) not in seen]
            for one, other in fresh or pairs:
                return BlindPair(
                    key=f"{one.picture.key}-{other.picture.key}",
                    grid=name,
                    first=one.file,
                    second=other.file,
                    prompt=one.picture.prompt,
                )
        raise NotFoundError(
            "There are no two checkpoints with previews of the same prompt and seed: `train-tools preview` first."
        )

    def blind_picture(self, project: str, version: str, key: str, grid: str | None = None) -> bytes:
        """A picture of a pair as a PNG that does not say whose it is. Raises NotFoundError when there is none."""
        cells = self._previews.matrix(project, version, grid).cells
        file = next((cell.file for cell in cells if cell.picture.key == key and is_whole(cell.file)), None)
        if file is None:
            raise NotFoundError("The picture is not there any more. Ask for another pair.")
        return without_texts(file)

    def vote(self, project: str, version: str, key: str, preference: Preference, grid: str | None = None) -> None:
        """Keeps what somebody said of a pair. Raises ChangedMeanwhileError when its pictures are gone."""
        paths = self._versions.paths(project, version)
        groups = _by_content(self._previews.matrix(project, version, grid)).values()
        by_key = {cell.picture.key: cell for group in groups for cell in group}
        pictures = tuple(key.split("-"))
        if len(pictures) != 2 or not all(each in by_key for each in pictures):
            raise ChangedMeanwhileError("The pictures of this pair are not there any more. Ask for another pair.")
        first, second = (by_key[each].picture.lora or "" for each in pictures)
        vote = votes.Vote(first=first, second=second, preference=preference, pictures=(pictures[0], pictures[1]))
        votes.add_vote(paths.votes, vote)

    def losses(self, project: str, version: str, grid: str | None = None) -> tuple[LossCurve, ...]:
        """The loss curve of each run of a grid, over the images it has seen."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        curves = []
        for name in record.runs:
            run = paths.run(name)
            if run.record.is_file():
                curves.append(_curve(run))
        return tuple(curves)

    def curve(self, job: int) -> LossCurve:
        """The loss curve of the run that a job trains. Raises NotFoundError for a job that trains none."""
        found = self._jobs.get(job)
        run = RunPaths(self._outputs.folder / found.folder)
        if found.kind != TRAIN or not run.record.is_file():
            raise NotFoundError(f"Job {job} ({found.title}) trains no run of its own, so it has no losses.")
        return _curve(run)

    def _missing_of_rows(
        self, project: str, version: str, grid: str, rows: Sequence[_Row], *, download: bool
    ) -> Missing:
        paths = self._versions.paths(project, version)
        subjects = self._subjects(paths, rows, self._previews.matrix(project, version, grid))
        return _missing(paths, rows, subjects, download=download)

    def _rows(self, version: VersionPaths, grid: str) -> list[_Row]:
        rows = self._previews.rows_of(version, grid)
        records = {name: read_record(version.run(name)) for name in {row.checkpoint.run for row in rows}}
        datasets = {name: self._dataset(version, record) for name, record in records.items()}
        return [
            _Row(
                labelled=labelled,
                record=records[labelled.checkpoint.run],
                dataset=datasets[labelled.checkpoint.run],
                content=lora_hash(labelled.checkpoint.path),
                measurement=_measurement(
                    labelled, records[labelled.checkpoint.run], datasets[labelled.checkpoint.run]
                ),
            )
            for labelled in rows
        ]

    def _dataset(self, version: VersionPaths, record: RunRecord) -> Dataset:
        """What the run would be trained on now."""
        return self._versions.trained_on_by(version, record.run.options)

    def _subjects(self, version: VersionPaths, rows: Sequence[_Row], matrix: PreviewMatrix) -> Iterator[Subject]:
        said, measured = votes.votes_in(version.votes), Measured(version.scores)
        pictures = pictures_of(matrix)
        lookers = {each.name: each for each in lookers_of(self._settings().scores, self._outputs.captioners)}
        for row in rows:
            yield Subject(
                checkpoint=row.labelled.checkpoint,
                content=row.content,
                measurement=row.measurement,
                measured=measured,
                pictures=pictures.get(row.path, ()),
                training=_training(row.dataset),
                tally=votes.tally(said, row.content),
                curves=version.run(row.labelled.checkpoint.run).folder,
                stars=readable_marks(row.labelled.checkpoint).rating,
                lookers=lookers,
            )


def _curve(run: RunPaths) -> LossCurve:
    record = read_record(run)
    options = record.run.options
    return LossCurve(
        run=run.folder.name,
        label=record.label,
        varied=record.run.varied,
        points=loss_curve(run.folder, options),
        validation=validation_curve(run.folder, options),
        checkpoints=tuple(
            (float(each.step * images_of_a_step(options)), each.name) for each in checkpoints_of(run)
        ),
    )


def _measurement(labelled: LabelledCheckpoint, record: RunRecord, dataset: Dataset) -> Measurement:
    options = record.run.options
    return Measurement(
        base=labelled.base.sha256,
        dataset=dataset.content,
        clip_skip=options.get("clip_skip"),
        v_prediction=bool(options.get("v_parameterization")),
        vae=str(options.get("vae") or ""),
    )


def _missing(
    version: VersionPaths, rows: Sequence[_Row], subjects: Iterable[Subject], *, download: bool
) -> Missing:
    return Missing(series=tuple(_series(version, rows)), looking=not_seen(subjects, download=download))


def _series(version: VersionPaths, rows: Sequence[_Row]) -> list[Series]:
    """What is not measured of the rows, those together that are asked the same."""
    measured = Measured(version.scores)
    groups: dict[Measurement, list[_Row]] = {}
    for row in rows:
        groups.setdefault(row.measurement, []).append(row)
    series = []
    for measurement, group in groups.items():
        images = _images(group[0].dataset)
        contents = {"": None, **{row.content: row.path for row in group}}
        wanted = [
            Wanted(checkpoint=str(path) if path else None, file=str(file))
            for content, path in contents.items()
            if kept(file := fixed_noise.file_of(measured, measurement, content)) is None
        ]
        if images and wanted:
            base = str(group[0].labelled.base.path)
            series.append(Series(base_model=base, measurement=measurement, images=images, wanted=tuple(wanted)))
    return series


def pictures_of(matrix: PreviewMatrix) -> dict[Path, tuple[Pictured, ...]]:
    """By checkpoint: the previews that are there, at the weight nearest to 1, beside the base model's."""
    there = [cell for cell in matrix.cells if is_whole(cell.file)]
    bases = {cell.picture.key: cell.file for cell in there if cell.picture.lora is None}
    by_checkpoint: dict[Path, list[Cell]] = {}
    for cell in there:
        if cell.checkpoint is not None:
            by_checkpoint.setdefault(cell.checkpoint, []).append(cell)
    return {path: tuple(_pictured(_at_full_weight(cells), bases)) for path, cells in by_checkpoint.items()}


def _pictured(cells: Iterable[Cell], bases: Mapping[str, Path]) -> Iterator[Pictured]:
    for cell in cells:
        alone = replace(cell.picture, lora=None, weight=0.0)
        yield Pictured(
            prompt=cell.picture.prompt,
            seed=cell.picture.seed,
            weight=cell.picture.weight,
            file=cell.file,
            base=bases.get(alone.key),
            key=cell.picture.key,
        )


def _at_full_weight(cells: Sequence[Cell]) -> list[Cell]:
    nearest = min((cell.picture.weight for cell in cells), key=lambda weight: abs(weight - FULL_WEIGHT))
    return [cell for cell in cells if cell.picture.weight == nearest]


def _by_content(matrix: PreviewMatrix) -> dict[str, list[Cell]]:
    """The pictures at full weight by the content of the checkpoint they show."""
    by_content: dict[str, list[Cell]] = {}
    for cell in matrix.cells:
        if cell.picture.lora is not None and not cell.sampled and is_whole(cell.file):
            by_content.setdefault(cell.picture.lora, []).append(cell)
    return {content: _at_full_weight(cells) for content, cells in by_content.items()}


def _alike(first: Sequence[Cell], second: Sequence[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """Pictures that differ in the LoRA alone."""
    others = {replace(cell.picture, lora=None).key: cell for cell in second}
    for cell in first:
        other = others.get(replace(cell.picture, lora=None).key)
        if other is not None:
            yield cell, other


def _scored(row: _Row, subject: Subject, scorers: Sequence[Scorer]) -> ScoredCheckpoint:
    found = [scorer.score(subject) for scorer in scorers]
    checkpoint = row.labelled.checkpoint
    return ScoredCheckpoint(
        run=checkpoint.run,
        label=row.labelled.label,
        name=checkpoint.name,
        path=checkpoint.path,
        epoch=checkpoint.epoch,
        step=checkpoint.step,
        images_seen=checkpoint.step * images_of_a_step(row.record.run.options),
        scores={each.scorer: each for each in found if isinstance(each, Score)},
        unscored=tuple(each for each in found if isinstance(each, Unscored)),
    )


def _runs(rows: Sequence[_Row], scored: Sequence[ScoredCheckpoint]) -> list[RunOfGrid]:
    by_run: dict[str, list[ScoredCheckpoint]] = {}
    for each in scored:
        by_run.setdefault(each.run, []).append(each)
    varied = {row.labelled.checkpoint.run: row.record.run.varied for row in rows}
    return [RunOfGrid(name=name, varied=varied[name], checkpoints=found) for name, found in by_run.items()]


def _training(dataset: Dataset) -> tuple[Path, ...]:
    return tuple(image.path for folder in dataset.folders for image in folder.images)


def _images(dataset: Dataset) -> tuple[CaptionedImage, ...]:
    """Those to measure on: all, or as many spread evenly over them."""
    found = [
        CaptionedImage(image=str(image.path), caption=_caption(caption_seen(folder, image), folder.class_name))
        for folder in dataset.folders
        for image in folder.images
    ]
    most = fixed_noise.MOST_IMAGES
    return tuple(found if len(found) <= most else (found[place * len(found) // most] for place in range(most)))


def _caption(seen: str | None, class_name: str) -> str:
    return class_name if seen is None else seen.split("\n", 1)[0]
