"""Which pictures a matrix has, where each belongs on the disk, and which of them are still missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import file_sha256
from train_tools.files import link_or_copy, storage_error
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import WEBUI, Cell, Picture, PreviewMatrix, PreviewSettings
from train_tools.previews.arranged import Arranged, Entry
from train_tools.previews.axes import (
    AXES,
    BASE_MODEL,
    CHECKPOINT,
    LARGEST_SEED,
    RUN,
    SOURCE,
    WEIGHT,
    Combination,
    arrangement_of,
    checked_settings,
    combinations,
    lora_tags_in,
    values_of,
)
from train_tools.previews.embeddings import Embedding, embeddings_in, named_in
from train_tools.previews.picture_file import is_whole, make_folder
from train_tools.previews.samplers import parted_for
from train_tools.previews.subjects import (
    BaseModelFile as BaseModelFile,
)
from train_tools.previews.subjects import (
    LabelledCheckpoint as LabelledCheckpoint,
)
from train_tools.previews.subjects import (
    TrainingSample,
    checkpoint_label,
    lora_hash,
    other_loras,
)

DURING_TRAINING = "during training"


def matrix_of(
    version: VersionPaths,
    checkpoints: Sequence[LabelledCheckpoint],
    settings: PreviewSettings,
    *bases: BaseModelFile,
    renderer: str = "",
    hash_of: Callable[[Path], str] = file_sha256,
    samples: Sequence[TrainingSample] = (),
    ranks: Mapping[Path, int] | None = None,
) -> PreviewMatrix:
    """The pictures of checkpoints, arranged as the settings say: else a row for each, the base models in the first
    rows, and columns by prompt, seed and weight.

    `bases` are shown also when no checkpoint was trained on them. A base model has one cell for each combination
    of settings, in the first of the lines that differ only in what it does not have: the same picture stands for
    all weights. `renderer` is part of each picture's key; `hash_of` tells the sha256 of VAEs and base models that
    are axes; `ranks` put rows in another order by their checkpoints. Raises OptionValueError as `checked_settings`
    does.
    """
    notes = tuple(
        f"{tag} was taken out of the prompt: a matrix itself says which LoRA." for tag in lora_tags_in(settings)
    )
    settings = checked_settings(settings)
    shown = {base.sha256: base for base in (*bases, *(labelled.base for labelled in checkpoints))}
    checkpoints = [*checkpoints, *other_loras(version, settings, tuple(shown.values()), hash_of)]
    varied = tuple(dict.fromkeys(name for labelled in checkpoints for name in _own_options(labelled)))
    cast = _Cast(version, settings, renderer, hash_of)
    entries = [*cast.of_bases(tuple(shown.values())), *cast.of_loras(checkpoints), *cast.of_samples(samples)]
    return Arranged(
        arrangement_of(settings, varied, sampled=bool(samples)),
        settings,
        entries,
        {labelled.checkpoint.run: labelled.label for labelled in checkpoints},
        _in_order(checkpoints, samples),
        ranks,
    ).matrix(notes)


def picture_count(settings: PreviewSettings, checkpoints: int) -> int:
    """How many pictures a matrix of that many checkpoints has; the base model's are counted once."""
    of_base = sum(1 for _ in combinations(settings, of_base=True))
    of_lora = sum(1 for combination in combinations(settings) if combination[WEIGHT])
    return (of_base + checkpoints * of_lora) * settings.images_per_cell


def missing(matrix: PreviewMatrix) -> tuple[Cell, ...]:
    """The cells whose file is not a whole PNG, one for each picture, in the matrix's order."""
    there = cache(_files_in)
    wanted: dict[str, Cell] = {}
    for cell in matrix.cells:
        if not cell.sampled and not (cell.file.name in there(cell.file.parent) and is_whole(cell.file)):
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


def _files_in(folder: Path) -> frozenset[str]:
    """Most folders of a large matrix are not there yet: looking once costs less than once for each picture."""
    try:
        return frozenset(entry.name for entry in folder.iterdir())
    except OSError:
        return frozenset()


def _in_order(checkpoints: Sequence[LabelledCheckpoint], samples: Sequence[TrainingSample]) -> list[str]:
    """The labels of all that was seen while training, from the first step to the last."""
    steps: dict[str, tuple[bool, int]] = {}
    names = _names(checkpoints)
    for labelled in checkpoints:
        seen = (labelled.checkpoint.final, labelled.checkpoint.step)
        steps.setdefault(names[labelled.checkpoint.path], seen)
    for sample in samples:
        steps.setdefault(sample.when, (False, sample.step))
    return sorted(steps, key=lambda label: steps[label])


def _names(checkpoints: Sequence[LabelledCheckpoint]) -> dict[Path, str]:
    """What each checkpoint is called; two of one run that say the same of themselves, by their files as well."""
    labels = [(one.checkpoint.run, checkpoint_label(one.checkpoint), one.base.sha256) for one in checkpoints]
    counted = Counter(labels)
    return {
        one.checkpoint.path: label[1] if counted[label] == 1 else f"{label[1]}, {one.checkpoint.name}"
        for one, label in zip(checkpoints, labels, strict=True)
    }


