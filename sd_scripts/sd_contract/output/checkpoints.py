"""The files that a training leaves behind: their names, and the metadata that other programs read from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

from sd_contract.base_models.base_model import BaseModel
from sd_contract.datasets import CollectedDataset
from sd_contract.modes import OF_MODES
from sd_contract.options.groups import IMAGES, ON_IMAGES, OutputOptions
from sd_contract.options.settings import Settings
from sd_contract.options.table import kohya_options, supported
from sd_contract.output.dataset_facts import dataset_facts
from sd_contract.steps import StepPlan, warmup_steps
from sd_contract.tensors.tensor_files import Header, verify_safetensors

SUFFIX = ".safetensors"
SOFTWARE = "train-tools"
UNTITLED = "untitled"
Metadata = Mapping[str, str]
DIFFUSERS, STABILITY = "diffusers", "https://github.com/Stability-AI/generative-models"
"""The `modelspec.implementation` of LoRAs that use diffusers' names, and of SDXL's."""


@dataclass(frozen=True)
class FileHashes:
    """What programs know a file by: its sha256, and the eight digits of old programs."""

    sha256: str
    legacy: str


COPY = "_copy"
"""What the name of a run's first LoRA ends with, where there are two."""


@dataclass(frozen=True)
class CheckpointName:
    """File names as sd-scripts writes them; where a run has no epochs, as TrainTrain does. `stem` is the option
    output_name or None."""

    stem: str | None
    has_epochs: bool = True
    first_pass: int = 0
    """Up to this step the files are those of the run's first LoRA."""

    @classmethod
    def of(cls, settings: Settings, plan: StepPlan) -> CheckpointName:
        return cls(settings.output.output_name, settings.mode in ON_IMAGES, plan.first_pass)

    def at_epoch(self, epoch: int) -> str:
        return f"{self.stem or 'epoch'}-{epoch:06d}{SUFFIX}"

    def at_step(self, step: int) -> str:
        if self.has_epochs:
            return f"{self.stem or 'at'}-step{step:08d}{SUFFIX}"
        copied = COPY if step <= self.first_pass else ""
        return f"{self.stem or UNTITLED}{copied}_{step}steps{SUFFIX}"

    def at_end(self) -> str:
        return f"{self.stem or ('last' if self.has_epochs else UNTITLED)}{SUFFIX}"

    def of_first_pass(self) -> str:
        return f"{self.stem or UNTITLED}{COPY}{SUFFIX}"

    @staticmethod
    def of_state(file: str) -> str:
        """The folder of the state that is saved beside a file."""
        return f"{file.removesuffix(SUFFIX)}-state"


