"""Sets of regularisation images, kept by base model and class so that no version makes them again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from train_tools.datasets.dataset import regularisation_folder
from train_tools.datasets.folders import class_of, foldable_class
from train_tools.errors import NotFoundError
from train_tools.files import link_or_copy, storage_error, write_text
from train_tools.model.paths import OutputsPaths, VersionPaths
from train_tools.model.preview import Picture, PreviewSettings
from train_tools.model.regularisation import RegularisationSet
from train_tools.previews.matrix import BaseModelFile
from train_tools.previews.picture_file import is_whole, read_picture
from train_tools.previews.samplers import parted

LONGEST_BASE = 40


def set_folder(outputs: OutputsPaths, base: BaseModelFile, word: str) -> Path:
    """By the base model's content; its name is for people."""
    name = re.sub(r"[^\w.-]+", "-", base.path.stem)[:LONGEST_BASE].strip("-.") or "model"
    return outputs.regularisation / f"{name}-{base.sha256[:8]}" / foldable_class(word)


def pictures_of(
    prompts: Sequence[str], number: int, settings: PreviewSettings, base: BaseModelFile
) -> list[Picture]:
    """So many pictures: the prompts in turn, each picture with a seed of its own, counted from the settings'."""
    (first,) = settings.seeds
    sampler, scheduler = parted(settings.sampler, settings.scheduler)
    return [
        Picture(
            base=base.sha256,
            lora=None,
            weight=0.0,
            prompt=prompts[place % len(prompts)],
            negative_prompt=settings.negative_prompt,
            seed=first + place,
            width_px=settings.width_px,
            height_px=settings.height_px,
            steps=settings.steps,
            guidance=settings.guidance,
            sampler=sampler,
            scheduler=scheduler,
            clip_skip=settings.clip_skip,
        )
        for place in range(number)
    ]


def file_of(folder: Path, picture: Picture) -> Path:
    return folder / f"{picture.key[:16]}.png"


def sets_in(outputs: OutputsPaths) -> Iterator[RegularisationSet]:
    for folder in sorted(outputs.regularisation.glob("*/*")):
        images = sum(is_whole(file) for file in folder.glob("*.png"))
        if images:
            name = folder.relative_to(outputs.regularisation).as_posix()
            yield RegularisationSet(name=name, folder=folder, images=images)


def in_set(found: RegularisationSet, number: int) -> list[Path]:
    """The first so many pictures of a set by seed. Raises NotFoundError when it has fewer."""
    whole = [file for file in sorted(found.folder.glob("*.png")) if is_whole(file)]
    if len(whole) < number:
        raise NotFoundError(f"The set {found.name} has {len(whole)} pictures, fewer than {number}.")
    told = {file: read_picture(file) for file in whole}
    whole.sort(key=lambda file: (picture.seed if (picture := told[file]) else 0, file.name))
    return whole[: number or None]


def folder_in(version: VersionPaths, class_name: str, repeats: int) -> Path:
    """Where a version's regularisation images of a class belong: the folder that is there, else a new one."""
    if version.regularisation.is_dir():
        for folder in sorted(version.regularisation.iterdir()):
            if folder.is_dir() and class_of(folder.name) == class_name:
                return folder
    return regularisation_folder(version, class_name, repeats)


def put_into(folder: Path, files: Sequence[Path]) -> int:
    """Makes the pictures a version's own, each with its prompt for a caption. How many were not there before.
    Raises StorageError."""
    new = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            target = folder / file.name
            new += not target.exists()
            link_or_copy(file, target)
            shown = read_picture(file)
            if shown is not None and not target.with_suffix(".txt").exists():
                write_text(target.with_suffix(".txt"), f"{shown.prompt}\n")
    except OSError as error:
        raise storage_error(folder, error) from error
    return new
