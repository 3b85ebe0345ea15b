"""Preview matrices of grids: what they show, rendering what is missing, taking them along, deleting them."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.app.grids import Grids
from train_tools.app.jobs import Jobs
from train_tools.app.versions import Versions
from train_tools.datasets.dataset import read_dataset
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.grids.joined import joined
from train_tools.grids.labels import BASE_MODEL, varied_in
from train_tools.grids.record import GridRecord, read_grid
from train_tools.model.grid import Grid, Run
from train_tools.model.job import NewJob
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.plan import Submission
from train_tools.model.preview import PreviewMatrix, PreviewSettings
from train_tools.previews import axes
from train_tools.previews.contact_sheet import write_contact_sheet
from train_tools.previews.history import seconds_for
from train_tools.previews.kind import PREVIEW_NOW, preview_job
from train_tools.previews.matrix import BaseModelFile, LabelledCheckpoint, matrix_of, missing
from train_tools.previews.modes import settings_in_mode
from train_tools.previews.pasted import Pasted, settings_from_infotext
from train_tools.previews.picture_file import delete_picture, read_infotext, read_picture
from train_tools.previews.samplers import SAMPLERS, SCHEDULERS
from train_tools.previews.styles import read_styles, with_styles
from train_tools.previews.subjects import TrainingSample
from train_tools.previews.told import told_once
from train_tools.previews.training_samples import training_samples
from train_tools.projects.settings import changed_by
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.record import RunRecord, read_record

LARGEST_DRAWN = 2**32 - 1
LONGEST_PATH = 1000
Change = Callable[[PreviewSettings], PreviewSettings]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """What rendering would cost. `seconds` None = nothing was rendered on this machine yet."""

    pictures: int
    seconds: float | None

    @property
    def sentence(self) -> str:
        """Make the missing: 36 images, about 4 min."""
        if not self.pictures:
            return "Nothing is missing."
        images = f"{self.pictures} image{'s' * (self.pictures != 1)}"
        if self.seconds is None:
            return f"Make the missing: {images}; how long that takes is known once some are rendered here."
        minutes = round(self.seconds / 60)
        about = f"about {minutes} min" if self.seconds >= 90 else f"about {max(1, round(self.seconds))} s"
        return f"Make the missing: {images}, {about}."


class Previews:
    """Shows and renders matrices. `renderer` says whose pictures the settings ask for."""

    def __init__(
        self,
        outputs: OutputsPaths,
        versions: Versions,
        jobs: Jobs,
        grids: Grids,
        renderer: Callable[[PreviewSettings], str],
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._jobs = jobs
        self._grids = grids
        self._renderer = renderer

    def settings(self, project: str, version: str) -> PreviewSettings:
        """The version's, with a seed of -1 drawn and kept (S1-58)."""
        return self.settings_of(self._versions.paths(project, version))

    def matrix(self, project: str, version: str, grid: str | None = None) -> PreviewMatrix:
        """The grid's matrix as far as it is rendered; without a name, that of the newest grid."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        rows, samples = self.rows_of(paths, record.name), self.samples_of(paths, record.name)
        return self.matrix_of(paths, record, rows, samples, self.settings_of(paths))

    def matrix_of(
        self,
        version: VersionPaths,
        record: GridRecord,
        rows: Sequence[LabelledCheckpoint],
        samples: Sequence[TrainingSample],
        settings: PreviewSettings,
        ranks: Mapping[Path, int] | None = None,
    ) -> PreviewMatrix:
        """The matrix of some of a grid's checkpoints and of what trainers painted."""
        return matrix_of(
            version,
            rows,
            settings,
            *self._bases_of(record.grid),
            renderer=self._renderer(settings),
            hash_of=self.hash_of,
            samples=samples,
            ranks=ranks,
        )

    def missing(
        self, project: str, version: str, grid: str | None = None, change: Change = lambda settings: settings
    ) -> Missing:
        """How many pictures are missing, and how long they would take."""
        matrix = self._rendered(project, version, grid, change)
        wanted = missing(matrix)
        seconds = seconds_for(
            self._outputs.preview_paces,
            (cell.picture for cell in wanted),
            renderer=self._renderer(matrix.settings),
            host=socket.gethostname(),
        )
        return Missing(pictures=len(wanted), seconds=seconds if wanted else 0.0)

    def matrix_image(self, project: str, version: str, grid: str | None = None) -> Path | None:
        paths = self._versions.paths(project, version)
        image = paths.grid(self._grids.record(project, version, grid).name).matrix
        return image if image.is_file() else None

    def render(
        self,
        project: str,
        version: str,
        grid: str | None = None,
        change: Change = lambda settings: settings,
        pictures: Collection[str] = (),
    ) -> Submission:
        """Queues the rendering of what is missing in a grid's matrix, with `change`d preview settings; or of some
        `pictures` only, by their keys. NotFoundError for one that is not missing."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        self.change(project, version, change)
        rows = self.rows_of(paths, record.name)
        if not rows:
            raise NotFoundError(
                f"The grid {record.name} has no checkpoints yet. `train-tools jobs` shows how far its runs are."
            )
        ahead = self._jobs.queue.waiting()
        settings, jobs = self.settings_of(paths), []
        wanted = self._wanted(paths, rows, settings, pictures)
        for number, base in enumerate(self._bases_rendered(settings, rows)):
            keys = wanted.get(base.sha256.lower(), ())
            if pictures and not keys:
                continue
            job = preview_job(
                self._outputs,
                paths,
                grid=record.name,
                run=None,
                settings=settings,
                base=base,
                title=f"{project} / {version}: previews of {record.name}",
                checkpoints=len(rows) if settings.axes.get(axes.BASE_MODEL) else _trained_on(base, rows),
                beside=number > 0,
                pictures=keys,
            )
            waiting = self._jobs.queue.in_folder(job.folder, job.kind)
            jobs += [waiting.id] if waiting and not waiting.state.finished else self._jobs.queue.add([job])
        return Submission(grid=record.name, jobs=tuple(jobs), ahead=ahead)

    def render_now(self, project: str, version: str, run: str) -> Submission:
        """Queues the newest checkpoint of a run, also of one that is still training: in a slot of its own, on the
        CPU, so that neither waits for the other."""
        paths = self._versions.paths(project, version)
        if not paths.run(run).record.is_file():
            raise NotFoundError(f"There is no run {run!r}. `train-tools runs` shows which there are.")
        if not checkpoints_of(paths.run(run)):
            raise NotFoundError(f"The run {run} has saved no checkpoint yet: there is nothing to render.")
        record = read_record(paths.run(run))
        job = preview_job(
            self._outputs,
            paths,
            grid=record.grid,
            run=run,
            settings=self.settings_of(paths),
            base=_base_of(record.run),
            title=f"{project} / {version}: the newest of {record.label}",
            checkpoints=1,
            only_newest=True,
            kind=PREVIEW_NOW,
        )
        waiting = self._jobs.queue.in_folder(job.folder, job.kind)
        queued = [waiting.id] if waiting and not waiting.state.finished else self._jobs.queue.add([job])
        return Submission(grid=record.grid, jobs=tuple(queued))

    def change(self, project: str, version: str, change: Change) -> PreviewSettings:
        """Keeps `change`d preview settings. Raises OptionValueError for what can't be rendered."""
        settings = self._versions.settings(project, version)
        changed = _drawn(change(settings.previews))
        axes.checked_settings(changed)
        if changed != settings.previews:
            self._versions.save_settings(project, version, replace(settings, previews=changed))
        return changed

    def change_fields(self, project: str, version: str, changes: Mapping[str, Any]) -> PreviewSettings:
        """The same by the settings' names, with values as JSON has them. Raises OptionValueError for others."""
        self.change(project, version, lambda settings: changed_by(settings, changes))
        return self.settings(project, version)

    @staticmethod
    def told_once(matrix: PreviewMatrix) -> tuple[str, ...]:
        """What is the same in all pictures, in words."""
        return tuple(told_once(matrix))

    def pasted(self, project: str, version: str, text: str) -> Pasted:
        """The settings as a WebUI's infotext has them; nothing is kept yet."""
        return settings_from_infotext(text, self._versions.settings(project, version).previews)

    def like(self, project: str, version: str, picture: str) -> Pasted:
        """The same from a picture's file, or from the text itself."""
        is_file = "\n" not in picture and len(picture) < LONGEST_PATH and Path(picture).is_file()
        return self.pasted(
            project, version, infotext_of(Path(picture), Path(picture).name) if is_file else picture
        )

    def dropped(self, project: str, version: str, content: bytes) -> Pasted:
        """The same from the content of a picture's file."""
        return self.pasted(project, version, infotext_of(BytesIO(content), "The picture"))

    @property
    def samplers(self) -> tuple[str, ...]:
        """What people call the samplers there are."""
        return tuple(SAMPLERS.values())

    @property
    def schedulers(self) -> tuple[str, ...]:
        """The same of schedulers, without the samplers' own."""
        return tuple(filter(None, SCHEDULERS.values()))

    @staticmethod
    def styled(settings: PreviewSettings, file: Path, names: Sequence[str]) -> PreviewSettings:
        """The settings with styles of a WebUI's styles.csv applied."""
        return with_styles(settings, read_styles(file), names)

    def export(self, project: str, version: str, grid: str | None, target: Path) -> Path:
        """Writes the matrix to a file of one's own: .png or .webp as one picture, .html as a page that needs
        nothing else. Raises OptionValueError for another ending."""
        matrix = self.matrix(project, version, grid)
        title = f"{project} / {version}: {self._grids.record(project, version, grid).name}"
        suffix = target.suffix.lower()
        if suffix == ".html":
            write_contact_sheet(matrix, target, title)
        elif suffix in (".png", ".webp"):
            from train_tools.previews.sheet import draw_sheet

            draw_sheet(matrix, target, title=title)
        else:
            raise OptionValueError(f"{target.name}: a matrix is written as .png, .webp or .html.")
        return target

    def delete(self, project: str, version: str, grid: str | None, row: int, column: int) -> int:
        """Deletes the pictures of one cell, wherever else they are shown (S1-60). How many there were."""
        cells = self.matrix(project, version, grid).cells
        keys = {
            cell.picture.key for cell in cells if (cell.row, cell.column) == (row, column) and not cell.sampled
        }
        if not keys:
            raise NotFoundError(f"The matrix has no picture in row {row}, column {column}.")
        self._refuse_while_rendering(project, version)
        return sum(delete_picture(cell.file) for cell in cells if cell.picture.key in keys)

    def delete_all(self, project: str, version: str) -> int:
        """Deletes every picture that was rendered for the version, whatever the settings were (S1-61). What others
        have put beside them stays."""
        self._refuse_while_rendering(project, version)
        paths = self._versions.paths(project, version)
        return sum(delete_picture(file) for file in _pictures_in(paths) if _is_ours(file))

    def are_made_after_training(self, version: VersionPaths) -> bool:
        """The version's switch (S1-50)."""
        return self._versions.settings(
            version.folder.parent.parent.name, version.folder.name
        ).previews.after_training

    def after_run(self, version: VersionPaths, record: RunRecord) -> NewJob | None:
        """The job that renders a finished run's previews."""
        return preview_job(
            self._outputs,
            version,
            grid=record.grid,
            run=record.run.name,
            settings=self.settings_of(version),
            base=_base_of(record.run),
            title=f"{version.folder.parent.parent.name} / {version.folder.name}: previews, {record.label}",
            checkpoints=len(checkpoints_of(version.run(record.run.name))),
        )

    def hash_of(self, path: Path) -> str:
        """The sha256 of a file, remembered while it does not change. NotFoundError for one that is not there."""
        try:
            return file_sha256(path, self._outputs.cache)
        except OSError as error:
            raise NotFoundError(f"{path} can't be read ({error.strerror or error}).") from error

    def rows_of(
        self, version: VersionPaths, grid: str, runs: Collection[str] | None = None
    ) -> list[LabelledCheckpoint]:
        """The checkpoints of a grid's runs, or of some of them."""
        record = read_grid(version.grid(grid))
        rows: list[LabelledCheckpoint] = []
        for name in runs_of(version, record):
            if runs is None or name in runs:
                rows += _rows_of_run(version, record, name)
        return rows

    def _rendered(self, project: str, version: str, grid: str | None, change: Change) -> PreviewMatrix:
        """What a job would render: with `change`d settings, and without what only trainers painted."""
        paths = self._versions.paths(project, version)
        record = self._grids.record(project, version, grid)
        settings = self._with_prompt(paths, _drawn(change(self.settings_of(paths))))
        rows = self.rows_of(paths, record.name)
        return matrix_of(paths, rows, settings, renderer=self._renderer(settings), hash_of=self.hash_of)

    def settings_of(self, version: VersionPaths) -> PreviewSettings:
        """The version's preview settings: with seeds that are drawn, and without a prompt, those of the training
        mode or the first caption."""
        project, name = version.folder.parent.parent.name, version.folder.name
        settings = self._versions.settings(project, name)
        drawn = _drawn(settings.previews)
        if drawn != settings.previews:
            self._versions.save_settings(project, name, replace(settings, previews=drawn))
        return self._with_prompt(version, drawn)

    def _with_prompt(self, version: VersionPaths, settings: PreviewSettings) -> PreviewSettings:
        if any(settings.prompts) or settings.axes.get(axes.PROMPT):
            return settings
        folders = read_dataset(version).folders
        captions = tuple(image.caption for folder in folders for image in folder.images if image.caption)
        project, name = version.folder.parent.parent.name, version.folder.name
        own = settings_in_mode(settings, self._versions.settings(project, name).options, captions)
        return own if any(own.prompts) else replace(own, prompts=captions[:1] or (project,))

    def _wanted(
        self,
        version: VersionPaths,
        rows: Sequence[LabelledCheckpoint],
        settings: PreviewSettings,
        keys: Collection[str],
    ) -> Mapping[str, list[str]]:
        """The keys of missing pictures by their base model. NotFoundError for a key of no missing picture."""
        if not keys:
            return {}
        matrix = matrix_of(version, rows, settings, renderer=self._renderer(settings), hash_of=self.hash_of)
        found = {cell.picture.key: cell.picture.base for cell in missing(matrix)}
        if unknown := set(keys) - set(found):
            raise NotFoundError(
                f"{len(unknown)} of these pictures are not missing: they were rendered meanwhile, or the settings "
                "have changed."
            )
        by_base: dict[str, list[str]] = {}
        for key in sorted(keys):
            by_base.setdefault(found[key], []).append(key)
        return by_base

    def _bases_rendered(
        self, settings: PreviewSettings, rows: list[LabelledCheckpoint]
    ) -> tuple[BaseModelFile, ...]:
        """Those the settings name, else those the checkpoints were trained on: a job for each."""
        named = [Path(str(path)) for path in settings.axes.get(axes.BASE_MODEL, ())]
        bases = [BaseModelFile(path=path, sha256=self.hash_of(path)) for path in named]
        return tuple({base.sha256: base for base in bases or [row.base for row in rows]}.values())

    def samples_of(
        self, version: VersionPaths, grid: str, runs: Collection[str] | None = None
    ) -> list[TrainingSample]:
        """What the trainers of a grid's runs, or of some of them, painted meanwhile."""
        record, found = read_grid(version.grid(grid)), []
        for name in runs_of(version, record):
            paths = version.run(name)
            if (runs is None or name in runs) and paths.record.is_file():
                run = read_record(paths).run
                varied = varied_in(record.grid, run.options)
                found += training_samples(paths, run.spec.base_model, varied, checkpoints_of(paths))
        return found

    def _bases_of(self, grid: Grid) -> list[BaseModelFile]:
        paths = [Path(str(path)) for path in grid.values(BASE_MODEL)]
        return [BaseModelFile(path=path, sha256=self.hash_of(path)) for path in paths if path.is_file()]

    def _refuse_while_rendering(self, project: str, version: str) -> None:
        self._versions.refuse_if_used(project, version)


