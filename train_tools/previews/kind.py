"""The job that renders the missing previews of a run or of a whole grid, and redraws the grid's sheet."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event, ImageRendered, StepDone, Tail
from sd_contract.tensors.tensor_files import file_sha256
from train_tools.errors import StorageError
from train_tools.jobs.kind import Exit, Launch, last_attempt
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths, OutputsPaths, VersionPaths
from train_tools.model.preview import Cell, PreviewMatrix, PreviewSettings
from train_tools.previews.axes import BASE_MODEL, checked_settings, values_of
from train_tools.previews.history import Pace, effort_of, note_pace
from train_tools.previews.matrix import (
    BaseModelFile,
    LabelledCheckpoint,
    embeddings_of,
    matrix_of,
    missing,
    picture_count,
    share,
)
from train_tools.previews.picture_file import is_whole
from train_tools.previews.renderer import (
    REQUEST_NAME,
    Renderer,
    RenderRequest,
    WantedPicture,
    read_request,
    relative_name,
    signature_of,
)

KIND, PREVIEW_NOW = "preview", "preview-now"
"""The second is of a run that may still be training: it does not wait for it."""
DRAWN_AT_ONCE = 1000
"""A sheet of more pictures is drawn only when its last picture is there: it takes seconds."""


class RowsOf(Protocol):
    """Where a grid's rows come from: its runs' labels and checkpoints, in the order they are shown in."""

    def __call__(self, version: VersionPaths, grid: str) -> Sequence[LabelledCheckpoint]: ...


@dataclass(frozen=True, kw_only=True)
class PreviewWork:
    """What one preview job works on. `run` None = all runs of the grid; `only_newest` = of a run that is still
    training only its newest checkpoint; `pictures` are the keys of some, empty = all that are missing."""

    grid: str
    run: str | None
    base: BaseModelFile
    settings: PreviewSettings
    only_newest: bool = False
    pictures: tuple[str, ...] = ()

    def covers(self, cell: Cell) -> bool:
        """Whether a matrix's cell, of one of the work's runs, shows what it is to render."""
        asked = not self.pictures or cell.picture.key in self.pictures
        return asked and cell.picture.base == self.base.sha256.lower()

    def subject(self) -> dict[str, Any]:
        """As the queue keeps it."""
        return {
            "grid": self.grid,
            "run": self.run,
            "base_model": str(self.base.path),
            "base_sha256": self.base.sha256,
            "settings": asdict(self.settings),
            "only_newest": self.only_newest,
            "pictures": list(self.pictures),
        }

    @classmethod
    def of(cls, subject: Mapping[str, Any]) -> PreviewWork:
        """The work a subject names. Raises StorageError when it is not one."""
        try:
            return cls(
                grid=subject["grid"],
                run=subject["run"],
                base=BaseModelFile(path=Path(subject["base_model"]), sha256=subject["base_sha256"]),
                settings=settings_from(subject["settings"]),
                only_newest=bool(subject.get("only_newest", False)),
                pictures=tuple(subject.get("pictures", ())),
            )
        except (KeyError, TypeError) as error:
            raise StorageError(
                f"This preview job does not say what to render ({error}). Remove it and make the previews again."
            ) from error


def settings_from(values: Mapping[str, Any]) -> PreviewSettings:
    """The settings in a JSON object; what a newer version added is left out."""
    known = {field.name for field in fields(PreviewSettings)}
    typed: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items() if key in known
    }
    axes = {axis: tuple(several) for axis, several in typed.get("axes", {}).items()}
    return PreviewSettings(**{**typed, "axes": axes})


def preview_job(
    outputs: OutputsPaths,
    version: VersionPaths,
    *,
    grid: str,
    run: str | None,
    settings: PreviewSettings,
    base: BaseModelFile,
    title: str,
    checkpoints: int = 0,
    only_newest: bool = False,
    kind: str = KIND,
    beside: bool = False,
    pictures: Sequence[str] = (),
) -> NewJob:
    """A job for what is missing when it starts. `checkpoints` = how many are expected, for the progress bar;
    `beside` = another job renders the same grid on another base model; `pictures` are the keys of some, which go
    into a folder of their own.

    Raises OptionValueError for settings that can't be rendered.
    """
    settings = checked_settings(settings)
    work = PreviewWork(
        grid=grid, run=run, base=base, settings=settings, only_newest=only_newest, pictures=tuple(pictures)
    )
    folder = folder_of(version, grid, run, base if beside else None)
    if kind == PREVIEW_NOW:
        folder = folder.with_name(f"{folder.name}-now")
    if pictures:
        folder = folder.with_name(f"{folder.name}-{min(pictures)[:8]}")
    return NewJob(
        kind=kind,
        title=title,
        folder=folder.relative_to(outputs.folder).as_posix(),
        subject=work.subject(),
        total_steps=len(pictures) or picture_count(settings, checkpoints),
        attempt=last_attempt(folder),
    )


def folder_of(version: VersionPaths, grid: str, run: str | None, base: BaseModelFile | None) -> Path:
    """The job's folder; jobs of one grid on several base models have one each."""
    folder = version.run(run).previews if run is not None else version.grid(grid).previews
    return folder.with_name(f"{folder.name}-{base.sha256[:8].lower()}") if base else folder


