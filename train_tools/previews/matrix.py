"""Which pictures a matrix has, where each belongs on the disk, and which of them are still missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, read_header
from train_tools.errors import OptionValueError
from train_tools.files import link_or_copy, storage_error
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import BUNDLED, WEBUI, Cell, Column, Picture, PreviewMatrix, PreviewSettings, Row
from train_tools.previews.picture_file import is_whole, make_folder
from train_tools.previews.samplers import sampler_named

HASH_KEY = "sshs_model_hash"
LARGEST_SEED = 2**64 - 1
BASE_RUN = "base model"


@dataclass(frozen=True, kw_only=True)
class BaseModelFile:
    """A base model of a matrix: where it lies, and the sha256 of the file."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LabelledCheckpoint:
    """A checkpoint with its run's label for people, and the base model it was trained on."""

    label: str
    checkpoint: Checkpoint
    base: BaseModelFile


def matrix_of(
    version: VersionPaths,
    checkpoints: Sequence[LabelledCheckpoint],
    settings: PreviewSettings,
    *bases: BaseModelFile,
) -> PreviewMatrix:
    """The base models in the first rows, then the checkpoints in their order; columns are prompts x seeds x
    weights. `bases` are shown also when no checkpoint was trained on them.

    A base model is there whether or not the weights hold a 0. It has one cell for each prompt and seed, in the
    first column of that group: the same picture stands for all weights. Raises OptionValueError as
    `checked_settings` does.
    """
    settings = checked_settings(settings)
    columns = columns_of(settings)
    places = list(_places(version, checkpoints, bases))
    return PreviewMatrix(
        rows=tuple(place.row for place in places),
        columns=columns,
        cells=tuple(cell for place in places for cell in _cells(place, columns, settings, version.base_images)),
        settings=settings,
    )


def checked_settings(settings: PreviewSettings) -> PreviewSettings:
    """The settings with the sampler's one name. Raises OptionValueError for what no renderer could render."""
    for seed in settings.seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise OptionValueError(
                f"Seed {seed} can't be used for previews: seeds are whole numbers from 0 to {LARGEST_SEED}."
            )
    for number in (*settings.weights, settings.guidance):
        if not math.isfinite(number):
            raise OptionValueError(f"{number} is no weight and no guidance: a number like 0.8 or 7 is wanted.")
    return replace(settings, sampler=_sampler_of(settings))


def _sampler_of(settings: PreviewSettings) -> str:
    """A WebUI knows more samplers than we do, by its own names: whether it has one is asked when it renders."""
    try:
        return sampler_named(settings.sampler)
    except OptionValueError:
        if settings.renderer == WEBUI and settings.sampler.strip():
            return settings.sampler.strip()
        raise


def columns_of(settings: PreviewSettings) -> tuple[Column, ...]:
    """Prompts outermost, weights innermost; repeated values count once. Only when all weights are 0, 0 is one."""
    weights = tuple(dict.fromkeys(float(weight) for weight in settings.weights if weight)) or (0.0,)
    prompts, seeds = dict.fromkeys(settings.prompts), dict.fromkeys(settings.seeds)
    return tuple(
        Column(prompt=prompt, seed=seed, weight=w) for prompt, seed, w in product(prompts, seeds, weights)
    )


def picture_count(settings: PreviewSettings, checkpoints: int) -> int:
    """How many pictures a matrix of that many checkpoints has; the base model's are counted once."""
    columns = columns_of(settings)
    rendered = [column for column in columns if column.weight]
    return len(_firsts(columns)) + checkpoints * len(rendered)


def missing(matrix: PreviewMatrix) -> tuple[Cell, ...]:
    """The cells whose file is not a whole PNG, one for each picture, in the matrix's order."""
    wanted: dict[str, Cell] = {}
    for cell in matrix.cells:
        if not is_whole(cell.file):
            wanted.setdefault(cell.picture.key, cell)
    return tuple(wanted.values())


