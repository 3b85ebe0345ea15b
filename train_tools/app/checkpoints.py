"""Checkpoints after the training: looked at, marked, put away, edited, taken to where they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sd_contract.tensors.tensor_files import data_sha256, file_sha256, verify_safetensors
from train_tools.app.jobs import Jobs
from train_tools.app.runs import Runs
from train_tools.app.versions import Versions
from train_tools.checkpoints import civitai, facts
from train_tools.checkpoints.edits import Changes, edit_metadata, edits_of, undo_edit
from train_tools.checkpoints.keeping import those_to_go
from train_tools.checkpoints.lora_folder import Card, deliver, plain_stem, stem_for
from train_tools.checkpoints.marks import change_marks, marks_of, paths_of, readable_marks
from train_tools.checkpoints.partings import bring_back, put_away, room_of
from train_tools.errors import InUseError, NotFoundError, OptionValueError, StorageError
from train_tools.follow_ups.copies import suffix_of
from train_tools.model.checkpoint import (
    Checkpoint,
    CheckpointDetails,
    Delivered,
    Keep,
    KeepBy,
    MarkedCheckpoint,
    Marks,
    MetadataEdit,
    Parting,
)
from train_tools.model.paths import OutputsPaths, RunPaths, VersionPaths
from train_tools.model.project import Trashed
from train_tools.model.score import ScoreTable
from train_tools.projects.trash import Trash
from train_tools.runs.record import read_record
from train_tools.runs.training import TRAIN


def utc_now() -> datetime:
    return datetime.now(UTC)


class Checkpoints:
    """A checkpoint is asked for as `<run>/<name>`, by its name where only one run of the version has it, or by its
    path. Raises NotFoundError for any other. What moves or rewrites files raises InUseError while a job needs
    them."""

    def __init__(
        self,
        outputs: OutputsPaths,
        versions: Versions,
        runs: Runs,
        jobs: Jobs,
        lora_folder: Callable[[], Path | None],
        scores: Callable[[str, str, str | None], ScoreTable],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._runs = runs
        self._jobs = jobs
        self._named_folder = lora_folder
        self._scores = scores
        self._now = now
        self._trash = Trash(outputs.trash, now)

    def list(self, project: str, version: str) -> tuple[MarkedCheckpoint, ...]:
        """All checkpoints of the version, newest run first, with their marks; marks that can't be read are told by
        `show`."""
        found = self._runs.checkpoints(project, version)
        return tuple(MarkedCheckpoint(checkpoint=each, marks=readable_marks(each)) for each in found)

    def find(self, project: str, version: str, asked: str) -> Checkpoint:
        found = self._runs.checkpoints(project, version)
        exact = [each for each in found if asked in (each.called, f"{each.called}.safetensors", str(each.path))]
        meant = exact or [each for each in found if asked in (each.name, each.path.name)]
        if len(meant) > 1:
            places = ", ".join(each.called for each in meant[:5])
            raise NotFoundError(f"{len(meant)} runs have a checkpoint {asked!r}: {places}. Say which.")
        if not meant:
            raise NotFoundError(
                f"There is no checkpoint {asked[:300]!r} in this version. `train-tools checkpoints list` shows "
                "those there are; one that was put away comes back with `train-tools checkpoints restore`."
            )
        return meant[0]

    def show(self, project: str, version: str, asked: str) -> CheckpointDetails:
        """Reads the whole file for its hashes, once. Raises CheckpointError when it is damaged."""
        checkpoint = self.find(project, version, asked)
        metadata = verify_safetensors(checkpoint.path).metadata
        words = self._versions.settings(project, version).trigger.words_for(project)
        return CheckpointDetails(
            checkpoint=checkpoint,
            marks=marks_of(checkpoint),
            sha256=file_sha256(checkpoint.path, self._outputs.cache),
            tensors_sha256=data_sha256(checkpoint.path),
            trigger=facts.trigger_of(metadata) or words,
            base_model=facts.base_model_of(metadata),
            family=facts.family_of(metadata),
            tags=facts.tags_of(metadata),
            metadata=facts.shown(metadata),
            images=tuple(sorted(paths_of(checkpoint).images.rglob("*.png"))),
            edits=len(edits_of(checkpoint)),
        )

    def mark(
        self,
        project: str,
        version: str,
        asked: str,
        *,
        rating: int | None = None,
        pinned: bool | None = None,
        notes: str | None = None,
    ) -> Marks:
        """Keeps what the user thinks of it; None leaves a mark as it is."""

        def changed(marks: Marks) -> Marks:
            return replace(
                marks,
                rating=marks.rating if rating is None else rating,
                pinned=marks.pinned if pinned is None else pinned,
                notes=marks.notes if notes is None else notes,
            )

        return change_marks(self.find(project, version, asked), changed)

    def trash(self, project: str, version: str, *asked: str) -> Parting:
        """Puts these away with their previews. Pinned ones are refused."""
        going = tuple(dict.fromkeys(self.find(project, version, each) for each in asked))
        pinned = [each.called for each in going if marks_of(each).pinned]
        if pinned:
            raise InUseError(f"{', '.join(pinned[:5])} is pinned. Take the pin off first, then put it away.")
        return self._part_with(project, version, Parting(going=going))

    def would_go(self, project: str, version: str, keep: Keep) -> Parting:
        """Which checkpoints nothing speaks for, and what room they take. Nothing is moved. By the scores of a grid
        only its checkpoints go. Raises NotFoundError where nothing ranks them yet."""
        marked = tuple(
            MarkedCheckpoint(checkpoint=each.checkpoint, marks=marks_of(each.checkpoint))
            for each in self.list(project, version)
        )
        if keep.by is KeepBy.SCORE and not keep.scores:
            table = self._scores(project, version, keep.grid or None)
            scored = {each.path for each in table.checkpoints}
            judged = replace(keep, scores=_places(table))
            going = those_to_go([each for each in marked if each.checkpoint.path in scored], judged)
        else:
            going = those_to_go(marked, keep)
        size, freed = room_of(going)
        staying = tuple(each.checkpoint for each in marked if each.checkpoint not in going)
        return Parting(going=going, staying=staying, size_bytes=size, freed_bytes=freed, notes=_untrained(going))

    def keep(self, project: str, version: str, keep: Keep) -> Parting:
        """Puts away what `would_go` tells."""
        parting = self.would_go(project, version, keep)
        return self._part_with(project, version, parting) if parting.going else parting

    def trashed(self, project: str, version: str) -> tuple[Trashed, ...]:
        """What of this version can be brought back, put away last first."""
        paths = self._versions.paths(project, version)
        return tuple(each for each in self._trash.list() if self._version_of(each.token) == paths)

    def restore(self, token: str) -> tuple[Path, ...]:
        """Brings back what was put away under a token, and returns the files."""
        version = self._version_of(token)
        if version is None:
            raise NotFoundError(
                f"{token} is not of checkpoints: `train-tools project restore {token}` brings back the others."
            )
        return bring_back(self._trash, token, version)

    def discard(self, token: str) -> None:
        """Deletes what was put away under a token, for good."""
        if self._version_of(token) is None:
            raise NotFoundError(f"{token} is not of checkpoints; nothing was deleted.")
        self._trash.forget(token)

    def edit(self, project: str, version: str, asked: str, changes: Changes) -> MetadataEdit:
        """Writes the file anew with other metadata; `undo_edit` brings back the old one."""
        return edit_metadata(self._free(project, version, asked), changes, self._now())

    def undo_edit(self, project: str, version: str, asked: str) -> MetadataEdit:
        return undo_edit(self._free(project, version, asked))

    def edits(self, project: str, version: str, asked: str) -> tuple[MetadataEdit, ...]:
        return edits_of(self.find(project, version, asked))

    def copy(
        self,
        project: str,
        version: str,
        asked: str,
        *,
        folder: Path | None = None,
        name: str = "",
        weight: float = 0.0,
        picture: Path | None = None,
        link: bool = False,
    ) -> Delivered:
        """Puts it into a WebUI's folder, by default that of the settings, with its card and a picture."""
        details = self.show(project, version, asked)
        card = Card(
            description=_description(project, version, details),
            family=details.family,
            activation_text=", ".join(details.trigger),
            preferred_weight=weight,
            notes=details.marks.notes,
        )
        shown = picture or next(iter(details.images), None)
        stem = plain_stem(name) if name else stem_for(details.checkpoint, _suffix_of(details.checkpoint))
        return deliver(details.checkpoint, folder or self._lora_folder(), stem, card, shown, link=link)

    def export(self, project: str, version: str, asked: str, folder: Path, name: str = "") -> Path:
        """A new folder with the file, its pictures and what others need to know."""
        details = self.show(project, version, asked)
        stem = plain_stem(name) if name else stem_for(details.checkpoint, _suffix_of(details.checkpoint))
        return civitai.export(details, folder, stem)

    def export_zip(self, project: str, version: str, asked: str, folder: Path) -> Path:
        """The same, packed into one file in a folder."""
        exported = self.export(project, version, asked, folder)
        return civitai.pack(exported, folder / f"{exported.name}.zip")

    def _part_with(self, project: str, version: str, parting: Parting) -> Parting:
        self._refuse_in_use(*parting.going)
        size, freed = room_of(parting.going)
        trashed = put_away(self._trash, self._versions.paths(project, version), parting.going)
        return replace(
            parting, size_bytes=size, freed_bytes=freed, token=trashed.token, notes=_untrained(parting.going)
        )

    def _free(self, project: str, version: str, asked: str) -> Checkpoint:
        checkpoint = self.find(project, version, asked)
        self._refuse_in_use(checkpoint)
        return checkpoint

    def _refuse_in_use(self, *checkpoints: Checkpoint) -> None:
        begun_with = self._begun_with()
        busy = {run: self._working_on(run) for run in {each.path.parent for each in checkpoints}}
        for each in checkpoints:
            needed = busy[each.path.parent] or begun_with.get(each.path)
            if needed:
                raise InUseError(
                    f"{each.called} is needed now: {needed} Wait for its end or cancel it, then try again."
                )

    def _working_on(self, run: Path) -> str | None:
        """The job that writes or renders the run's checkpoints, in words. A grid's previews need those of many."""
        return self._jobs.working_in(run) or self._jobs.working_in(VersionPaths(run.parent.parent).grids)

    def _begun_with(self) -> Mapping[Path, str]:
        """The files whose weights waiting trainings begin with, and those trainings in words."""
        waiting = self._jobs.queue.below(self._outputs.projects.name) if self._outputs.queue.exists() else []
        begun = {}
        for job in waiting:
            if job.kind == TRAIN:
                with suppress(StorageError):
                    options = read_record(RunPaths(self._outputs.folder / job.folder)).run.options
                    begun[Path(str(options.get("network_weights")))] = (
                        f"job {job.id} ({job.title}) goes on from it."
                    )
        return begun

    def _version_of(self, token: str) -> VersionPaths | None:
        """Where checkpoints in the trash came from; None for anything else there. Raises NotFoundError when there
        is no such token, or the version is gone."""
        _, origin = self._trash.content(token)
        if not origin.checkpoints or origin.version is None:
            return None
        return self._outputs.project(origin.project).version(origin.version)

    def _lora_folder(self) -> Path:
        folder = self._named_folder()
        if folder is None:
            raise OptionValueError(
                "No folder is named, and none is set. Name the WebUI's, such as .../models/Lora; the setting "
                "copies.folder names it for good, and for every run that ends."
            )
        return folder


