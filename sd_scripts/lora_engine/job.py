"""What is to be trained, read and checked as far as that goes without torch: a mistake is told within a second."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from sd_contract.base_model import BaseModel, inspect_trainable
from sd_contract.datasets import CollectedDataset, collect, read_datasets
from sd_contract.errors import DatasetError, OptionError
from sd_contract.options import Settings, read_settings, require
from sd_contract.steps import StepPlan, plan_steps


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that decides a run. `seed` is drawn when the settings give none."""

    settings: Settings
    seed: int
    output_folder: Path
    datasets: tuple[CollectedDataset, ...]
    base: BaseModel
    plan: StepPlan
    warnings: tuple[str, ...]


def read_job(arguments: Sequence[str]) -> Job:
    """The job that a command line describes. Looks at options, output folder, images and base model, in this
    order; raises the ContractError of the first that can't be used."""
    settings = read_settings(arguments)
    refuse_several_processes(os.environ)
    require(settings, ("pretrained_model_name_or_path", "output_dir"))
    output_folder = ready_folder(Path(str(settings.output.output_dir)))
    config = read_datasets(settings)
    datasets = tuple(collect(dataset) for dataset in config.datasets)
    refuse_unreadable_images(datasets)
    base = inspect_trainable(Path(str(settings.model.pretrained_model_name_or_path)))
    seed = settings.training.seed
    return Job(
        settings=settings,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        output_folder=output_folder,
        datasets=datasets,
        base=base,
        plan=plan_steps(settings, datasets),
        warnings=(*config.warnings, *(text for collected in datasets for text in collected.warnings)),
    )


def ready_folder(folder: Path) -> Path:
    """The folder, made if missing. OptionError when files can't be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OptionError(
            f"output_dir = {folder}: files can't be written there ({error.strerror}). Choose another folder."
        ) from error


def refuse_unreadable_images(datasets: Iterable[CollectedDataset]) -> None:
    """DatasetError for the first file that is no image by its first bytes; its pixels are not read yet."""
    for item in (item for collected in datasets for item in collected.items):
        try:
            Image.open(item.image).close()
        except (OSError, Image.DecompressionBombError) as error:
            raise DatasetError(f"image {item.image} can't be read ({error}). Replace or remove it.") from error


def refuse_several_processes(environment: Mapping[str, str]) -> None:
    """OptionError under a launcher that starts more than one process."""
    processes = environment.get("WORLD_SIZE", "1")
    if processes != "1":
        raise OptionError(
            f"started as {processes} processes; the bundled engine trains on one device so far. "
            "Use `accelerate launch --num_processes 1`, or plain python."
        )