def infotext_of(picture: Path | BinaryIO, called: str) -> str:
    """What a WebUI wrote into a picture. Raises OptionValueError for a file that says nothing."""
    try:
        said = read_infotext(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise OptionValueError(f"{called} is no picture that can be read ({error}).") from error
    if not said:
        raise OptionValueError(
            f"{called} carries no infotext. WebUIs write it into the PNGs they save; other programs and "
            "messengers take it out."
        )
    return said


def _drawn(settings: PreviewSettings) -> PreviewSettings:
    """The settings with each seed of -1 drawn."""

    def drawn(seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(secrets.randbelow(LARGEST_DRAWN) if seed == -1 else seed for seed in seeds)

    seeds = settings.axes.get("seed")
    axes_drawn = {**settings.axes, "seed": drawn(seeds)} if seeds else settings.axes
    return replace(settings, seeds=drawn(settings.seeds), axes=axes_drawn)


def runs_of(version: VersionPaths, record: GridRecord) -> tuple[str, ...]:
    """The names of a grid's runs, and of those that joined it."""
    return (*record.runs, *joined(version.grid(record.name)))


def _rows_of_run(version: VersionPaths, record: GridRecord, name: str) -> Iterator[LabelledCheckpoint]:
    paths = version.run(name)
    if not paths.record.is_file():
        return
    told = read_record(paths)
    varied = varied_in(record.grid, told.run.options)
    label = replace(told.run, varied=varied).label if name in record.runs else told.label
    for checkpoint in checkpoints_of(paths):
        yield LabelledCheckpoint(label=label, checkpoint=checkpoint, base=_base_of(told.run), options=varied)


def _trained_on(base: BaseModelFile, rows: list[LabelledCheckpoint]) -> int:
    return sum(row.base.sha256 == base.sha256 for row in rows)


def _pictures_in(version: VersionPaths) -> Iterator[Path]:
    yield from version.base_images.glob("*.png")
    yield from version.trains.glob("*/*/images/*.png")
    yield from version.other_loras.glob("*/images/*.png")


def _is_ours(file: Path) -> bool:
    try:
        return read_picture(file) is not None
    except (OSError, ValueError, SyntaxError):
        return False


def _base_of(run: Run) -> BaseModelFile:
    return BaseModelFile(path=Path(run.base_model), sha256=run.spec.base_model)
