"""How a trainer finds the images of a version: as subsets of one dataset. Batches, steps and checkpoints are
counted by it before anything is queued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sd_contract.datasets import CollectedDataset, DatasetConfig, DatasetItem, Divided, Subset, divided
from sd_contract.datasets import Dataset as TrainedDataset
from sd_contract.datasets.description import dataset_defaults, refuse_what_excludes, subset_defaults
from sd_contract.datasets.pairs import paired
from sd_contract.errors import ContractError, DatasetError
from sd_contract.images.buckets import place
from sd_contract.images.image_sizes import Size, image_size
from sd_contract.modes import SCRIPTS as MODE_SCRIPTS
from sd_contract.modes import refuse_incomplete
from sd_contract.options import Settings, settings_from
from sd_contract.options.groups import MULTI_STAGE, ON_PAIRS
from sd_contract.output.checkpoints import SaveSchedule
from sd_contract.stages import Stages, stages_of
from sd_contract.steps import StepPlan, plan_iterations, plan_steps
from train_tools.errors import DatasetNotUsableError, OptionValueError
from train_tools.model.dataset import CaptionPolicy, Dataset, DatasetFolder, TrainingImage
from train_tools.runs.engine import StepCount

CAPTION_SUFFIX = ".txt"
NO_CAPTION_SUFFIX = ".no-caption"
"""No file ends so: the trainer then takes the class."""
RESOLUTION = 512, 512
"""Of the training images when none is set."""


def counted(options: Mapping[str, Any], dataset: Dataset) -> StepCount:
    """How long a run is. Raises OptionValueError or DatasetNotUsableError."""
    settings = settings_of(options)
    if settings.mode == MULTI_STAGE:
        return _counted_stages(staged(settings, dataset))
    plan = _plan_in_mode(settings, dataset) if settings.mode in MODE_SCRIPTS else _plan(settings, dataset)
    files = SaveSchedule.of(settings, plan).files_at_end
    return StepCount(steps=plan.total_steps, epochs=plan.epochs, checkpoints=files)


def staged(settings: Settings, dataset: Dataset) -> Stages:
    """The stages of a run that has several, and which images they take. Errors as of `counted`."""
    try:
        refuse_incomplete(settings)
        found = _found(settings, dataset)
        return stages_of(settings, found.training, found.validation)
    except DatasetError as error:
        raise DatasetNotUsableError(str(error)) from error
    except ContractError as error:
        raise OptionValueError(str(error)) from error


def _counted_stages(found: Stages) -> StepCount:
    files = sum(SaveSchedule.of(stage.settings, stage.plan).files_at_end for stage in found.stages)
    lengths = ", ".join(f"{stage.name} {stage.plan.total_steps}" for stage in found.stages)
    notes = (f"steps by stage: {lengths}", *found.division.lines())
    return StepCount(steps=found.total_steps, epochs=found.epochs, checkpoints=files, notes=notes)


def _plan(settings: Settings, dataset: Dataset) -> StepPlan:
    return plan_steps(settings, [_collected(settings, dataset)])


def _plan_in_mode(settings: Settings, dataset: Dataset) -> StepPlan:
    """Of a mode that counts in steps, however many images there are; its pairs are looked for."""
    try:
        refuse_incomplete(settings)
        plan = plan_iterations(settings)
    except ContractError as error:
        raise OptionValueError(str(error)) from error
    if settings.mode in ON_PAIRS and not dataset.pair:
        (trained,) = described(settings, dataset).datasets
        try:
            paired([(trained, _items(dataset, trained), ())], settings.difference.diff_target_name)
        except DatasetError as error:
            raise DatasetNotUsableError(str(error)) from error
    return plan


def captions_of(folder: DatasetFolder) -> dict[str, str]:
    """What a subset is told so that the trainer sees the folder's captions by its policy."""
    if folder.captions is CaptionPolicy.CLASS_ONLY:
        return {"caption_extension": NO_CAPTION_SUFFIX}
    if folder.captions is CaptionPolicy.CLASS_FIRST:
        return {"caption_prefix": f"{folder.class_name},"}
    return {}


def settings_of(options: Mapping[str, Any]) -> Settings:
    try:
        return settings_from(dict(options))
    except ContractError as error:
        raise OptionValueError(str(error)) from error


def _collected(settings: Settings, dataset: Dataset) -> CollectedDataset:
    (collected,) = _found(settings, dataset).training
    return collected


def _found(settings: Settings, dataset: Dataset) -> Divided:
    """The images as the trainer will find them: what it counts batches by. Their sizes are looked at only for
    buckets."""
    (trained,) = described(settings, dataset).datasets
    return _found_once(dataset.content, trained, _Uncompared(dataset))


@dataclass(frozen=True)
class _Uncompared:
    """A dataset that is known by its content hash beside it."""

    dataset: Dataset = field(compare=False)


@lru_cache(maxsize=64)
def _found_once(content: str, trained: TrainedDataset, of: _Uncompared) -> Divided:
    """The runs of a grid mostly see the same images in the same way."""
    try:
        return divided([(trained, _items(of.dataset, trained))])
    except DatasetError as error:
        raise DatasetNotUsableError(str(error)) from error


def _items(dataset: Dataset, trained: TrainedDataset) -> list[DatasetItem]:
    by_folder = {subset.image_dir: subset for subset in trained.subsets}
    return [
        _item(image.path, _caption(image, folder), by_folder[image.path.parent], trained)
        for folder in (*dataset.folders, *dataset.regularisation)
        for image in folder.images
    ]


def _caption(image: TrainingImage, folder: DatasetFolder) -> str:
    """What the trainer reads: the caption as it is written, the class where there is none."""
    written = "" if folder.captions is CaptionPolicy.CLASS_ONLY else image.caption
    return written or folder.class_name


def _item(image: Path, caption: str, subset: Subset, trained: TrainedDataset) -> DatasetItem:
    size = _size_now(image) if trained.rule.enabled else trained.rule.resolution
    return DatasetItem(
        image=image,
        caption=caption,
        repeats=subset.num_repeats,
        subset=subset,
        size=size,
        placement=place(size, trained.rule),
    )


def _size_now(image: Path) -> Size:
    found = image.stat()
    return _size_while_unchanged(image, found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=20_000)
def _size_while_unchanged(image: Path, inode: int, size: int, modified_ns: int) -> Size:
    return image_size(image)


def described(settings: Settings, dataset: Dataset) -> DatasetConfig:
    try:
        config = DatasetConfig(datasets=(_dataset(settings, dataset),))
        refuse_what_excludes(config, settings)
    except DatasetError as error:
        raise OptionValueError(str(error)) from error
    return config


def _dataset(settings: Settings, dataset: Dataset) -> TrainedDataset:
    subsets = [
        Subset(
            **{
                **subset_defaults(settings, is_reg=is_reg),
                "image_dir": folder.path,
                "num_repeats": folder.repeats,
                "class_tokens": folder.class_name,
                "caption_extension": CAPTION_SUFFIX,
                "is_reg": is_reg,
                **captions_of(folder),
                **({"conditioning_data_dir": folder.masks} if folder.masks else {}),
            }
        )
        for folders, is_reg in ((dataset.folders, False), (dataset.regularisation, True))
        for folder in folders
    ]
    values = dataset_defaults(settings)
    values["resolution"] = values["resolution"] or RESOLUTION
    return TrainedDataset(**values, subsets=tuple(subsets))
