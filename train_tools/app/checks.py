"""Checks of a version's training images, the cures for what they find, and what buckets make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sd_contract.errors import ContractError
from sd_contract.images.buckets import BucketRule
from sd_contract.options import parse_resolution, trained_size
from train_tools.app.base_models import BaseModels
from train_tools.app.captions import Captions
from train_tools.app.engines import Engines
from train_tools.app.versions import Progress, Versions, silent
from train_tools.checks.buckets import as_png, of_image, picture, preview, sheet
from train_tools.checks.checklist import BEFORE_A_RUN, CHECKS, Check, found_in
from train_tools.checks.cures import Cures, move, move_back, moves_aside, moves_of_white_masks, moves_to_repeats
from train_tools.checks.looks import Looks
from train_tools.checks.subject import Subject
from train_tools.datasets.dataset import regularisation_images
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.masks import checked, unmasked
from train_tools.errors import NotFoundError, TrainToolsError
from train_tools.files import whole_file
from train_tools.grids.labels import BASE_MODEL
from train_tools.model.base_model import BaseModelFile
from train_tools.model.buckets import BucketPreview
from train_tools.model.captions import CaptionEdit, Selection, TokenReport
from train_tools.model.checks import Cure, CureKind, CureRecord, DatasetCheck, DatasetFinding, FolderShare
from train_tools.model.paths import VersionPaths
from train_tools.model.project import VersionSettings
from train_tools.preflight.prospect import Candidate

USUAL_RESOLUTION = "512"
LARGE_PX = 768
"""The longest side of a picture of one image."""
Options = Mapping[str, Any]


class Checks:
    """Looks at versions; what it knows of pixels lies in the version and is found again by content."""

    def __init__(self, versions: Versions, captions: Captions, base_models: BaseModels, engines: Engines) -> None:
        self._versions = versions
        self._captions = captions
        self._base_models = base_models
        self._engines = engines
        self._cures: Mapping[CureKind, Callable[[str, str, Cure, Cures], CureRecord]] = {
            CureKind.SET_OPTIONS: self._set_options,
            CureKind.EDIT_CAPTIONS: self._edit_captions,
            CureKind.PUT_ASIDE: self._put_aside,
            CureKind.SET_REPEATS: self._set_repeats,
            CureKind.FILL_MASKS: self._fill_masks,
        }

    def look(
        self,
        project: str,
        version: str,
        progress: Progress = silent,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Looks at the pixels of all images that are new or changed, and keeps what it sees."""
        images = [image.image for image in self._captions.images(project, version)]
        Looks(self._versions.paths(project, version)).look(images, progress, should_stop)

    def found(self, project: str, version: str) -> DatasetCheck:
        """What is known: captions and sizes as they are now, pixels as far as they were looked at."""
        return self._found(project, version, CHECKS)

    def before_run(self, candidate: Candidate) -> Sequence[DatasetFinding]:
        """What a pre-flight should tell of a run's dataset, at next to no cost. Nothing where it can't be told:
        the pre-flight itself says what keeps it from being read."""
        folder = candidate.dataset.folders[0].path.parents[2]
        try:
            options = candidate.planned.run.options
            return self._found(folder.parent.parent.name, folder.name, BEFORE_A_RUN, options).findings
        except (TrainToolsError, ContractError):
            return ()

    def shares(self, project: str, version: str) -> tuple[FolderShare, ...]:
        """How much of a training is each folder's."""
        return self._subject(project, version).shares

    def cure(self, project: str, version: str, number: int) -> CureRecord:
        """Applies the cure of that number among those of `found`. Raises NotFoundError, or InUseError while runs
        of the version wait or train."""
        cures = self.found(project, version).cures
        if not 1 <= number <= len(cures):
            raise NotFoundError(f"There is no cure {number}: there are {len(cures)}. Check the dataset again.")
        remedy = cures[number - 1].remedy
        assert remedy is not None, "cures are findings with a remedy"
        return self.apply(project, version, remedy)

    def apply(self, project: str, version: str, cure: Cure) -> CureRecord:
        """Applies a cure that somebody was shown, and notes how to undo it."""
        return self._cures[cure.kind](project, version, cure, Cures(self._versions.paths(project, version)))

    def cures(self, project: str, version: str) -> tuple[CureRecord, ...]:
        return Cures(self._versions.paths(project, version)).records()

    def undo(self, project: str, version: str, number: int | None = None) -> CureRecord:
        """Undoes a cure, by default the last. Raises NotFoundError, or ChangedMeanwhileError where what it changed
        was changed again."""
        paths = self._versions.paths(project, version)
        cures = Cures(paths)
        record = cures.to_undo(number)
        if "moves" in record.before:
            self._versions.refuse_if_used(project, version)
            with alone_with(paths):
                move_back(paths, [(source, target) for source, target in record.before["moves"]])
        elif "edit" in record.before:
            self._captions.undo(project, version, record.before["edit"])
        else:
            self._restore_options(project, version, record.before)
        return cures.mark_undone(record.number)

    def buckets(self, project: str, version: str, assignments: Mapping[str, str] | None = None) -> BucketPreview:
        """The images in their buckets with the version's options, some of them as typed. Raises OptionValueError
        or DatasetError."""
        settings = self._versions.settings(project, version)
        table = self._engines.options(settings.engine)
        typed = {name: table.value_from_text(name, text) for name, text in (assignments or {}).items()}
        option = self._option(settings, {**settings.options, **typed})
        images = self._captions.images(project, version)
        return preview(images, _rule(option), int(option("train_batch_size") or 1))

    def bucket_sheet(self, project: str, version: str, assignments: Mapping[str, str] | None = None) -> bytes:
        """The buckets as one picture, a PNG file."""
        found = self.buckets(project, version, assignments)
        return sheet(self._versions.paths(project, version).processed, found)

    def draw_buckets(
        self, project: str, version: str, file: Path, assignments: Mapping[str, str] | None = None
    ) -> None:
        """Writes that picture. Raises StorageError."""
        content = self.bucket_sheet(project, version, assignments)
        with whole_file(file.expanduser().absolute()) as opened:
            opened.write(content)

    def bucket_picture(
        self, project: str, version: str, image: str, assignments: Mapping[str, str] | None = None
    ) -> bytes:
        """One image with what is cut off dimmed, a PNG file. Raises NotFoundError or NotAPictureError."""
        placed = of_image(self.buckets(project, version, assignments)).get(image)
        if placed is None:
            raise NotFoundError(f"There is no training image {image!r} in a bucket of this version.")
        return as_png(picture(self._versions.paths(project, version).processed / image, placed, LARGE_PX))

    def _found(
        self, project: str, version: str, checks: Sequence[Check], options: Options | None = None
    ) -> DatasetCheck:
        subject = self._subject(project, version, options)
        return DatasetCheck(
            images=len(subject.images),
            not_looked_at=len(subject.images) - len(subject.looks),
            findings=tuple(found_in(subject, checks)),
        )

    def _subject(self, project: str, version: str, options: Options | None = None) -> Subject:
        paths, settings = self._versions.paths(project, version), self._versions.settings(project, version)
        images = self._captions.images(project, version)
        option = self._option(settings, settings.options if options is None else options)
        base = self._base_model(option(BASE_MODEL))
        return Subject(
            images=images,
            looks=Looks(paths).known([image.image for image in images]),
            option=option,
            rule=_rule(option),
            trigger=settings.trigger,
            model_px=base.resolution_px if base else 0,
            style=base.style if base else None,
            tokens=self._tokens(project, version),
            regularisation=regularisation_images(paths),
            unmasked=tuple(unmasked(paths)) if option("masked_loss") else (),
            misfits=checked(paths).problems,
        )

    def _option(self, settings: VersionSettings, options: Options) -> Callable[[str], Any]:
        """What an option will be in a run: as it is set, else the size the images were prepared in, else the
        trainer's default."""
        table = self._engines.options(settings.engine)
        prepared = {"resolution": f"{settings.preparation.width_px},{settings.preparation.height_px}"}

        def option(name: str) -> Any:
            if options.get(name) is not None:
                return options[name]
            if name in prepared:
                return prepared[name]
            return table[name].spec.default if name in table else None

        return option

    def _base_model(self, path: Any) -> BaseModelFile | None:
        try:
            return self._base_models.find(str(path)) if path else None
        except (TrainToolsError, ContractError):
            return None

    def _tokens(self, project: str, version: str) -> TokenReport | None:
        try:
            return self._captions.tokens(project, version)
        except ContractError:
            return None

    def _set_options(self, project: str, version: str, cure: Cure, cures: Cures) -> CureRecord:
        stored = self._versions.settings(project, version)
        table = self._engines.options(stored.engine)
        values = {name: table.checked_value(name, value) for name, value in cure.arguments["values"].items()}
        before = {"options": {name: stored.options.get(name) for name in values}}
        before["axes"] = {name: list(stored.axes[name]) for name in values if name in stored.axes}
        changed = replace(
            stored,
            options={**stored.options, **values},
            axes={name: several for name, several in stored.axes.items() if name not in values},
        )
        record = cures.note(cures.next_number(), cure, before)
        self._versions.save_settings(project, version, changed)
        return record

    def _restore_options(self, project: str, version: str, before: Mapping[str, Any]) -> None:
        stored = self._versions.settings(project, version)
        others = {name: value for name, value in stored.options.items() if name not in before["options"]}
        given = {name: value for name, value in before["options"].items() if value is not None}
        axes = {**stored.axes, **{name: tuple(several) for name, several in before["axes"].items()}}
        self._versions.save_settings(project, version, replace(stored, options={**others, **given}, axes=axes))

    def _edit_captions(self, project: str, version: str, cure: Cure, cures: Cures) -> CureRecord:
        images = cure.arguments.get("images")
        selection = Selection(images=frozenset(images) if images else None)
        outcome = self._captions.edit(project, version, CaptionEdit(kind=cure.arguments["edit"]), selection)
        if outcome.record is None:
            raise NotFoundError("No caption was to be changed. Check the dataset again.")
        return cures.note(cures.next_number(), cure, {"edit": outcome.record.number})

    def _put_aside(self, project: str, version: str, cure: Cure, cures: Cures) -> CureRecord:
        return self._moved(
            project, version, cure, cures, partial(moves_aside, images=tuple(cure.arguments["images"]))
        )

    def _fill_masks(self, project: str, version: str, cure: Cure, cures: Cures) -> CureRecord:
        moves = partial(moves_of_white_masks, images=tuple(cure.arguments["images"]))
        return self._moved(project, version, cure, cures, moves)

    def _set_repeats(self, project: str, version: str, cure: Cure, cures: Cures) -> CureRecord:
        def moves(paths: VersionPaths, number: int) -> list[tuple[str, str]]:
            return moves_to_repeats(paths, cure.arguments["folder"], int(cure.arguments["repeats"]))

        return self._moved(project, version, cure, cures, moves)

    def _moved(
        self,
        project: str,
        version: str,
        cure: Cure,
        cures: Cures,
        moves_of: Callable[..., list[tuple[str, str]]],
    ) -> CureRecord:
        self._versions.refuse_if_used(project, version)
        paths = self._versions.paths(project, version)
        with alone_with(paths):
            number = cures.next_number()
            moves = moves_of(paths, number=number)
            record = cures.note(number, cure, {"moves": moves})
            move(paths, moves)
        return record


def _rule(option: Callable[[str], Any]) -> BucketRule:
    """By the names that all trainers share."""
    return BucketRule(
        resolution=parse_resolution(str(trained_size(option) or USUAL_RESOLUTION)),
        enabled=bool(option("enable_bucket") and not option("dynamic_crop")),
        smallest=int(option("min_bucket_reso") or 256),
        largest=int(option("max_bucket_reso") or 1024),
        step=int(option("bucket_reso_steps") or 64),
        no_upscale=bool(option("bucket_no_upscale")),
    )
