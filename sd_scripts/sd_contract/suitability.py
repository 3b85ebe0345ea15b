"""Whether options suit each other and the base model: what is refused, what has no effect, what surprises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sd_contract.base_models.base_model import BaseModel, agreed, inspect_trainable, with_vae
from sd_contract.errors import OptionError
from sd_contract.lycoris.plan import lycoris_plan, refuse_misfitting_sizes
from sd_contract.modes import idle_in_mode
from sd_contract.networks import network_plan
from sd_contract.options import Settings, network_arguments, option
from sd_contract.tensors.tensor_files import verify_safetensors

OVERRULED: Mapping[str, str] = {
    "max_train_steps": "max_train_epochs",
    "save_every_n_epochs": "save_n_epoch_ratio",
    "sample_every_n_steps": "sample_every_n_epochs",
    "text_encoder_lr": "network_train_unet_only",
    "unet_lr": "network_train_text_encoder_only",
    "lr_scheduler": "lr_scheduler_type",
    "lr_warmup_steps": "lr_scheduler_type",
    **dict.fromkeys(
        ("cache_latents", "cache_latents_to_disk", "enable_bucket", "random_crop", "face_crop_aug_range"),
        "dynamic_crop",
    ),
}
"""Options and those beside which they do nothing."""
IDLE_WITHOUT: Mapping[str, str] = {
    "save_last_n_epochs_state": "save_state",
    "save_last_n_steps_state": "save_state",
    "state_every_n_steps": "state_dir",
    "noise_offset_random_strength": "noise_offset",
    "ip_noise_gamma_random_strength": "ip_noise_gamma",
    "multires_noise_discount": "multires_noise_iterations",
    "sigmoid_scale": "timestep_sampling",
    "dynamic_crop_resolution": "dynamic_crop",
    "dynamic_crop_zoom": "dynamic_crop",
    "validate_every_n_steps": "validation_split",
    "validate_every_n_epochs": "validation_split",
    "max_validation_steps": "validation_split",
}
"""Options and those without which they do nothing."""
BY_STEPS = ("save_every_n_steps", "sample_every_n_steps", "state_every_n_steps", "validate_every_n_steps")
BY_EPOCHS = ("save_every_n_epochs", "sample_every_n_epochs", "validate_every_n_epochs")


def chosen_model(settings: Settings, script: str = "") -> tuple[BaseModel, tuple[str, ...]]:
    """The base model as the settings want it trained, and what should be told about it. BaseModelError when
    it can't be trained so, OptionError when the settings don't fit its family."""
    path = Path(str(settings.model.pretrained_model_name_or_path))
    return suited_model(settings, inspect_trainable(path), script)


def suited_model(settings: Settings, base: BaseModel, script: str = "") -> tuple[BaseModel, tuple[str, ...]]:
    """The same for a base model that was looked at already."""
    options = settings.model
    base, doubts = agreed(
        base,
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
    encoders = 2 if base.family == "sdxl" else 1
    if len(settings.optimizer.text_encoder_lr or ()) > encoders:
        first = "first value of text_encoder_lr is" if encoders == 1 else "first two values of text_encoder_lr are"
        warnings.append(f"only the {first} used")
    return warnings


def refuse_misfitting_options(settings: Settings, base: BaseModel) -> None:
    """ContractError for options that this base model can't be trained with, and for LoRA files to begin with that
    can't be read."""
    network_plan(settings, base.family)
    if network_arguments(settings.network).lycoris is not None:
        refuse_misfitting_sizes(lycoris_plan(settings), base)
    loss, is_v = settings.loss, base.v_prediction
    if loss.scale_v_pred_loss_like_noise_pred and not is_v:
        raise OptionError("scale_v_pred_loss_like_noise_pred is for v-prediction models; this one predicts noise.")
    if loss.v_pred_like_loss and is_v:
        raise OptionError("v_pred_like_loss is for models that predict noise; this one is a v-prediction model.")
    given = (settings.network.network_weights, settings.difference.diff_load_1st_pass)
    for path in (*filter(None, given), *settings.network.base_weights):
        verify_safetensors(Path(path))


def idle_options(settings: Settings, *, steps: int, epochs: int, validates: bool = False) -> Iterator[str]:
    """A warning for each option that is given and changes nothing in a run of so many steps and epochs.
    `validates`: images are held out, be it by the dataset config alone."""
    given_by_datasets = ("validation_split",) if validates else ()
    for name, other in OVERRULED.items():
        if _given(name, settings) and _given(other, settings):
            yield f"{_told(name, settings)} has no effect beside {_told(other, settings)}"
    for name, other in IDLE_WITHOUT.items():
        if _given(name, settings) and not _given(other, settings) and other not in given_by_datasets:
            yield f"{_told(name, settings)} has no effect without {other}"
    yield from idle_in_mode(settings)
    for names, there_are, what in ((BY_STEPS, steps, "steps"), (BY_EPOCHS, epochs, "epochs")):
        for name in names:
            every = settings.get(name)
            if isinstance(every, int) and every > there_are:
                yield f"{_told(name, settings)} never comes: the run has {there_are} {what}"


def _given(name: str, settings: Settings) -> bool:
    return settings.get(name) != option(name).default


def _told(name: str, settings: Settings) -> str:
    """An option as it would stand in a config file, near enough."""
    value = settings.get(name)
    written = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{name} = {written.lower() if isinstance(value, bool) else written}"