def share(matrix: PreviewMatrix) -> None:
    """Gives every cell the file of another cell that shows the same picture, where there is one.

    The last checkpoint of a run often equals the one saved a moment before under its number. Raises StorageError.
    """
    whole = {cell.picture.key: cell.file for cell in matrix.cells if is_whole(cell.file)}
    for cell in matrix.cells:
        source = whole.get(cell.picture.key)
        if source is not None and not is_whole(cell.file):
            make_folder(cell.file.parent)
            try:
                link_or_copy(source, cell.file)
            except OSError as error:
                raise storage_error(cell.file, error) from error


@dataclass(frozen=True)
class _Place:
    """A row, where its pictures go and what they show."""

    number: int
    row: Row
    base: BaseModelFile
    images: Path
    lora: str | None


def _places(
    version: VersionPaths, checkpoints: Sequence[LabelledCheckpoint], bases: Sequence[BaseModelFile]
) -> Iterator[_Place]:
    shown = {base.sha256: base for base in (*bases, *(labelled.base for labelled in checkpoints))}
    for number, base in enumerate(shown.values()):
        row = Row(run=BASE_RUN, label=base.path.stem, checkpoint=None)
        yield _Place(number, row, base, version.base_images, None)
    for number, labelled in enumerate(checkpoints, len(shown)):
        checkpoint = labelled.checkpoint
        row = Row(run=labelled.label, label=checkpoint_label(checkpoint), checkpoint=checkpoint.path)
        images = version.run(checkpoint.run).images_of(checkpoint.name)
        yield _Place(number, row, labelled.base, images, lora_hash(checkpoint.path))


def _cells(
    place: _Place,
    columns: Sequence[Column],
    settings: PreviewSettings,
    base_images: Path,
) -> Iterator[Cell]:
    chosen = _firsts(columns) if place.lora is None else range(len(columns))
    for number in chosen:
        column = columns[number]
        alone = place.lora is None or not column.weight
        picture = _picture(column, settings, place.base.sha256, None if alone else place.lora)
        yield Cell(
            row=place.number,
            column=number,
            picture=picture,
            file=(base_images if alone else place.images) / _file_name(picture),
            checkpoint=None if alone else place.row.checkpoint,
        )


def _firsts(columns: Sequence[Column]) -> list[int]:
    """The first column of each prompt and seed."""
    firsts: dict[tuple[str, int], int] = {}
    for number, column in enumerate(columns):
        firsts.setdefault((column.prompt, column.seed), number)
    return list(firsts.values())


def _picture(column: Column, settings: PreviewSettings, base: str, lora: str | None) -> Picture:
    return Picture(
        base=base.lower(),
        lora=lora,
        weight=0.0 if lora is None else float(column.weight),
        prompt=column.prompt,
        negative_prompt=settings.negative_prompt,
        seed=int(column.seed),
        width_px=int(settings.width_px),
        height_px=int(settings.height_px),
        steps=int(settings.steps),
        guidance=float(settings.guidance),
        sampler=settings.sampler,
        clip_skip=max(1, int(settings.clip_skip)),
        renderer="" if settings.renderer == BUNDLED else settings.renderer,
    )


def _file_name(picture: Picture) -> str:
    if picture.lora is None:
        return f"{picture.key[:16]}.png"
    return f"{picture.seed}-{picture.weight:g}-{picture.key[:12]}.png"


def checkpoint_label(checkpoint: Checkpoint) -> str:
    """For people: "epoch 5", "step 200", "final, epoch 10"."""
    reached = (
        f"epoch {checkpoint.epoch}" if checkpoint.epoch else f"step {checkpoint.step}" if checkpoint.step else ""
    )
    return ", ".join(part for part in ("final" if checkpoint.final else "", reached) if part) or checkpoint.name


def lora_hash(checkpoint: Path) -> str:
    """The hash of the tensors: from the header where the trainer wrote it, else of the bytes.

    A file that is no readable checkpoint has one too: its row exists, and the renderer says what is wrong.
    """
    try:
        said = read_header(checkpoint).metadata.get(HASH_KEY, "")
        return said.lower() if len(said) == 64 else data_sha256(checkpoint)
    except CheckpointError:
        return file_sha256(checkpoint) if checkpoint.is_file() else "missing"
