"""What is to be trained, read and checked as far as that goes without torch: a mistake is told within a second."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_engine.data.checks import picture_warnings, refuse_odd_buckets, refuse_unreadable_images
from lora_engine.prospects import refuse_unwritable_name, replaced_files
from lora_engine.resumed import ResumedState, changed_options, chosen_seed, resumed_state
from sd_contract.base_models.base_model import BaseModel
from sd_contract.curves import CurveFiles, curve_files
from sd_contract.datasets import CollectedDataset, collect_divided, read_datasets
from sd_contract.errors import OptionError
from sd_contract.options import Settings, read_settings, require
from sd_contract.options.groups import SAMPLERS
from sd_contract.sample_prompts import SamplePrompt, read_sample_prompts
from sd_contract.steps import StepPlan, plan_steps
from sd_contract.suitability import chosen_model, idle_options, refuse_misfitting_options


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that decides a run. `seed` is drawn when the settings give none."""

    settings: Settings
    seed: int
    output_folder: Path
    datasets: tuple[CollectedDataset, ...]
    validation: tuple[CollectedDataset, ...] = ()
    """What is not trained on: the loss is measured there."""
    base: BaseModel
    plan: StepPlan
    warnings: tuple[str, ...]
    resumed: ResumedState | None = None
    sample_prompts: tuple[SamplePrompt, ...] = ()
    curves: CurveFiles | None = None
    """Where curves go; None when there are to be none."""

    @property
    def from_step(self) -> int:
        """The step that is already done when the job begins."""
        return self.resumed.manifest.step if self.resumed else 0


def read_job(arguments: Sequence[str], script: str = "") -> Job:
    """The job that a command line describes to a script, of which only the families it trains are taken. Looks at
    options, output folder, images and base model, in this order; raises the ContractError of the first that
    can't be used."""
    settings = read_settings(arguments)
    refuse_several_processes(os.environ)
    require(settings, ("pretrained_model_name_or_path", "output_dir"))
    output_folder = ready_folder(Path(str(settings.output.output_dir)), "output_dir")
    refuse_unwritable_name(output_folder, settings)
    curves = curve_files(settings.logging)
    if curves is not None:
        ready_folder(curves.folder, "logging_dir")
    config = read_datasets(settings)
    divided = collect_divided(config.datasets)
    datasets = divided.training
    refuse_unreadable_images((*datasets, *divided.validation))
    base, doubts = chosen_model(settings, script)
    refuse_misfitting_options(settings, base)
    refuse_odd_buckets(datasets, base.family)
    plan = plan_steps(settings, datasets)
    resumed = resumed_state(settings, plan)
    return Job(
        settings=settings,
        seed=chosen_seed(settings, resumed),
        output_folder=output_folder,
        datasets=datasets,
        validation=divided.validation,
        base=base,
        plan=plan,
        warnings=(
            *config.warnings,
            *doubts,
            *(text for collected in datasets for text in collected.warnings),
            *picture_warnings(settings, datasets),
            *replaced_files(output_folder, settings, plan, resumed.manifest.checkpoints if resumed else ()),
            *idle_options(settings, steps=plan.total_steps, epochs=plan.epochs),
            *(changed_options(settings, resumed.manifest) if resumed else ()),
        ),
        resumed=resumed,
        sample_prompts=sample_prompts(settings, base),
        curves=curves,
    )


def sample_prompts(settings: Settings, base: BaseModel) -> tuple[SamplePrompt, ...]:
    """The prompts that are to be painted. OptionError when their file can't be used."""
    options = settings.samples
    if not options.sample_prompts:
        return ()
    return read_sample_prompts(
        Path(options.sample_prompts),
        size_px=base.resolution,
        sampler=options.sample_sampler,
        samplers=SAMPLERS,
    )


def ready_folder(folder: Path, option: str) -> Path:
    """The folder that an option names, made if missing. OptionError when files can't be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise OptionError(
            f"{option} = {folder}: files can't be written there ({error.strerror}). Choose another folder."
        ) from error


def refuse_several_processes(environment: Mapping[str, str]) -> None:
    """OptionError under a launcher that starts more than one process."""
    processes = environment.get("WORLD_SIZE", "1")
    if processes != "1":
        raise OptionError(
            f"started as {processes} processes; the bundled engine trains on one device so far. "
            "Use `accelerate launch --num_processes 1`, or plain python."
        )
