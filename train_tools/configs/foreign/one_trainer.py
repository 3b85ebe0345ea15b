"""The presets and configs of OneTrainer: JSON whose parts (unet, text_encoder, optimizer) are tables of their own.
A preset holds only what differs from the program's defaults, so what is missing means them. Older formats have
other names for some keys."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sd_contract.options.optimizers import ARGUMENTS
from train_tools.configs.intake import NETWORK_MODULE, Intake
from train_tools.configs.rules import (
    DATASET,
    LOGS,
    MACHINE,
    PLACE,
    SAMPLES,
    Rule,
    Rules,
    called,
    chosen,
    left,
    not_here,
    number,
    switch,
    unknown,
    unless_nothing,
)
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.options.table import OptionTable

VERSION = "__version"
NEWEST_KNOWN = 12
PARTS = ("unet", "text_encoder", "text_encoder_2", "vae", "optimizer")
"""Tables whose keys are read one by one; of others it is said what they are."""
OLDER_NAMES: Mapping[str, str] = {
    "train_unet": "unet.train",
    "unet_learning_rate": "unet.learning_rate",
    "unet_weight_dtype": "unet.weight_dtype",
    "train_unet_epochs": "unet.stop_training_after",
    "train_text_encoder": "text_encoder.train",
    "text_encoder_learning_rate": "text_encoder.learning_rate",
    "text_encoder_weight_dtype": "text_encoder.weight_dtype",
    "train_text_encoder_epochs": "text_encoder.stop_training_after",
    "train_text_encoder_2": "text_encoder_2.train",
    "text_encoder_2_learning_rate": "text_encoder_2.learning_rate",
    "text_encoder_2_weight_dtype": "text_encoder_2.weight_dtype",
    "train_text_encoder_2_epochs": "text_encoder_2.stop_training_after",
    "vae_weight_dtype": "vae.weight_dtype",
    "vae_model_name": "vae.model_name",
    "optimizer": "optimizer.optimizer",
    "weight_decay": "optimizer.weight_decay",
    "latent_caching": "image_caching",
    "lora_layer_preset": "layer_filter_preset",
    "lora_layers": "layer_filter",
    "lora_layers_regex": "layer_filter_regex",
    "save_after": "save_every",
    "save_after_unit": "save_every_unit",
}
DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 3e-6,
    "learning_rate_scheduler": "CONSTANT",
    "learning_rate_warmup_steps": 200.0,
    "epochs": 100,
    "batch_size": 1,
    "resolution": "512",
    "train_dtype": "FLOAT_16",
    "output_dtype": "FLOAT_32",
    "gradient_checkpointing": "ON",
    "aspect_ratio_bucketing": True,
    "image_caching": True,
    "lora_rank": 16,
    "lora_alpha": 1.0,
    "layer_filter_preset": "full",
    "optimizer.optimizer": "ADAMW",
}
"""What decides the result, where a file does not say it."""
STOPS_AFTER = 30
BASE_FORMATS = {"FLOAT_16": "fp16", "BFLOAT_16": "bf16", "FLOAT_32": None, "TFLOAT_32": None}
FILE_FORMATS = {"FLOAT_16": "fp16", "BFLOAT_16": "bf16", "FLOAT_32": "float"}
OPTIMIZERS = {
    "ADAM": "Adam",
    "ADAM_8BIT": "Adam8bit",
    "ADAMW": "AdamW",
    "ADAMW_8BIT": "AdamW8bit",
    "ADAFACTOR": "AdaFactor",
    "ADEMAMIX": "AdEMAMix",
    "ADEMAMIX_8BIT": "AdEMAMix8bit",
    "ADOPT": "ADOPT",
    "CAME": "CAME",
    "LAMB": "Lamb",
    "LION": "Lion",
    "LION_8BIT": "Lion8bit",
    "MUON": "Muon",
    "PRODIGY": "Prodigy",
    "PRODIGY_PLUS_SCHEDULE_FREE": "ProdigyPlusScheduleFree",
    "SCHEDULE_FREE_ADAMW": "AdamWScheduleFree",
    "SCHEDULE_FREE_SGD": "SGDScheduleFree",
    "TIGER": "Tiger",
    "DADAPT_ADAM": "DAdaptAdam",
    "DADAPT_ADA_GRAD": "DAdaptAdaGrad",
    "DADAPT_ADAN": "DAdaptAdan",
    "DADAPT_LION": "DAdaptLion",
    "DADAPT_SGD": "DAdaptSGD",
}
SCHEDULERS = {
    "CONSTANT": "constant",
    "LINEAR": "linear",
    "COSINE": "cosine",
    "COSINE_WITH_HARD_RESTARTS": "cosine_with_restarts",
    "REX": "rex",
}
LOSSES = {"mse_strength": "l2", "mae_strength": "l1", "log_cosh_strength": "", "huber_strength": ""}
"""How strongly each measure counts; what has no name here can't be trained."""
FAMILY = "the base model's file tells its family"
HELD_IN = "mixed_precision says in which format the base model is held"
COMPUTED = "how the optimizer is computed, not what"


