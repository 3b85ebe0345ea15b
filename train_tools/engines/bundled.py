"""The trainer that ships with Train Tools: the scripts in `sd_scripts`, started through accelerate."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import sd_contract
from sd_contract.attempt import Attempt, Result
from sd_contract.base_models.base_model import SCRIPTS as SCRIPTS_OF_FAMILIES
from sd_contract.base_models.base_model import cpu_threads, inspect_trainable
from sd_contract.datasets import CollectedDataset, DatasetConfig, DatasetItem, Subset, collected_from, to_toml
from sd_contract.datasets import Dataset as TrainedDataset
from sd_contract.datasets.description import dataset_defaults, refuse_what_excludes, subset_defaults
from sd_contract.errors import ContractError, DatasetError
from sd_contract.images.buckets import place
from sd_contract.images.image_sizes import Size, image_size
from sd_contract.options import Settings, settings_from
from sd_contract.output.checkpoints import SaveSchedule
from sd_contract.steps import plan_steps
from train_tools.errors import BaseModelNotUsableError, DatasetNotUsableError, OptionValueError
from train_tools.files import write_toml
from train_tools.model.dataset import CaptionPolicy, Dataset, DatasetFolder
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import RunPaths
from train_tools.options.bundled import bundled_options
from train_tools.options.config import config_table
from train_tools.runs.engine import AttemptFiles, Exit, Launch, RunFiles, StepCount

SCRIPTS = Path(sd_contract.__file__).parent.parent
CAPTION_SUFFIX = ".txt"
NO_CAPTION_SUFFIX = ".no-caption"
"""No file ends so: the trainer then takes the class."""
RESOLUTION = 512, 512
"""Of the training images when none is set."""


class BundledEngine:
    """Engine `bundled`."""

    name = "bundled"
    contract = 1
    options = bundled_options()

    def __init__(self, python: str = sys.executable, scripts: Path = SCRIPTS) -> None:
        self._python = python
        self._scripts = scripts

    @property
    def code(self) -> Path:
        return self._scripts

    def threads(self, base_model: Path) -> int:
        return cpu_threads(base_model)

    def check_base_model(self, path: Path) -> None:
        """A base model counts by its file's hash, so the app takes no diffusers folders."""
        if path.is_dir():
            raise BaseModelNotUsableError(
                f"base model: {path} is a folder. Choose a single .safetensors or .ckpt file."
            )
        try:
            inspect_trainable(path)
        except ContractError as error:
            raise BaseModelNotUsableError(str(error)) from error

    def count_steps(self, options: Mapping[str, Any], dataset: Dataset) -> StepCount:
        settings = _settings(options)
        plan = plan_steps(settings, [_collected(settings, dataset)])
        files = SaveSchedule(settings.output, plan).files_at_end
        return StepCount(steps=plan.total_steps, epochs=plan.epochs, checkpoints=files)

    def write(self, files: RunFiles) -> None:
        options = {
            **files.options,
            "pretrained_model_name_or_path": str(files.base_model),
            "output_name": files.output_name,
            "caption_extension": CAPTION_SUFFIX,
        }
        write_toml(files.paths.config, config_table(options))
        write_toml(files.paths.dataset, to_toml(_dataset_config(_settings(files.options), files.dataset)))

    def launch(self, paths: RunPaths, base_model: Path, attempt: AttemptFiles) -> Launch:
        return Launch(
            command=(
                self._python,
                "-m",
                "accelerate.commands.launch",
                "--num_processes=1",
                "--num_machines=1",
                "--mixed_precision=no",
                "--dynamo_backend=no",
                f"--num_cpu_threads_per_process={cpu_threads(base_model)}",
                str(self._scripts / _script(base_model)),
                "--config_file",
                str(paths.config),
                "--dataset_config",
                str(paths.dataset),
                "--output_dir",
                str(attempt.output),
                "--state_dir",
                str(attempt.states),
                *(("--resume", str(attempt.resume)) if attempt.resume else ()),
            ),
            folder=self._scripts,
            environment={
                "HF_HUB_OFFLINE": "1",
                "PYTHONUNBUFFERED": "1",
                "COLUMNS": "240",
                "TRAIN_TOOLS_CACHE": str(attempt.cache),
            },
        )

    def judge(self, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        """The engine's own result decides: it is written last, after every checkpoint is on the disk."""
        if result is None:
            return Verdict(state=JobState.QUEUED, message=exit_.reason or _silent_end(exit_))
        return Verdict(state=JobState(result.outcome), message=result.message)


def _script(base_model: Path) -> str:
    """The script for this model's family; that of SD1 tells what is wrong with a file that can't be read."""
    try:
        return inspect_trainable(base_model).script
    except ContractError:
        return SCRIPTS_OF_FAMILIES["sd1"]


def _silent_end(exit_: Exit) -> str:
    how = "its end was not seen" if exit_.code is None else f"exit code {exit_.code}"
    return f"The trainer ended without a result ({how}). See the log."


def _settings(options: Mapping[str, Any]) -> Settings:
    try:
        return settings_from(dict(options))
    except ContractError as error:
        raise OptionValueError(str(error)) from error


def _collected(settings: Settings, dataset: Dataset) -> CollectedDataset:
    """The images as the trainer will find them: what it counts batches by. Their sizes are looked at only for
    buckets."""
    (trained,) = _dataset_config(settings, dataset).datasets
    return _collected_once(dataset.content, trained, _Uncompared(dataset))


@dataclass(frozen=True)
class _Uncompared:
    """A dataset that is known by its content hash beside it."""

    dataset: Dataset = field(compare=False)


@lru_cache(maxsize=64)
def _collected_once(content: str, trained: TrainedDataset, of: _Uncompared) -> CollectedDataset:
    """The runs of a grid mostly see the same images in the same way."""
    dataset = of.dataset
    images = [image.path for folder in (*dataset.folders, *dataset.regularisation) for image in folder.images]
    by_folder = {subset.image_dir: subset for subset in trained.subsets}
    try:
        items = [_item(image, by_folder[image.parent], trained) for image in images]
    except DatasetError as error:
        raise DatasetNotUsableError(str(error)) from error
    return collected_from(trained, items)


def _item(image: Path, subset: Subset, trained: TrainedDataset) -> DatasetItem:
    size = _size_now(image) if trained.enable_bucket else trained.resolution
    return DatasetItem(
        image=image,
        caption="",
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


def _dataset_config(settings: Settings, dataset: Dataset) -> DatasetConfig:
    try:
        config = DatasetConfig(datasets=(_dataset(settings, dataset),))
        refuse_what_excludes(config, settings)
    except DatasetError as error:
        raise OptionValueError(str(error)) from error
    return config


def _captions(folder: DatasetFolder) -> dict[str, str]:
    """What a subset is told so that the trainer sees the folder's captions by its policy."""
    if folder.captions is CaptionPolicy.CLASS_ONLY:
        return {"caption_extension": NO_CAPTION_SUFFIX}
    if folder.captions is CaptionPolicy.CLASS_FIRST:
        return {"caption_prefix": f"{folder.class_name},"}
    return {}


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
                **_captions(folder),
            }
        )
        for folders, is_reg in ((dataset.folders, False), (dataset.regularisation, True))
        for folder in folders
    ]
    values = dataset_defaults(settings)
    values["resolution"] = values["resolution"] or RESOLUTION
    return TrainedDataset(**values, subsets=tuple(subsets))