def _places(table: ScoreTable) -> Mapping[str, float]:
    """The highest for the first place: what is burnt comes last whatever its total."""
    if all(each.total is None for each in table.checkpoints):
        raise NotFoundError(f"Nothing ranks the checkpoints of {table.grid} yet: `train-tools score` first.")
    return {f"{each.run}/{each.name}": -float(each.place) for each in table.checkpoints if each.place}


def _suffix_of(checkpoint: Checkpoint) -> str:
    """What its run varies; nothing where no record says it."""
    try:
        return suffix_of(read_record(RunPaths(checkpoint.path.parent)).run.varied)
    except StorageError:
        return ""


def _untrained(going: tuple[Checkpoint, ...]) -> tuple[str, ...]:
    finals = [each.run for each in going if each.final]
    if not finals:
        return ()
    return (
        f"With its final checkpoint gone, {finals[0]}{' and others' * (len(finals) > 1)} counts as not trained: "
        "submitting its grid again trains it anew.",
    )


def _description(project: str, version: str, details: CheckpointDetails) -> str:
    checkpoint = details.checkpoint
    parts = [f"{project} / {version}", checkpoint.called, f"epoch {checkpoint.epoch}", f"{checkpoint.step} steps"]
    return ", ".join([*parts, *([details.base_model] if details.base_model else [])])