class _Cast:
    """Makes the pictures of a matrix, each with its value on every axis."""

    def __init__(
        self, version: VersionPaths, settings: PreviewSettings, renderer: str, hash_of: Callable[[Path], str]
    ) -> None:
        self._version = version
        self._settings = settings
        self._renderer = renderer
        self._hash_of = cache(hash_of)
        self._embeddings = _embeddings(settings)

    def of_bases(self, bases: Sequence[BaseModelFile]) -> Iterator[Entry]:
        for combination in combinations(self._settings, of_base=True):
            for base in [self._chosen(combination)] if combination[BASE_MODEL] else bases:
                for picture in self._pictures(combination, base, None):
                    file = self._version.base_images / _file_name(picture)
                    yield Entry(combination, picture, file, None, base=base.path.stem)

    def of_loras(self, checkpoints: Sequence[LabelledCheckpoint]) -> Iterator[Entry]:
        wanted, names = list(combinations(self._settings)), _names(checkpoints)
        for labelled in checkpoints:
            told = {
                **_own_options(labelled),
                RUN: labelled.checkpoint.run,
                CHECKPOINT: names[labelled.checkpoint.path],
            }
            lora = labelled.sha256 or lora_hash(labelled.checkpoint.path)
            images = _images_of(self._version, labelled)
            for combination in wanted:
                yield from self._of_lora(labelled, lora, images, combination, told)

    def of_samples(self, samples: Sequence[TrainingSample]) -> Iterator[Entry]:
        for sample in samples:
            told = {**sample.options, RUN: sample.run, CHECKPOINT: sample.when, SOURCE: DURING_TRAINING}
            yield Entry(told | dict(sample.values), sample.picture, sample.file, None, sampled=True)

    def _of_lora(
        self,
        labelled: LabelledCheckpoint,
        lora: str,
        images: Path,
        combination: Combination,
        told: Mapping[str, Any],
    ) -> Iterator[Entry]:
        base = self._chosen(combination) if combination[BASE_MODEL] else labelled.base
        alone = not combination[WEIGHT]
        folder = self._version.base_images if alone else images
        checkpoint = None if alone else labelled.checkpoint.path
        for picture in self._pictures(combination, base, None if alone else lora):
            yield Entry({**combination, **told}, picture, folder / _file_name(picture), checkpoint)

    def _chosen(self, combination: Combination) -> BaseModelFile:
        path = Path(combination[BASE_MODEL])
        return BaseModelFile(path=path, sha256=self._hash_of(path))

    def _pictures(self, values: Combination, base: BaseModelFile, lora: str | None) -> Iterator[Picture]:
        """As many as share a cell, with seeds that follow one another."""
        width, height = map(int, values["size"].split("x"))
        sampler, scheduler = parted_for(self._settings.renderer == WEBUI, values["sampler"], values["scheduler"])
        used = named_in((values["prompt"], values["negative_prompt"]), self._embeddings)
        for place in range(self._settings.images_per_cell):
            yield Picture(
                base=base.sha256.lower(),
                lora=lora,
                weight=0.0 if lora is None else values[WEIGHT],
                prompt=values["prompt"],
                negative_prompt=values["negative_prompt"],
                seed=(values["seed"] + place) % (LARGEST_SEED + 1),
                width_px=width,
                height_px=height,
                steps=values["steps"],
                guidance=float(values["guidance"]),
                sampler=sampler,
                clip_skip=values["clip_skip"],
                scheduler=scheduler,
                vae=self._hash_of(Path(values["vae"])) if values["vae"] else "",
                embeddings=tuple(embedding.signature for embedding in used),
                renderer=self._renderer,
            )


def _own_options(labelled: LabelledCheckpoint) -> Mapping[str, Any]:
    """Without options of the training that are called like a setting of pictures: its seed is not theirs."""
    return {name: value for name, value in labelled.options.items() if name not in AXES}


def embeddings_of(settings: PreviewSettings) -> tuple[Embedding, ...]:
    """The embeddings that the prompts name."""
    found = values_of(settings)
    return named_in((*found["prompt"], *found["negative_prompt"]), _embeddings(settings))


def _embeddings(settings: PreviewSettings) -> tuple[Embedding, ...]:
    return embeddings_in(Path(settings.embeddings)) if settings.embeddings else ()


def _images_of(version: VersionPaths, labelled: LabelledCheckpoint) -> Path:
    checkpoint = labelled.checkpoint
    return labelled.images or version.run(checkpoint.run).images_of(checkpoint.name)


def _file_name(picture: Picture) -> str:
    if picture.lora is None:
        return f"{picture.key[:16]}.png"
    return f"{picture.seed}-{picture.weight:g}-{picture.key[:12]}.png"