def version_of(job_folder: Path) -> VersionPaths:
    """The version that a preview job's folder belongs to: a run's and a grid's lie equally deep."""
    return VersionPaths(job_folder.parents[2])


class PreviewJob:
    """Renders with the renderer that the work's settings name; a JobKind. `device` as in `RenderRequest`; `pace`
    is where it is noted how long pictures took; `hash_of` tells the sha256 of a file."""

    def __init__(
        self,
        renderers: Mapping[str, Renderer],
        rows_of: RowsOf,
        device: str = "auto",
        *,
        name: str = KIND,
        pace: Path | None = None,
        hash_of: Callable[[Path], str] = file_sha256,
    ) -> None:
        self.name = name
        self._renderers = renderers
        self._rows_of = rows_of
        self._device = device
        self._pace = pace
        self._hash_of = hash_of

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        work = PreviewWork.of(job.subject)
        version = version_of(folder)
        matrix = self._matrix(version, work, self._wanted(version, work))
        share(matrix)
        request = RenderRequest(
            base=work.base,
            folder=version.folder,
            wanted=tuple(
                WantedPicture(picture=cell.picture, file=cell.file, checkpoint=cell.checkpoint)
                for cell in missing(matrix)
                if work.covers(cell)
            ),
            device=self._device,
            vaes={self._hash_of(path): path for path in map(Path, values_of(matrix.settings)["vae"]) if path.name},
            embeddings={one.signature: one.path for one in embeddings_of(matrix.settings)},
        )
        return self._renderers[work.settings.renderer].launch(request, attempt)

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """Pictures lie where they belong as soon as they are rendered; there is nothing to do."""

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """By the pictures first: when all are there, it does not matter how the process ended."""
        verdict = rendering_verdict(attempt, exit_, result)
        if verdict.state.finished:
            self._note_pace(attempt)
            self._finish(version_of(folder), PreviewWork.of(job.subject))
        return verdict

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return ()

    def _wanted(self, version: VersionPaths, work: PreviewWork) -> list[LabelledCheckpoint]:
        """The checkpoints of the run, or of all runs of the grid: those that were trained on the work's base
        model, or all where the base model is an axis."""
        anywhere = BASE_MODEL in work.settings.axes
        found = [
            labelled
            for labelled in self._rows_of(version, work.grid)
            if (anywhere or labelled.base.sha256 == work.base.sha256)
            and work.run in (None, labelled.checkpoint.run)
        ]
        return found[-1:] if work.only_newest else found

    def _matrix(
        self, version: VersionPaths, work: PreviewWork, rows: Sequence[LabelledCheckpoint]
    ) -> PreviewMatrix:
        renderer = signature_of(self._renderers[work.settings.renderer])
        return matrix_of(version, rows, work.settings, work.base, renderer=renderer, hash_of=self._hash_of)

    def _note_pace(self, attempt: Attempt) -> None:
        with suppress(StorageError):
            request = read_request(attempt.folder / REQUEST_NAME)
            told = list(Tail(attempt.events).events())
            rendered = {event.file for event in told if isinstance(event, ImageRendered)}
            seconds = sum(event.seconds or 0.0 for event in told if isinstance(event, StepDone))
            pictures = [w.picture for w in request.wanted if relative_name(request, w.file) in rendered]
            if self._pace is not None and pictures and seconds > 0:
                pace = Pace(
                    renderer=pictures[0].renderer,
                    host=socket.gethostname(),
                    pictures=len(pictures),
                    effort=sum(map(effort_of, pictures)),
                    seconds=seconds,
                )
                note_pace(self._pace, pace)

    def _finish(self, version: VersionPaths, work: PreviewWork) -> None:
        matrix = self._matrix(version, work, self._rows_of(version, work.grid))
        share(matrix)
        if len(matrix.cells) <= DRAWN_AT_ONCE or not missing(matrix):
            from train_tools.previews.sheet import draw_sheet

            draw_sheet(matrix, version.grid(work.grid).matrix, title=work.grid)


def rendering_verdict(attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
    """How a job of a renderer ended: by its pictures first."""
    if _all_rendered(attempt):
        return Verdict(state=JobState.DONE)
    if exit_.stopped or (result is not None and result.outcome == "cancelled"):
        return Verdict(state=JobState.CANCELLED, message=result.message if result else "Stopped.")
    if result is not None:
        return Verdict(state=JobState.FAILED, message=result.message)
    if exit_.code is None or exit_.code < 0:
        return Verdict(state=JobState.QUEUED, message="The renderer was killed from outside.")
    return Verdict(
        state=JobState.FAILED,
        message=f"The renderer ended with code {exit_.code} and did not say why. {_last_words(attempt)}".strip(),
    )


def _all_rendered(attempt: Attempt) -> bool:
    try:
        request = read_request(attempt.folder / REQUEST_NAME)
    except StorageError:
        return False
    return all(is_whole(wanted.file) for wanted in request.wanted)


def _last_words(attempt: Attempt) -> str:
    """The last line of the attempt's log that is not empty."""
    try:
        lines = AttemptPaths(attempt.folder).log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"Its last words: {last}" if last else ""
