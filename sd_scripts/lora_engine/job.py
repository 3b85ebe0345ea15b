"""What is to be trained, read and checked as far as that goes without torch: a mistake is told within a second."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lora_engine.data.checks import picture_warnings, refuse_odd_buckets, refuse_unreadable_images
from lora_engine.prospects import refuse_lying_files, refuse_unwritable_name, replaced_files
from lora_engine.resumed import ResumedState, changed_options, chosen_seed, resumed_state
from sd_contract.base_models.base_model import BaseModel
from sd_contract.curves import CurveFiles, curve_files
from sd_contract.datasets import CollectedDataset, Dataset, collect_divided, read_datasets
from sd_contract.datasets.pairs import Paired, Targets, collect_pairs, pair_of_files
from sd_contract.errors import OptionError
from sd_contract.modes import in_mode, needs_dataset, refuse_incomplete, second_pass
from sd_contract.options import Settings, read_settings, require
from sd_contract.options.groups import DIFFERENCE, IMAGES, ON_PAIRS, ON_PROMPTS, SAMPLERS
from sd_contract.sample_prompts import SamplePrompt, read_sample_prompts
from sd_contract.steps import StepPlan, plan_iterations, plan_steps
from sd_contract.suitability import chosen_model, idle_options, refuse_misfitting_options


@dataclass(frozen=True, kw_only=True)
class Part:
    """The place of a stage in its run."""

    name: str
    stages: int
    keywords: tuple[str, ...]
    session_id: int
    started_at: float


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
    targets: Targets = field(default_factory=dict)
    """What the images are to become, where they are trained on in pairs."""
    curves: CurveFiles | None = None
    """Where curves go; None when there are to be none."""
    part: Part | None = None
    """What the job is of a run of several stages; None where it is a run of its own."""

    @property
    def from_step(self) -> int:
        """The step that is already done when the job begins."""
        return self.resumed.manifest.step if self.resumed else 0


def read_job(arguments: Sequence[str], script: str = "") -> Job:
    """The job that a command line describes to a script, of which only the families it trains are taken. Looks at
    options, output folder, images and base model, in this order; raises the ContractError of the first that
    can't be used."""
    settings = in_mode(read_settings(arguments), (IMAGES,))
    material = read_material(settings, script)
    plan = plan_steps(settings, material.datasets)
    resumed = resumed_state(settings, plan)
    told = run_warnings(settings, material.output_folder, plan, resumed, validates=bool(material.validation))
    return Job(
        settings=settings,
        seed=chosen_seed(settings, resumed),
        output_folder=material.output_folder,
        datasets=material.datasets,
        validation=material.validation,
        base=material.base,
        plan=plan,
        warnings=(*material.warnings, *told),
        resumed=resumed,
        sample_prompts=sample_prompts(settings, material.base),
        curves=material.curves,
    )


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a training on images is made of, and where it goes."""

    output_folder: Path
    curves: CurveFiles | None
    datasets: tuple[CollectedDataset, ...]
    validation: tuple[CollectedDataset, ...]
    base: BaseModel
    warnings: tuple[str, ...]


def read_material(settings: Settings, script: str = "") -> Material:
    """The images and the base model of a training on images; looks and raises as `read_job` does."""
    output_folder, curves = ready_places(settings)
    config = read_datasets(settings)
    divided = collect_divided(config.datasets)
    datasets = divided.training
    refuse_unreadable_images((*datasets, *divided.validation))
    base, doubts = chosen_model(settings, script)
    refuse_misfitting_options(settings, base)
    refuse_odd_buckets(datasets, base.family)
    return Material(
        output_folder=output_folder,
        curves=curves,
        datasets=datasets,
        validation=divided.validation,
        base=base,
        warnings=(
            *config.warnings,
            *doubts,
            *(text for collected in datasets for text in collected.warnings),
            *picture_warnings(settings, datasets),
        ),
    )


def read_prompt_job(arguments: Sequence[str]) -> Job:
    """The job of a training on prompts alone, without images and of any family; looks and raises as `read_job`
    does. The text encoders stay as they are, since what they say is all that there is to learn from."""
    settings = in_mode(read_settings(arguments), ON_PROMPTS)
    output_folder, curves = ready_places(settings)
    settings = without_text_encoder(settings)
    base, doubts = chosen_model(settings)
    refuse_misfitting_options(settings, base)
    refuse_odd_size(settings, base)
    plan = plan_iterations(settings)
    refuse_lying_files(output_folder, settings, plan)
    resumed = resumed_state(settings, plan)
    return Job(
        settings=settings,
        seed=chosen_seed(settings, resumed),
        output_folder=output_folder,
        datasets=(),
        base=base,
        plan=plan,
        warnings=(*doubts, *run_warnings(settings, output_folder, plan, resumed)),
        resumed=resumed,
        sample_prompts=sample_prompts(settings, base),
        curves=curves,
    )


def read_pair_job(arguments: Sequence[str]) -> Job:
    """The job of a training on pairs of images, of any family; looks and raises as `read_job` does. The text
    encoders stay as they are: the change is to be in the LoRA, not in words."""
    settings = in_mode(read_settings(arguments), ON_PAIRS)
    output_folder, curves = ready_places(settings)
    settings = without_text_encoder(settings)
    base, doubts = chosen_model(settings)
    refuse_misfitting_options(settings, base)
    pairs, told = read_pairs(settings, base)
    if settings.mode == DIFFERENCE:
        refuse_misfitting_options(without_text_encoder(second_pass(settings)), base)
    refuse_unreadable_images(pairs.originals)
    refuse_odd_buckets(pairs.originals, base.family)
    plan = plan_iterations(settings)
    refuse_lying_files(output_folder, settings, plan)
    resumed = resumed_state(settings, plan)
    return Job(
        settings=settings,
        seed=chosen_seed(settings, resumed),
        output_folder=output_folder,
        datasets=pairs.originals,
        targets=pairs.targets,
        base=base,
        plan=plan,
        warnings=(*told, *doubts, *run_warnings(settings, output_folder, plan, resumed)),
        resumed=resumed,
        sample_prompts=sample_prompts(settings, base),
        curves=curves,
    )


def read_pairs(settings: Settings, base: BaseModel) -> tuple[Paired, tuple[str, ...]]:
    """The pairs that the settings name, and what is to be told of their datasets: those of the datasets, else the
    one of `original_image` and `target_image`."""
    options = settings.difference
    if options.original_image and options.target_image and not needs_dataset(settings.values()):
        original, target = Path(options.original_image), Path(options.target_image)
        if options.diff_revert_original_target:
            original, target = target, original
        size = settings.resolution or (base.resolution, base.resolution)
        dataset = Dataset(resolution=size, batch_size=settings.dataset.train_batch_size, subsets=())
        return pair_of_files(original, target, dataset), ()
    config = read_datasets(settings)
    pairs = collect_pairs(config.datasets, options.diff_target_name, reverted=options.diff_revert_original_target)
    return pairs, (*config.warnings, *(text for collected in pairs.originals for text in collected.warnings))


def ready_places(settings: Settings) -> tuple[Path, CurveFiles | None]:
    """Where the run writes: its files, and its curves if there are to be any. OptionError where it can't, or for
    settings that no run can have."""
    refuse_several_processes(os.environ)
    require(settings, ("pretrained_model_name_or_path", "output_dir"))
    refuse_incomplete(settings)
    output_folder = ready_folder(Path(str(settings.output.output_dir)), "output_dir")
    refuse_unwritable_name(output_folder, settings)
    curves = curve_files(settings.logging)
    if curves is not None:
        ready_folder(curves.folder, "logging_dir")
    return output_folder, curves


def run_warnings(
    settings: Settings,
    output_folder: Path,
    plan: StepPlan,
    resumed: ResumedState | None,
    *,
    validates: bool = False,
) -> tuple[str, ...]:
    """What is to be told of any run: files that it replaces, options that do nothing or have changed."""
    return (
        *replaced_files(output_folder, settings, plan, resumed.manifest.checkpoints if resumed else ()),
        *idle_options(settings, steps=plan.total_steps, epochs=plan.epochs, validates=validates),
        *(changed_options(settings, resumed.manifest) if resumed else ()),
    )


def without_text_encoder(settings: Settings) -> Settings:
    """The same for the U-Net alone."""
    return replace(settings, network=replace(settings.network, network_train_unet_only=True))


def refuse_odd_size(settings: Settings, base: BaseModel) -> None:
    """OptionError for a `resolution` that the U-Net can't halve as often as it does."""
    step = base.latent_factor * 2 ** (len(base.unet["block_out_channels"]) - 1)
    if any(side % step for side in settings.resolution or ()):
        raise OptionError(
            f"resolution = {settings.dataset.resolution}: both sides have to be multiples of {step}."
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