def is_one_trainer(table: Mapping[str, Any]) -> bool:
    signs = ("training_method", "base_model_name", "output_model_destination", "lora_rank")
    return sum(sign in table for sign in signs) >= 2


def import_one_trainer(said: Mapping[str, Any], table: OptionTable) -> ImportedConfig:
    keys = dict(_keys(said))
    intake = Intake(ConfigFormat.ONE_TRAINER, {key: value for key, (_, value) in keys.items()}, table)
    intake.hide("cloud", "secrets")
    for key, (name, value) in keys.items():
        _rule_of(name)(intake, key, value)
    names = {name for name, _ in keys.values()} | {name.removeprefix("unet.") for name, _ in keys.values()}
    for name, value in DEFAULTS.items():
        if name not in names:
            with intake.assuming():
                _rule_of(name)(intake, name, value)
    _note_text_encoder(intake, names)
    return intake.imported()


def _keys(table: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Keys as they stand in the file (`unet.train`), each with its name in newer formats and its value."""
    for key, value in table.items():
        if key in PARTS and isinstance(value, dict):
            for inner, inner_value in value.items():
                yield f"{key}.{inner}", (f"{key}.{inner}", inner_value)
        elif key.startswith("optimizer_") and key != "optimizer_defaults":
            yield key, (f"optimizer.{key.removeprefix('optimizer_')}", value)
        else:
            yield key, (OLDER_NAMES.get(key, key), value)


def _said(intake: Intake, name: str) -> Any:
    """The value of a key, under whichever name it stands in the file; else the default."""
    older = (old for old, new in OLDER_NAMES.items() if new == name)
    return next((intake.values[key] for key in (name, *older) if key in intake.values), DEFAULTS.get(name))


def _version(intake: Intake, key: str, value: Any) -> None:
    intake.leave(key, Fate.LEFT_OUT, "the number of the file's format")
    if number(value) > NEWEST_KNOWN:
        intake.notes.append(
            f"The file is of OneTrainer's format {value}; up to {NEWEST_KNOWN} is known here. Keys may mean "
            "something else by now: look at what was taken."
        )


def _method(intake: Intake, key: str, value: Any) -> None:
    if value == "LORA":
        intake.set(key, "network_module", NETWORK_MODULE)
    else:
        intake.leave(key, Fate.NOT_SUPPORTED, "only LORA can be trained here")


def _scheduler(intake: Intake, key: str, value: Any) -> None:
    if value == "CONSTANT" and number(_said(intake, "learning_rate_warmup_steps")):
        intake.set(key, "lr_scheduler", "constant_with_warmup")
    else:
        chosen("lr_scheduler", SCHEDULERS, "schedule")(intake, key, value)


def _warmup(intake: Intake, key: str, value: Any) -> None:
    """Up to 1 a share of all steps, else steps."""
    count = number(value)
    intake.set(key, "lr_warmup_steps", count if count <= 1 else round(count))


def _cycles(intake: Intake, key: str, value: Any) -> None:
    if _said(intake, "learning_rate_scheduler") == "COSINE_WITH_HARD_RESTARTS":
        intake.set(key, "lr_scheduler_num_cycles", value)
    else:
        not_here("only COSINE_WITH_HARD_RESTARTS has cycles here", 1, 1.0)(intake, key, value)


def _lowest_rate(intake: Intake, key: str, value: Any) -> None:
    if _said(intake, "learning_rate_scheduler") == "COSINE":
        intake.options["lr_scheduler"] = "cosine_with_min_lr"
        intake.set(key, "lr_scheduler_min_lr_ratio", value, Fate.CONVERTED, "with cosine_with_min_lr")
    else:
        intake.leave(key, Fate.NOT_SUPPORTED, "only COSINE can end above 0 here")


def _resolution(intake: Intake, key: str, value: Any) -> None:
    sizes = [size.strip() for size in str(value).split(",") if size.strip()]
    if len(sizes) > 1:
        intake.notes.append(
            f"OneTrainer would mix the sizes {', '.join(sizes)}; here a run has one, and {sizes[0]} was taken. "
            f"For all of them: resolution = {', '.join(sizes)} as an axis of a grid."
        )
    intake.set(key, "resolution", (sizes or [""])[0].replace("x", ","))


def _layers(intake: Intake, key: str, value: Any) -> None:
    """`full` gives convolutions LoRAs of the same rank; `attn-mlp` is what is usual here."""
    if value == "full":
        intake.add_argument(key, "network_args", "conv_dim", _said(intake, "lora_rank"))
        intake.add_argument(key, "network_args", "conv_alpha", _said(intake, "lora_alpha"))
    else:
        not_here("only the layers of full and attn-mlp can be chosen here", "attn-mlp")(intake, key, value)


def _loss(intake: Intake, key: str, value: Any) -> None:
    alone = all(not number(_said(intake, other)) for other in LOSSES if other not in (key, "mse_strength"))
    alone = alone and (key == "mse_strength" or intake.values.get("mse_strength") == 0)
    if number(value) == 1 and alone and LOSSES[key]:
        intake.set(key, "loss_type", LOSSES[key])
    else:
        not_here("a loss can't be mixed or weighed here")(intake, key, value)


def _loss_weight(intake: Intake, key: str, value: Any) -> None:
    if value == "MIN_SNR_GAMMA":
        intake.set(key, "min_snr_gamma", intake.values.get("loss_weight_strength", 5.0))
    elif value == "DEBIASED_ESTIMATION":
        intake.set(key, "debiased_estimation_loss", True)
    else:
        not_here("timesteps can't be weighed that way here", "CONSTANT")(intake, key, value)


def _loss_weight_strength(intake: Intake, key: str, value: Any) -> None:
    if intake.values.get("loss_weight_fn") == "MIN_SNR_GAMMA":
        intake.set(key, "min_snr_gamma", value)
    else:
        intake.leave(key, Fate.WITHOUT_EFFECT, "only MIN_SNR_GAMMA uses it here")


def _timestep(option: str) -> Rule:
    """Noise between 0 and 1 as one of 1000 timesteps."""
    return lambda intake, key, value: intake.set(key, option, round(number(value) * 1000), Fate.CONVERTED)


def _is_trained(without: str) -> Rule:
    def applied(intake: Intake, key: str, value: Any) -> None:
        if value is False:
            intake.set(key, without, True)
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, "it is trained anyway")

    return applied


def _second_is_trained(intake: Intake, key: str, value: Any) -> None:
    if value is not False:
        intake.leave(key, Fate.WITHOUT_EFFECT, "it is trained anyway")
    elif _said(intake, "text_encoder.train") is False:
        intake.leave(key, Fate.WITHOUT_EFFECT, "neither text encoder is trained")
    else:
        intake.leave(key, Fate.NOT_SUPPORTED, "both text encoders are trained, or neither")


def _text_rate(intake: Intake, key: str, value: Any) -> None:
    """The rates of the text encoders, the first one's first; one that has none of its own has the common one."""
    if _said(intake, "text_encoder.train") is False:
        intake.leave(key, Fate.WITHOUT_EFFECT, "the text encoder is not trained")
        return
    encoders = (
        ("text_encoder", "text_encoder_2") if "XL" in str(_said(intake, "model_type")) else ("text_encoder",)
    )
    own = [_said(intake, f"{encoder}.learning_rate") for encoder in encoders]
    common = _said(intake, "learning_rate")
    intake.set(key, "text_encoder_lr", [common if rate is None else rate for rate in own])


def _note_text_encoder(intake: Intake, said: Collection[str]) -> None:
    trained = _said(intake, "text_encoder.train") is not False
    if (
        trained
        and "text_encoder.stop_training_after" not in said
        and number(_said(intake, "epochs")) > STOPS_AFTER
    ):
        intake.notes.append(
            f"OneTrainer stops training the text encoder after {STOPS_AFTER} epochs where nothing else is said; "
            "here it is trained to the end."
        )


def _stops_after(intake: Intake, key: str, value: Any) -> None:
    epochs = _said(intake, "epochs")
    if not number(value) or number(value) >= number(epochs):
        intake.leave(key, Fate.WITHOUT_EFFECT, "it is not reached, or asks for nothing")
    else:
        intake.leave(key, Fate.NOT_SUPPORTED, "every part is trained to the end here")


def _skipped_layers(intake: Intake, key: str, value: Any) -> None:
    layers = round(number(value)) + 1
    intake.set(key, "clip_skip", layers, Fate.CONVERTED, f"{value} left out is the layer {layers} from the end")


def _saved_every(intake: Intake, key: str, value: Any) -> None:
    unit = str(_said(intake, "save_every_unit") or "NEVER")
    options = {"EPOCH": "save_every_n_epochs", "STEP": "save_every_n_steps"}
    if unit == "NEVER":
        intake.leave(key, Fate.WITHOUT_EFFECT, "the unit is NEVER")
    elif unit in options:
        intake.set(key, options[unit], value)
    else:
        intake.leave(key, Fate.NOT_SUPPORTED, f"files are saved by epochs or steps, not by {unit}")


def _checkpointing(intake: Intake, key: str, value: Any) -> None:
    if value in (True, "ON", "CPU_OFFLOADED"):
        intake.set(key, "gradient_checkpointing", True)
    else:
        not_here("there is no such way to save memory here", "OFF")(intake, key, value)


def _attention(intake: Intake, key: str, value: Any) -> None:
    name = {"XFORMERS": "xformers", "SDP": "sdpa"}.get(str(value))
    if name:
        intake.set(key, name, True)
    else:
        not_here("there is no such attention here", "DEFAULT")(intake, key, value)


def _average(intake: Intake, key: str, value: Any) -> None:
    if value in ("GPU", "CPU"):
        intake.set(key, "ema_decay", intake.values.get("ema_decay", 0.999))
    else:
        not_here("there is no such average of weights here", "OFF")(intake, key, value)


def _optimizer_argument(intake: Intake, key: str, value: Any) -> None:
    """An argument by its name here; the betas and AdaFactor's two epsilons go together."""
    optimizer = OPTIMIZERS.get(str(_optimizer(intake)), "")
    name = key.split(".")[-1].removeprefix("optimizer_")
    pair = next((pair for pair in _PAIRS if name in pair[1]), None)
    if value is None:
        intake.leave(key, Fate.WITHOUT_EFFECT, "it is empty")
    elif pair is not None and pair[0] in ARGUMENTS.get(optimizer, {}) and _is_pair(optimizer, pair[0]):
        _one_of_a_pair(intake, key, pair)
    elif name in ARGUMENTS.get(optimizer, {}):
        intake.add_argument(key, "optimizer_args", name, value)
    else:
        not_here(f"{optimizer or 'the optimizer'} has no such argument here")(intake, key, value)


_PAIRS = (("betas", ("beta1", "beta2")), ("eps", ("eps", "eps2")))


def _is_pair(optimizer: str, name: str) -> bool:
    return name == "betas" or optimizer == "AdaFactor"


def _one_of_a_pair(intake: Intake, key: str, pair: tuple[str, tuple[str, str]]) -> None:
    name, parts = pair
    stem = key[: len(key) - len(next(part for part in reversed(parts) if key.endswith(part)))]
    values = [intake.values.get(stem + part) for part in parts]
    if None in values:
        intake.leave(key, Fate.NOT_SUPPORTED, f"{' and '.join(parts)} go together, and one is missing")
    elif key.endswith(parts[0]):
        intake.add_argument(key, "optimizer_args", name, ",".join(map(str, values)))
    else:
        intake.leave(key, Fate.WITHOUT_EFFECT, f"taken together with {parts[0]}")


def _optimizer(intake: Intake) -> Any:
    return intake.values.get("optimizer.optimizer", intake.values.get("optimizer", "ADAMW"))


def _rule_of(name: str) -> Rule:
    """The key's own rule, else that of the group it belongs to."""
    if name in RULES:
        return RULES[name]
    if name.startswith("optimizer."):
        return _optimizer_argument
    return next((rule for prefix, rule in PREFIXES.items() if name.startswith(prefix)), unknown)


PREFIXES: Rules = {
    **dict.fromkeys(
        ("prior", "transformer", "decoder", "effnet", "unconditional", "text_encoder_3", "text_encoder_4"),
        left("Stable Diffusion models have no such part"),
    ),
    **dict.fromkeys(("oft_", "lokr_", "dora_oft"), left("only other networks than LoRA use it")),
    **dict.fromkeys(("sample", "non_ema_sampling"), left(SAMPLES)),
    **dict.fromkeys(("backup", "rolling_backup"), left("every run can go on from its saved state")),
    **dict.fromkeys(("tensorboard", "validat"), left(LOGS)),
    **dict.fromkeys(("embedding", "additional_embeddings"), not_here("embeddings can't be trained here", {})),
    **dict.fromkeys(("concept",), left(DATASET)),
    **dict.fromkeys(("quantization", "cloud", "device", "multi_gpu", "async_", "fused_"), left(MACHINE)),
}

RULES: Rules = {
    VERSION: _version,
    "training_method": _method,
    "model_type": left(FAMILY),
    "peft_type": not_here("only LORA can be trained here", "LORA"),
    "base_model_name": called("pretrained_model_name_or_path"),
    "learning_rate": called("learning_rate"),
    "learning_rate_scheduler": _scheduler,
    "learning_rate_warmup_steps": unless_nothing(_warmup),
    "learning_rate_cycles": _cycles,
    "learning_rate_min_factor": unless_nothing(_lowest_rate),
    "learning_rate_scaler": not_here("rates are not scaled with the batch here", "NONE"),
    "custom_learning_rate_scheduler": left("it names code that would be run"),
    "scheduler_params": left("only a schedule of one's own code uses them"),
    "epochs": called("max_train_epochs"),
    "batch_size": called("train_batch_size"),
    "gradient_accumulation_steps": unless_nothing(called("gradient_accumulation_steps"), 1),
    "ema": _average,
    **dict.fromkeys(("ema_decay", "ema_update_step_interval"), left("only averages of weights use it")),
    "train_dtype": chosen("mixed_precision", BASE_FORMATS, "number format"),
    "output_dtype": chosen("save_precision", FILE_FORMATS, "number format"),
    **dict.fromkeys(
        (
            *("weight_dtype", "unet.weight_dtype", "text_encoder.weight_dtype", "text_encoder_2.weight_dtype"),
            *("vae.weight_dtype", "fallback_train_dtype", "enable_autocast_cache"),
        ),
        left(HELD_IN),
    ),
    "lora_weight_dtype": not_here("LoRAs are trained in float32", "FLOAT_32"),
    "embedding_weight_dtype": left("only embeddings use it"),
    "resolution": _resolution,
    "frames": left("only videos use it"),
    "aspect_ratio_bucketing": switch("enable_bucket"),
    "image_caching": switch("cache_latents"),
    "text_caching": left("captions are encoded once whenever the text encoder is not trained"),
    **dict.fromkeys(("clear_cache_before_training", "latent_caching_epochs", "only_cache"), left(MACHINE)),
    "attention_mechanism": _attention,
    **dict.fromkeys(LOSSES, _loss),
    "huber_delta": left("only the huber loss uses it"),
    "vb_loss_strength": left("only models that learn a variance use it"),
    "loss_weight_fn": _loss_weight,
    "loss_weight_strength": _loss_weight_strength,
    "loss_scaler": not_here("losses are not scaled with the batch here", "NONE"),
    "dropout_probability": unless_nothing(called("network_dropout"), 0.0),
    "clip_grad_norm": called("max_grad_norm"),
    "offset_noise_weight": unless_nothing(called("noise_offset")),
    "generalized_offset_noise": not_here("the offset is the same for all timesteps here"),
    "perturbation_noise_weight": unless_nothing(called("ip_noise_gamma")),
    "rescale_noise_scheduler_to_zero_terminal_snr": switch("zero_terminal_snr"),
    "force_v_prediction": switch("v_parameterization"),
    "force_epsilon_prediction": not_here("the base model's file tells what it predicts"),
    "timestep_distribution": not_here("every timestep is as likely as any other here", "UNIFORM"),
    **dict.fromkeys(
        ("noising_weight", "noising_bias", "cep_gamma"), left("only other timestep_distributions use it")
    ),
    **dict.fromkeys(("timestep_shift", "dynamic_timestep_shifting"), left("only other families use it")),
    "min_noising_strength": unless_nothing(_timestep("min_timestep")),
    "max_noising_strength": unless_nothing(_timestep("max_timestep"), 1, 1.0),
    "unet.train": _is_trained("network_train_text_encoder_only"),
    "text_encoder.train": _is_trained("network_train_unet_only"),
    "text_encoder_2.train": _second_is_trained,
    "unet.learning_rate": called("unet_lr"),
    "text_encoder.learning_rate": _text_rate,
    "text_encoder_2.learning_rate": _text_rate,
    **dict.fromkeys((f"{part}.stop_training_after" for part in PARTS[:3]), _stops_after),
    **dict.fromkeys((f"{part}.stop_training_after_unit" for part in PARTS[:3]), left("the unit of the former")),
    **dict.fromkeys((f"{part}.train_embedding" for part in PARTS[1:3]), left("only embeddings use it")),
    "text_encoder.dropout_probability": unless_nothing(called("caption_dropout_rate")),
    "text_encoder_2.dropout_probability": unless_nothing(called("caption_dropout_rate")),
    **dict.fromkeys(
        (
            f"{part}.{key}"
            for part in PARTS[:4]
            for key in ("include", "attention_mask", "guidance_scale", "offload_fraction", "activation_offloading")
        ),
        left(MACHINE),
    ),
    "unet.gradient_checkpointing": _checkpointing,
    **dict.fromkeys((f"{part}.gradient_checkpointing" for part in PARTS[1:4]), left("the U-Net's holds for all")),
    "gradient_checkpointing": _checkpointing,
    "text_encoder_layer_skip": unless_nothing(_skipped_layers),
    "text_encoder_2_layer_skip": not_here("SDXL always takes the layer before the last"),
    **dict.fromkeys(
        ("text_encoder_sequence_length", "text_encoder_2_sequence_length"), left("only other families use it")
    ),
    "vae.model_name": called("vae"),
    "lora_rank": called("network_dim"),
    "lora_alpha": called("network_alpha"),
    "lora_model_name": called("network_weights"),
    "lora_decompose": not_here("LoRAs with a magnitude of their own can't be trained here"),
    **dict.fromkeys(
        ("lora_decompose_norm_epsilon", "lora_decompose_output_axis"), left("only lora_decompose uses it")
    ),
    "bundle_additional_embeddings": left("only embeddings use it"),
    "preserve_embedding_norm": left("only embeddings use it"),
    "layer_filter_preset": _layers,
    "layer_filter": not_here("layers can't be picked by name here"),
    "layer_filter_regex": left("only layer_filter uses it"),
    "masked_training": not_here(
        "masks are a matter of the dataset here: masked_loss with masks beside the images"
    ),
    **dict.fromkeys(
        (
            *("unmasked_probability", "unmasked_weight", "normalize_masked_area_loss"),
            "masked_prior_preservation_weight",
        ),
        left("only masked_training uses it"),
    ),
    "custom_conditioning_image": not_here("only inpainting models use it"),
    "optimizer.optimizer": chosen("optimizer_type", OPTIMIZERS, "optimizer"),
    **dict.fromkeys(
        (
            f"optimizer.{key}"
            for key in ("fused", "foreach", "fused_back_pass", "is_paged", "stochastic_rounding", "capturable")
        ),
        left(COMPUTED),
    ),
    **dict.fromkeys(
        (f"optimizer.{key}" for key in ("min_8bit_size", "quant_block_size", "log_every", "optim_bits")),
        left(COMPUTED),
    ),
    "optimizer_defaults": left("what the form offers for other optimizers"),
    "save_every": _saved_every,
    "save_every_unit": left("the unit of save_every"),
    **dict.fromkeys(("save_skip_first", "save_filename_prefix", "prevent_overwrites"), left(PLACE)),
    **dict.fromkeys(
        (
            *("workspace_dir", "cache_dir", "debug_dir", "output_model_destination", "output_model_format"),
            *("include_train_config", "extra_model_name"),
        ),
        left(PLACE),
    ),
    **dict.fromkeys(
        (
            *("debug_mode", "train_device", "temp_device", "compile", "caching_threads", "dataloader_threads"),
            *("continue_last_backup", "gradient_reduce_precision", "layer_offload_fraction"),
            *("enable_async_offloading", "enable_activation_offloading", "prefetch_next_batch"),
        ),
        left(MACHINE),
    ),
    "force_circular_padding": not_here("images that tile can't be trained here"),
    **dict.fromkeys(("circular_mask_generation", "random_rotate_and_crop"), not_here("a step of its dataset")),
    **dict.fromkeys(("token_count", "initial_embedding_text"), left("only embeddings use it")),
    "secrets": left("secrets are not kept with settings"),
}
