"""What is to be trained, read and checked as far as that goes without torch: a mistake is told within a second."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sd_contract.base_model import BaseModel, inspect_trainable
from sd_contract.datasets import CollectedDataset, collect, read_datasets
from sd_contract.errors import OptionError
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


def refuse_several_processes(environment: Mapping[str, str]) -> None:
    """OptionError under a launcher that starts more than one process."""
    processes = environment.get("WORLD_SIZE", "1")
    if processes != "1":
        raise OptionError(
            f"started as {processes} processes; the bundled engine trains on one device so far. "
            "Use `accelerate launch --num_processes 1`, or plain python."
        )
