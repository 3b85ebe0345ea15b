"""What is to be trained, read and checked as far as that goes without torch: a mistake is told within a second."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_engine.data.checks import picture_warnings, refuse_odd_buckets, refuse_unreadable_images
from lora_engine.prospects import idle_options, refuse_unwritable_name, replaced_files
from lora_engine.resumed import ResumedState, changed_options, chosen_seed, resumed_state
from sd_contract.base_models.base_model import BaseModel, agreed, inspect_trainable, with_vae
from sd_contract.curves import CurveFiles, curve_files
from sd_contract.datasets import CollectedDataset, collect, read_datasets
from sd_contract.errors import OptionError
from sd_contract.networks import network_plan
from sd_contract.options import Settings, read_settings, require
from sd_contract.options.groups import SAMPLERS
from sd_contract.sample_prompts import SamplePrompt, read_sample_prompts
from sd_contract.steps import StepPlan, plan_steps
from sd_contract.tensors.tensor_files import verify_safetensors


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
    datasets = tuple(collect(dataset) for dataset in config.datasets)
    refuse_unreadable_images(datasets)
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
        base=base,
        plan=plan,
        warnings=(
            *config.warnings,
            *doubts,
            *(text for collected in datasets for text in collected.warnings),
            *picture_warnings(settings, datasets),
            *replaced_files(output_folder, settings, plan, resumed.manifest.checkpoints if resumed else ()),
            *idle_options(settings, plan),
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


def chosen_model(settings: Settings, script: str = "") -> tuple[BaseModel, tuple[str, ...]]:
    """The base model as the settings want it trained, and what should be told about it. BaseModelError when
    it can't be trained so, OptionError when the settings don't fit its family."""
    options = settings.model
    base, doubts = agreed(
        inspect_trainable(Path(str(options.pretrained_model_name_or_path))),
        v2=options.v2,
        v_parameterization=options.v_parameterization,
        script=script,
    )
    layers = base.text_encoder["num_hidden_layers"]
    if base.family != "sdxl" and (options.clip_skip or 1) > layers:
        raise OptionError(
            f"clip_skip = {options.clip_skip}: the text encoder of {base.path} has {layers} layers. "
            f"Use 1 to {layers}."
        )
    if options.vae:
        base = with_vae(base, Path(options.vae))
    return base, (*doubts, *model_warnings(settings, base))


def model_warnings(settings: Settings, base: BaseModel) -> list[str]:
    """What the settings say about the model that means nothing to its family, or surprises."""
    clip_skip, warnings = settings.model.clip_skip, []
    if base.family == "sdxl" and clip_skip:
        warnings.append(f"clip_skip = {clip_skip} means nothing to SDXL models")
    if base.family == "sd2" and (clip_skip or 1) > 1:
        warnings.append(
            f"clip_skip = {clip_skip} with an SD2 model leaves out one layer more than it was trained without"
        )
    if base.family == "sd1" and base.v_prediction:
        warnings.append("an SD1 model is trained towards velocity; few SD1 models predict it")
    if base.zero_terminal_snr and not settings.values().get("zero_terminal_snr"):
        warnings.append(f"{base.path.name} says it was trained on pure noise too; set zero_terminal_snr")
    if len(settings.optimizer.text_encoder_lr or ()) > 1:
        warnings.append("only the first value of text_encoder_lr is used")
    return warnings


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


def refuse_misfitting_options(settings: Settings, base: BaseModel) -> None:
    """ContractError for options that this base model can't be trained with, and for LoRA files to begin with that
    can't be read."""
    network_plan(settings, base.family)
    loss, is_v = settings.loss, base.v_prediction
    if loss.scale_v_pred_loss_like_noise_pred and not is_v:
        raise OptionError("scale_v_pred_loss_like_noise_pred is for v-prediction models; this one predicts noise.")
    if loss.v_pred_like_loss and is_v:
        raise OptionError("v_pred_like_loss is for models that predict noise; this one is a v-prediction model.")
    given = settings.network.network_weights
    for path in (*((given,) if given else ()), *settings.network.base_weights):
        verify_safetensors(Path(path))


def refuse_several_processes(environment: Mapping[str, str]) -> None:
    """OptionError under a launcher that starts more than one process."""
    processes = environment.get("WORLD_SIZE", "1")
    if processes != "1":
        raise OptionError(
            f"started as {processes} processes; the bundled engine trains on one device so far. "
            "Use `accelerate launch --num_processes 1`, or plain python."
        )