@dataclass(frozen=True)
class SaveSchedule:
    """After which steps and epochs a run saves, and which earlier saves that lets go. Both count from 1. Nothing
    of a first pass is saved but, where `keeps_first`, its end; and where a run has no epochs, the last step is the
    final file's."""

    options: OutputOptions
    plan: StepPlan
    has_epochs: bool = True
    keeps_first: bool = False

    @classmethod
    def of(cls, settings: Settings, plan: StepPlan) -> SaveSchedule:
        return cls(
            settings.output,
            plan,
            settings.mode in ON_IMAGES,
            settings.difference.diff_save_1st_pass and 0 < plan.first_pass < plan.total_steps,
        )

    @property
    def is_first_pass_only(self) -> bool:
        """Whether the final file is the first LoRA's."""
        return self.plan.first_pass == self.plan.total_steps

    def saves_first_pass(self, step: int) -> bool:
        return self.keeps_first and step == self.plan.first_pass

    @property
    def epoch_interval(self) -> int | None:
        """Epochs from one save to the next; `save_n_epoch_ratio` overrides `save_every_n_epochs`."""
        ratio = self.options.save_n_epoch_ratio
        return max(1, self.plan.epochs // ratio) if ratio else self.options.save_every_n_epochs

    def saves_step(self, step: int) -> bool:
        every = self.options.save_every_n_steps
        later = self.plan.first_pass < step and (self.has_epochs or step < self.plan.total_steps)
        return every is not None and step % every == 0 and later

    def saves_epoch(self, epoch: int) -> bool:
        """Whether the end of an epoch is saved under its number; the last one's is the final file."""
        every = self.epoch_interval
        return every is not None and epoch % every == 0 and epoch < self.plan.epochs

    def step_let_go(self, step: int, kept: int | None) -> int | None:
        """The step whose save goes when this one is made, if saves of the last `kept` steps stay: as in sd-scripts
        the newest multiple of the interval that lies further back."""
        every = self.options.save_every_n_steps
        farthest = step - kept - 1 if kept else -1
        if every is None or farthest < every:
            return None
        return farthest - farthest % every

    def epoch_let_go(self, epoch: int, kept: int | None) -> int | None:
        """The epoch whose save goes when this one is made, if `kept` saves stay."""
        every = self.epoch_interval
        if every is None or not kept or epoch - kept * every < 1:
            return None
        return epoch - kept * every

    @property
    def saved_epochs(self) -> list[int]:
        return [epoch for epoch in range(1, self.plan.epochs + 1) if self.saves_epoch(epoch)]

    @property
    def saved_steps(self) -> list[int]:
        every = self.options.save_every_n_steps
        return [s for s in range(every, self.plan.total_steps + 1, every) if self.saves_step(s)] if every else []

    @property
    def files_at_end(self) -> int:
        """How many files lie there when the run is done, the final one among them."""
        gone_epochs = {self.epoch_let_go(epoch, self.options.save_last_n_epochs) for epoch in self.saved_epochs}
        gone_steps = {self.step_let_go(step, self.options.save_last_n_steps) for step in self.saved_steps}
        in_between = len(set(self.saved_epochs) - gone_epochs) + len(set(self.saved_steps) - gone_steps)
        return 1 + in_between + self.keeps_first

    def file_names(self, name: CheckpointName) -> list[str]:
        """All files that the run writes, those among them that it will remove again."""
        by_epoch = [name.at_epoch(epoch) for epoch in self.saved_epochs]
        first = [name.of_first_pass()] if self.keeps_first or self.is_first_pass_only else []
        last = [] if self.is_first_pass_only else [name.at_end()]
        return [*by_epoch, *first, *(name.at_step(step) for step in self.saved_steps), *last]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What the metadata of every checkpoint of a run tells; times are seconds since 1970."""

    settings: Settings
    seed: int
    plan: StepPlan
    base: BaseModel
    base_hashes: FileHashes | None
    vae_hashes: FileHashes | None = None
    datasets: tuple[CollectedDataset, ...]
    validation: tuple[CollectedDataset, ...] = ()
    optimizer: str
    session_id: int
    started_at: float
    stage: Mapping[str, object] = field(default_factory=dict)
    """What tells a stage of a run of several."""

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height that are trained at."""
        if self.datasets:
            return self.datasets[0].dataset.rule.resolution
        return self.settings.resolution or (self.base.resolution, self.base.resolution)


def verify(path: Path) -> Header:
    """The header of a whole checkpoint file; CheckpointError says what is wrong with any other."""
    return verify_safetensors(path)


STAGE, STAGES = "stage", "stages"
"""The stage that a file is of, as `base` or `concept_A`, and how many there are."""
ALWAYS_TOLD = frozenset(
    {"v2", "base_model_version", "network_module", "network_dim", "network_alpha", "network_args", STAGE, STAGES}
)
"""What loaders need to know, and what tells whether a run is done; `no_metadata` leaves out the rest."""


def training_metadata(facts: RunFacts, *, epoch: int, step: int, saved_at: float) -> dict[str, str]:
    """The `ss_...` keys of sd-scripts. Values are text: Python's spelling of numbers, JSON of tables."""
    values: dict[str, object] = {
        **_option_values(facts),
        **_run_values(facts),
        **dataset_facts(facts.settings, facts.datasets, facts.validation),
        **facts.stage,
        "training_finished_at": saved_at,
        "epoch": epoch,
        "steps": step,
    }
    kept = ALWAYS_TOLD if facts.settings.metadata.no_metadata else values.keys()
    return {
        f"ss_{key}": json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
        for key, value in values.items()
        if key in kept
    }


def model_spec(facts: RunFacts, *, saved_at: float) -> dict[str, str]:
    """The `modelspec.` keys (SAI model specification 1.0.1) of a LoRA file. They tell the size trained at."""
    width, height = facts.size_px
    name = facts.settings.output.output_name or "last"
    clip_skip = facts.settings.model.clip_skip
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{architecture(facts.base)}/lora",
        "modelspec.implementation": STABILITY if facts.base.family == "sdxl" else DIFFUSERS,
        "modelspec.implementation_version": SOFTWARE,
        "modelspec.title": name,
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.date": datetime.fromtimestamp(saved_at).isoformat(timespec="seconds"),
        "modelspec.prediction_type": "v" if facts.base.v_prediction else "epsilon",
        **({"modelspec.encoder_layer": str(clip_skip)} if clip_skip else {}),
        **_timestep_range(facts.settings),
        **{f"modelspec.{name}": text for name, text in _own_words(facts.settings).items()},
    }


def _timestep_range(settings: Settings) -> dict[str, str]:
    least, most = _value(settings, "min_timestep"), _value(settings, "max_timestep")
    if least is None and most is None:
        return {}
    return {"modelspec.timestep_range": f"{least or 0},{1000 if most is None else most}"}


def _own_words(settings: Settings) -> dict[str, str]:
    """What the `metadata_...` options say, by what comes after that."""
    values = {one.name: getattr(settings.metadata, one.name) for one in fields(settings.metadata)}
    return {
        name.removeprefix("metadata_"): value
        for name, value in values.items()
        if name.startswith("metadata_") and value is not None
    }


