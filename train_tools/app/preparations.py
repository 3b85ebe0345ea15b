"""What is tried out before all originals are prepared: the steps on one of them, parts cut by hand, and how often
images are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from train_tools.app.versions import Versions
from train_tools.datasets.repeats import Schedule, shares, solved
from train_tools.files import whole_file
from train_tools.model.preparation import Crop, Preparation, Preview, Setting, settings, with_settings
from train_tools.preparation.crops import read_crops, set_crop
from train_tools.preparation.preview import previewed
from train_tools.preparation.removers import names_in
from train_tools.preparation.sheet import drawn


class Preparations:
    """`models` is the folder with detectors and removers of backgrounds."""

    def __init__(self, versions: Versions, models: Path) -> None:
        self._versions = versions
        self._models = models

    def preview(
        self, project: str, version: str, original: str | None = None, preparation: Preparation | None = None
    ) -> Preview:
        """What the steps make of one original (the first, if none is named), with settings to try; nothing is
        written. Raises NotFoundError for no original, NotAPictureError when nothing comes of it."""
        paths = self._versions.paths(project, version)
        wanted = preparation or self._versions.settings(project, version).preparation
        return previewed(paths, original, wanted, self._models)

    def preview_sheet(
        self, project: str, version: str, original: str | None, preparation: Preparation, file: Path
    ) -> Preview:
        """The preview, drawn into a PNG file."""
        made = self.preview(project, version, original, preparation)
        with whole_file(file) as sheet:
            sheet.write(drawn(made))
        return made

    def settings(self) -> tuple[Setting, ...]:
        """What can be set, with what is allowed."""
        return settings()

    def background_removers(self) -> list[str]:
        """The names of the networks that lie where they are looked for."""
        return names_in(self._models)

    def with_settings(self, preparation: Preparation, assignments: Sequence[str]) -> Preparation:
        """The preparation with settings as one types them: `split=true`. Raises DatasetNotUsableError."""
        return with_settings(preparation, assignments)

    def crops(self, project: str, version: str) -> Mapping[str, Crop]:
        """The parts that were chosen by hand, by the original's name."""
        return read_crops(self._versions.paths(project, version))

    def crop(self, project: str, version: str, original: str, part: Crop | None) -> None:
        """Takes only this part of the original from the next preparation on; None takes the whole again."""
        set_crop(self._versions.paths(project, version), original, part)

    def crop_by_words(self, project: str, version: str, original: str, part: str | None) -> None:
        """The same with `left,top,right,bottom`."""
        self.crop(project, version, original, Crop.of(part) if part else None)

    def schedule(
        self,
        project: str,
        version: str,
        *,
        steps: int | None = None,
        repeats: int | None = None,
        epochs: int | None = None,
        batch: int = 1,
    ) -> Schedule:
        """The third of steps, repeats and epochs for the images that would be trained on now."""
        dataset = self._versions.dataset(project, version)
        return solved(
            dataset.image_count,
            steps=steps,
            repeats=repeats,
            epochs=epochs,
            batch=batch,
            concepts=max(1, len({folder.class_name for folder in dataset.folders})),
        )

    def shares(self, project: str, version: str) -> Mapping[str, float]:
        """The part of training that each folder has, by its name."""
        folders = self._versions.dataset(project, version).folders
        parts = shares([(len(folder.images), folder.repeats) for folder in folders])
        return {folder.path.name: part for folder, part in zip(folders, parts, strict=True)}
