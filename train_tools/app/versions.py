"""What a version holds before anything is trained: its settings and its dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sd_contract.modes import PAIR, needs_dataset
from sd_contract.options.groups import ON_PROMPTS
from train_tools.datasets.dataset import read_dataset
from train_tools.datasets.exclusive import alone_with
from train_tools.datasets.masks import checked, import_masks, masks_from_opacity, remove_mask, write_mask
from train_tools.datasets.origin import originals
from train_tools.datasets.variants import WITHOUT_IMAGES, masked, one_pair, variant
from train_tools.errors import InUseError, OptionValueError
from train_tools.imports.intake import import_images
from train_tools.model.dataset import CaptionPolicy, Dataset, ImportReport, MaskReport, Rejected
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Preparation, PreparationReport
from train_tools.model.project import VersionSettings
from train_tools.preparation.preparation import prepare
from train_tools.projects.legacy import legacy_settings
from train_tools.projects.settings import read_settings, write_settings
from train_tools.projects.store import ProjectStore

Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """No progress is shown."""


class Versions:
    """Settings and datasets of versions. `busy` says in words what works in a folder, or None; `models` is the
    folder with what preparation may use: detectors of faces, removers of backgrounds."""

    def __init__(
        self, store: ProjectStore, busy: Callable[[Path], str | None], models: Path | None = None
    ) -> None:
        self._store = store
        self._busy = busy
        self._models = models

    def paths(self, project: str, version: str) -> VersionPaths:
        return self._store.open_version(project, version).paths

    def settings(self, project: str, version: str) -> VersionSettings:
        opened = self._store.open_version(project, version)
        return legacy_settings(opened.paths).settings if opened.legacy else read_settings(opened.paths)

    def save_settings(self, project: str, version: str, settings: VersionSettings) -> None:
        write_settings(self.paths(project, version), settings)

    def change_preparation(self, project: str, version: str, preparation: Preparation) -> None:
        """Sets how training images are made. Previews as large as they were keep up with them."""
        settings = self.settings(project, version)
        old, previews = settings.preparation, settings.previews
        if (previews.width_px, previews.height_px) == (old.width_px, old.height_px):
            previews = replace(previews, width_px=preparation.width_px, height_px=preparation.height_px)
        self.save_settings(project, version, replace(settings, preparation=preparation, previews=previews))

    def render_after_training(self, project: str, version: str, wanted: bool) -> None:
        """The version's switch (S1-50); it counts for each run that ends from now on, unless its order said."""
        settings = self.settings(project, version)
        self.save_settings(
            project, version, replace(settings, previews=replace(settings.previews, after_training=wanted))
        )

    def dataset(self, project: str, version: str) -> Dataset:
        return read_dataset(self.paths(project, version))

    def originals(self, project: str, version: str) -> tuple[Path, ...]:
        """The pictures as they came, in the order in which they are prepared."""
        return originals(self.paths(project, version))

    def trained_on(self, project: str, version: str, options: Mapping[str, Any]) -> Dataset:
        """The version's dataset as a run with these options takes it; nothing of it where the run learns from
        prompts alone or names the files of its pair."""
        if not needs_dataset(options):
            return self._without_dataset(project, version, options)
        captions = options.get("captions") or CaptionPolicy.AS_WRITTEN
        dataset = variant(self.dataset(project, version), options.get("repeats"), captions)
        if (
            options.get("masked_loss")
            and not options.get("conditioning_data_dir")
            and not options.get("alpha_mask")
        ):
            return masked(dataset, self.paths(project, version).masks)
        return dataset

    def _without_dataset(self, project: str, version: str, options: Mapping[str, Any]) -> Dataset:
        if options.get("mode") in ON_PROMPTS:
            return WITHOUT_IMAGES
        if missing := [name for name in PAIR if not options.get(name)]:
            raise OptionValueError(f"original_image and target_image are a pair. Give {missing[0]} too.")
        folder = self.paths(project, version).folder
        original, target = (folder / Path(options[name]).expanduser() for name in PAIR)
        return one_pair(original, target)

    def masks(self, project: str, version: str) -> MaskReport:
        """The masks of the training images, and which of them do not fit."""
        return checked(self.paths(project, version))

    def import_masks(self, project: str, version: str, sources: Sequence[Path]) -> MaskReport:
        """Takes in masks by their stems. Raises InUseError while runs of the version wait or train."""
        self.refuse_if_used(project, version)
        with alone_with(self.paths(project, version)):
            return import_masks(self.paths(project, version), sources)

    def write_mask(self, project: str, version: str, image: str, content: bytes) -> None:
        """Makes a PNG file the mask of a training image. Raises as above."""
        self.refuse_if_used(project, version)
        with alone_with(self.paths(project, version)):
            write_mask(self.paths(project, version), image, content)

    def remove_mask(self, project: str, version: str, image: str) -> None:
        """All of a training image counts again. Raises as above."""
        self.refuse_if_used(project, version)
        with alone_with(self.paths(project, version)):
            remove_mask(self.paths(project, version), image)

    def masks_from_opacity(self, project: str, version: str) -> MaskReport:
        """Makes masks of what is transparent in training images. Raises as above."""
        self.refuse_if_used(project, version)
        with alone_with(self.paths(project, version)):
            return masks_from_opacity(self.paths(project, version))

    def trained_on_by(self, paths: VersionPaths, options: Mapping[str, Any]) -> Dataset:
        """The dataset that a run of this version takes: its own, or that of another version of the project."""
        project = paths.folder.parent.parent.name
        return self.trained_on(project, options.get("dataset") or paths.folder.name, options)

    def import_images(
        self,
        project: str,
        version: str,
        sources: Sequence[Path],
        progress: Progress = silent,
        *,
        phase: Callable[[str], None] = lambda name: None,
        should_stop: Callable[[], bool] = lambda: False,
        encoding: str | None = None,
        sent_to: Path | None = None,
        not_sent: Sequence[Rejected] = (),
    ) -> ImportReport:
        """`encoding` is that of captions which are no Unicode; they become UTF-8. `sent_to` holds the sources
        where a page sent them, `not_sent` is what it kept back."""
        class_name = self.settings(project, version).preparation.class_name or project
        return import_images(
            self.paths(project, version),
            sources,
            progress,
            phase=phase,
            should_stop=should_stop,
            class_name=class_name,
            encoding=encoding,
            sent_to=sent_to,
            not_sent=not_sent,
        )

    def prepare(
        self,
        project: str,
        version: str,
        progress: Progress = silent,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> PreparationReport:
        """Makes `processed` from the originals with the version's settings.

        Raises InUseError while runs of the version wait or train: they were queued for what is there now.
        """
        self.refuse_if_used(project, version)
        preparation = self.settings(project, version).preparation
        paths = self.paths(project, version)
        return prepare(paths, preparation, project, progress, should_stop, models=self._models)

    def refuse_if_used(self, project: str, version: str) -> None:
        """Raises InUseError while runs of the version wait or train."""
        busy = self._busy(self.paths(project, version).folder)
        if busy:
            raise InUseError(
                f"The dataset of {project} / {version} can't be changed now: {busy} Wait for it or cancel it, or "
                "duplicate the version and change the copy."
            )