def architecture(base: BaseModel) -> str:
    """What the SAI model specification calls the model."""
    if base.family == "sd2":
        return "stable-diffusion-v2-768-v" if base.v_prediction else "stable-diffusion-v2-512"
    return {"sd1": "stable-diffusion-v1", "sdxl": "stable-diffusion-xl-v1-base"}[base.family]


def base_model_version(base: BaseModel) -> str:
    """What sd-scripts calls the model; of SDXL it tells no kinds of prediction apart."""
    if base.family == "sdxl":
        return "sdxl_base_v1-0"
    return {"sd1": "sd_v1", "sd2": "sd_v2"}[base.family] + ("_v" if base.v_prediction else "")


def hashes(legacy_form: bytes, data_start: int) -> dict[str, str]:
    """The `sshs_` keys: what WebUIs know a file by. `legacy_form` is the file with no metadata but `ss_` keys."""
    legacy = hashlib.sha256(legacy_form[0x100000:0x110000]).hexdigest()[:8]
    return {
        "sshs_model_hash": hashlib.sha256(legacy_form[data_start:]).hexdigest(),
        "sshs_legacy_hash": legacy,
    }


RECORDED = (
    *("output_name", "learning_rate", "unet_lr", "gradient_checkpointing", "gradient_accumulation_steps"),
    *("lr_scheduler", "network_module", "network_dropout", "mixed_precision", "full_fp16", "clip_skip"),
    *("max_token_length", "lowram", "noise_offset", "noise_offset_random_strength", "multires_noise_iterations"),
    *("multires_noise_discount", "adaptive_noise_scale", "zero_terminal_snr", "training_comment", "max_grad_norm"),
    *("caption_dropout_rate", "caption_dropout_every_n_epochs", "caption_tag_dropout_rate"),
    *("face_crop_aug_range", "prior_loss_weight", "min_snr_gamma", "scale_weight_norms", "ip_noise_gamma"),
    *("ip_noise_gamma_random_strength", "loss_type", "huber_schedule", "huber_scale", "huber_c", "fp8_base"),
    *("fp8_base_unet", "validation_seed", "validation_split", "max_validation_steps"),
    *("validate_every_n_epochs", "validate_every_n_steps", "resize_interpolation"),
)
"""Options that the metadata hold under their own names; one that is not supported has sd-scripts' default."""


def _option_values(facts: RunFacts) -> dict[str, object]:
    settings = facts.settings
    rates = settings.optimizer.text_encoder_lr
    return {
        **{name: _value(settings, name) for name in RECORDED},
        "text_encoder_lr": rates[0] if rates else None,
        "lr_warmup_steps": warmup_steps(settings, facts.plan.total_steps),
        "network_dim": settings.rank,
        "network_alpha": settings.alpha,
        **_network_arguments(settings),
        **_concept(settings),
        "debiased_estimation": _value(settings, "debiased_estimation_loss"),
    }


def _value(settings: Settings, name: str) -> object:
    return settings.get(name) if supported(name) else kohya_options()[name].default


def _network_arguments(settings: Settings) -> dict[str, object]:
    """`network_args` as a table; the key is left out without any."""
    arguments = _value(settings, "network_args")
    if not isinstance(arguments, tuple) or not arguments:
        return {}
    pairs = (str(argument).partition("=") for argument in arguments)
    return {"network_args": {name.strip(): value.strip() for name, _, value in pairs}}


def _concept(settings: Settings) -> dict[str, object]:
    """How else than on images it was trained, with the options of that mode."""
    if settings.mode == IMAGES:
        return {}
    names = ("mode", *(name for name, modes in OF_MODES.items() if settings.mode in modes and IMAGES not in modes))
    values = {name: settings.get(name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _run_values(facts: RunFacts) -> dict[str, object]:
    return {
        "session_id": facts.session_id,
        "training_started_at": facts.started_at,
        "num_batches_per_epoch": facts.plan.batches_per_epoch,
        "num_epochs": facts.plan.epochs,
        "max_train_steps": facts.plan.total_steps,
        "seed": facts.seed,
        "optimizer": facts.optimizer,
        **_base_values(facts),
        "sd_scripts_commit_hash": SOFTWARE,
    }


def _base_values(facts: RunFacts) -> dict[str, object]:
    """What tells the base model and its VAE; a folder has no hash."""
    base, hashes, vae_hashes = facts.base, facts.base_hashes, facts.vae_hashes
    values: dict[str, object] = {
        "v2": base.family == "sd2",
        "base_model_version": base_model_version(base),
        "sd_model_name": base.path.name,
    }
    if hashes:
        values |= {"sd_model_hash": hashes.legacy, "new_sd_model_hash": hashes.sha256}
    if base.vae_path:
        values["vae_name"] = base.vae_path.name
    if vae_hashes:
        values |= {"vae_hash": vae_hashes.legacy, "new_vae_hash": vae_hashes.sha256}
    return values
