"""Captions and tags of a version: what they are, changing one or many, undoing that, and what to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sd_contract.errors import ContractError
from train_tools.app.base_models import BaseModels
from train_tools.app.versions import Versions
from train_tools.captions.checks import check_captions
from train_tools.captions.edits import convert, edit, preview, shown, write_one
from train_tools.captions.filters import filter_of
from train_tools.captions.journal import Journal
from train_tools.captions.listing import Listing, ordered
from train_tools.captions.operations import operation_of
from train_tools.captions.table import NEARLY_ALWAYS, prune_proposals, tag_table
from train_tools.captions.tokens import LENGTHS, TokenCounter, token_problems
from train_tools.errors import InUseError, NotFoundError, TrainToolsError
from train_tools.grids.labels import BASE_MODEL
from train_tools.model.base_model import StyleOfModel
from train_tools.model.captions import (
    CaptionCheck,
    CaptionedImage,
    CaptionEdit,
    CaptionProblem,
    EditOutcome,
    EditPreview,
    EditRecord,
    Order,
    PruneProposal,
    Selection,
    TagTable,
    TokenReport,
    Trigger,
)
from train_tools.model.paths import VersionPaths

ALL = Selection()


class Captions:
    """Reads captions from the disk each time, where other programs edit them too. What writes raises InUseError
    while runs of the version wait or train: they were queued for the captions as they are. `busy` says in words
    what works in a folder, or None."""

    def __init__(self, versions: Versions, base_models: BaseModels, busy: Callable[[Path], str | None]) -> None:
        self._versions = versions
        self._base_models = base_models
        self._busy = busy
        self._listing = Listing()

    def ordered(
        self,
        project: str,
        version: str,
        selection: Selection = ALL,
        order: Order = Order.FOLDER,
        backwards: bool = False,
    ) -> Sequence[CaptionedImage]:
        """The images in an order that somebody wants to see. Raises as `images`."""
        images = self.images(project, version, selection)
        return images if order is Order.FOLDER and not backwards else ordered(images, order, backwards)

    def images(self, project: str, version: str, selection: Selection = ALL) -> tuple[CaptionedImage, ...]:
        """The training images with captions and sizes. Raises OptionValueError for a filter that can't be read,
        NotFoundError for images that aren't there."""
        paths = self._versions.paths(project, version)
        Journal(paths).mend()
        images = self._listing.images(paths)
        if selection.images is not None:
            missing = sorted(selection.images - {image.image for image in images})
            if missing:
                raise NotFoundError(f"There are no training images {', '.join(missing[:5])} in this version.")
        is_meant = filter_of(selection.where)
        return tuple(
            image
            for image in images
            if (selection.images is None or image.image in selection.images) and is_meant(image)
        )

    def folder(self, project: str, version: str) -> Path:
        """Where the captions lie, for other programs that edit them."""
        return self._versions.paths(project, version).processed.absolute()

    def show(self, project: str, version: str, image: str) -> CaptionedImage:
        return shown(self._versions.paths(project, version), image)

    def write(self, project: str, version: str, image: str, caption: str, edition: str) -> CaptionedImage:
        """Writes one caption, of the edition that the writer saw. Raises ChangedMeanwhileError when it is
        another."""
        return write_one(self._writable(project, version), image, caption, edition)

    def tags(self, project: str, version: str, selection: Selection = ALL) -> TagTable:
        return tag_table(self.images(project, version, selection), self.trigger(project, version))

    def prune_proposals(
        self, project: str, version: str, selection: Selection = ALL, share: float = NEARLY_ALWAYS
    ) -> tuple[PruneProposal, ...]:
        """Tags that may describe what is to be learnt; taking them out is an edit of its own."""
        return prune_proposals(self.images(project, version, selection), self.trigger(project, version), share)

    def preview(
        self, project: str, version: str, wanted: CaptionEdit, selection: Selection = ALL
    ) -> tuple[EditPreview, ...]:
        """What an edit would change; nothing is written."""
        images = self.images(project, version, selection)
        return preview(images, operation_of(wanted, self.trigger(project, version), images))

    def edit(self, project: str, version: str, wanted: CaptionEdit, selection: Selection = ALL) -> EditOutcome:
        """Changes many captions, all or none; it can be undone."""
        paths = self._writable(project, version)
        images = self.images(project, version, selection)
        return edit(paths, images, operation_of(wanted, self.trigger(project, version), images))

    def convert(self, project: str, version: str, encoding: str, selection: Selection = ALL) -> EditOutcome:
        """Makes UTF-8 of captions that are of another encoding, which somebody says."""
        paths = self._writable(project, version)
        return convert(paths, self.images(project, version, selection), encoding)

    def edits(self, project: str, version: str) -> tuple[EditRecord, ...]:
        """The edits that are kept, the newest first."""
        journal = Journal(self._versions.paths(project, version))
        journal.mend()
        return journal.records()

    def edited_by(self, project: str, version: str, number: int) -> tuple[str, ...]:
        """The images whose captions an edit touched."""
        return Journal(self._versions.paths(project, version)).images_of(number)

    def undo(
        self, project: str, version: str, number: int | None = None, *, leave_changed: bool = False
    ) -> EditOutcome:
        """Undoes an edit, by default the last. Raises ChangedMeanwhileError when captions were changed since."""
        return Journal(self._writable(project, version)).undo(number, leave_changed=leave_changed)

    def redo(
        self, project: str, version: str, number: int | None = None, *, leave_changed: bool = False
    ) -> EditOutcome:
        return Journal(self._writable(project, version)).redo(number, leave_changed=leave_changed)

    def trigger(self, project: str, version: str) -> Trigger:
        return self._versions.settings(project, version).trigger

    def set_trigger(self, project: str, version: str, trigger: Trigger) -> None:
        """Keeps the trigger words and their policy. Captions stay as they are until the edit `trigger`."""
        settings = self._versions.settings(project, version)
        self._versions.save_settings(project, version, replace(settings, trigger=trigger))

    def tokens(self, project: str, version: str, selection: Selection = ALL) -> TokenReport:
        """How long the captions are for the text encoder. Raises BaseModelError when no CLIP vocabulary is
        found."""
        return self._counter(project, version).report(self.images(project, version, selection))

    def count_tokens(self, project: str, version: str, caption: str) -> int:
        """How long a caption would be. Raises as `tokens`."""
        return self._counter(project, version).count(caption)

    def check(self, project: str, version: str, selection: Selection = ALL) -> CaptionCheck:
        """How the captions stand, with a sentence for each thing to look at."""
        images = self.images(project, version, selection)
        found = check_captions(images, self.trigger(project, version), self._base_style(project, version))
        return replace(found, problems=(*found.problems, *self._token_problems(project, version, selection)))

    def _counter(self, project: str, version: str) -> TokenCounter:
        options = self._versions.settings(project, version).options
        folder, model = options.get("tokenizer_cache_dir"), options.get(BASE_MODEL)
        return TokenCounter(
            Path(folder) if folder else None, Path(model) if model and Path(model).is_dir() else None
        )

    def _token_problems(self, project: str, version: str, selection: Selection) -> tuple[CaptionProblem, ...]:
        length = self._versions.settings(project, version).options.get("max_token_length") or LENGTHS[0]
        try:
            return tuple(token_problems(self.tokens(project, version, selection), int(length)))
        except ContractError as error:
            return (CaptionProblem(kind="tokens_unknown", sentence=f"Tokens can't be counted: {error}"),)

    def _base_style(self, project: str, version: str) -> StyleOfModel | None:
        """How captions for the version's base model should read; None where that can't be told."""
        model = self._versions.settings(project, version).options.get(BASE_MODEL)
        try:
            return self._base_models.find(str(model)).style if model else None
        except (TrainToolsError, ContractError):
            return None

    def _writable(self, project: str, version: str) -> VersionPaths:
        paths = self._versions.paths(project, version)
        if busy := self._busy(paths.folder):
            raise InUseError(
                f"The captions of {project} / {version} can't be changed now: {busy} Wait for it or cancel it, or "
                "duplicate the version and change the copy."
            )
        return paths
