"""The JSON files of kohya_ss, the form in front of sd-scripts: many keys are sd-scripts' own, some have names of
the form's, numbers may be text, and 0 or "" mostly means that nothing is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sd_contract.options import kohya_options
from sd_contract.options.groups import DYLORA, LYCORIS
from sd_contract.options.lycoris import ONLY_OF
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
    left,
    not_here,
    number,
    same,
    switch,
    take_in,
    unknown,
    unless_nothing,
)
from train_tools.errors import OptionValueError
from train_tools.grids.expressions import assignments_in
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.options.table import OptionTable

SIGNS = ("LoRA_type", "max_resolution", "lr_warmup", "stop_text_encoder_training_pct", "sdxl_no_half_vae")
"""Keys that only this form writes."""
TYPED = "additional_parameters"
LOCON, DYLORA_OF_KOHYA = "Kohya LoCon", "Kohya DyLoRA"
ALGORITHMS = {
    "LyCORIS/LoCon": "locon",
    "LyCORIS/LoHa": "loha",
    "LyCORIS/LoKr": "lokr",
    "LyCORIS/iA3": "ia3",
    "LyCORIS/GLoRA": "glora",
    "LyCORIS/Diag-OFT": "diag-oft",
    "LyCORIS/BOFT": "boft",
    "LyCORIS/DyLoRA": "dylora",
    "LyCORIS/Native Fine-Tuning": "full",
}
"""Kinds of networks that the form has, and what LyCORIS calls them."""
RENAMED = {"LyCORIS_preset": "preset", "constrain": "constraint", "use_cp": "use_tucker", "unit": "block_size"}
NOT_ARGUMENTS = {
    "bypass_mode": "outputs are added to wherever that gives the same",
    "rank_dropout_scale": "what stays is always scaled up",
    "train_on_input": "the preset ia3 says it of the layers it is meant for",
}
OTHER_FAMILIES = ("flux1_", "flux_", "sd3_", "lumina_", "hunyuan_", "anima_")


def is_kohya_ss(table: Mapping[str, Any]) -> bool:
    return any(key in table for key in SIGNS)


def import_kohya_ss(said: Mapping[str, Any], table: OptionTable) -> ImportedConfig:
    """What is typed behind the command line comes last there, so it does here."""
    intake = Intake(ConfigFormat.KOHYA_SS, said, table)
    typed_last = dict(sorted(said.items(), key=lambda item: item[0] == TYPED))
    take_in(intake, RULES, _by_its_own_name, typed_last)
    return intake.imported()


def _by_its_own_name(intake: Intake, key: str, value: Any) -> None:
    if key.startswith(OTHER_FAMILIES):
        not_here("for models of a family that is not trained here")(intake, key, value)
    elif key in kohya_options():
        unless_nothing()(intake, key, value)
    else:
        unknown(intake, key, value)


def _network(intake: Intake, key: str, value: Any) -> None:
    if value in ("Standard", LOCON):
        intake.set(key, "network_module", NETWORK_MODULE)
    elif value == DYLORA_OF_KOHYA:
        intake.set(key, "network_module", DYLORA)
    elif value in ALGORITHMS:
        intake.set(key, "network_module", LYCORIS)
        intake.add_argument(key, "network_args", "algo", ALGORITHMS[value])
    else:
        known = ", ".join(("Standard", LOCON, DYLORA_OF_KOHYA, *ALGORITHMS))
        intake.leave(key, Fate.NOT_SUPPORTED, f"the bundled engine trains {known}")


def _only_of_lycoris(intake: Intake, key: str, value: Any) -> None:
    """The form keeps the arguments of all methods, and hands over those of the chosen one that say something."""
    algorithm, name = ALGORITHMS.get(str(intake.values.get("LoRA_type"))), RENAMED.get(key, key)
    if algorithm is None and (key, intake.values.get("LoRA_type")) == ("unit", DYLORA_OF_KOHYA):
        intake.add_argument(key, "network_args", "unit", value)
    elif algorithm is None:
        intake.leave(key, Fate.WITHOUT_EFFECT, "only networks of LyCORIS use it")
    elif key in NOT_ARGUMENTS:
        intake.leave(key, Fate.WITHOUT_EFFECT, NOT_ARGUMENTS[key])
    elif algorithm not in ONLY_OF.get(name, (algorithm,)):
        intake.leave(key, Fate.WITHOUT_EFFECT, f"algo={algorithm} makes no use of it")
    elif value in (False, 0, "", "False"):
        intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")
    else:
        intake.add_argument(key, "network_args", name, value)


def _convolution(name: str) -> Rule:
    """The form keeps it for every network and uses it in those with convolutions."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        kind = intake.values.get("LoRA_type")
        if kind in (LOCON, DYLORA_OF_KOHYA, *ALGORITHMS) and number(value):
            intake.add_argument(key, "network_args", name, value)
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, f"only LoRA_type {LOCON} and those of LyCORIS use it")

    return applied


def _argument(intake: Intake, key: str, value: Any) -> None:
    intake.add_argument(key, "network_args", key, value)


def _part_rate(option: str, other: str, without: str) -> Rule:
    """A part's rate. The form leaves a part out whose rate is 0 while the other's is not."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if number(value):
            intake.set(key, option, value)
        elif number(intake.values.get(other)):
            intake.set(key, without, True, Fate.CONVERTED, f"0 leaves that part out: {without}")
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing; learning_rate holds")

    return applied


def _warmup_percent(intake: Intake, key: str, value: Any) -> None:
    if number(intake.values.get("lr_warmup_steps")):
        intake.leave(key, Fate.WITHOUT_EFFECT, "lr_warmup_steps goes before it")
        return
    share = number(value) / 100
    intake.set(key, "lr_warmup_steps", share, Fate.CONVERTED, f"{value} % of all steps is {share:g}")


def _epochs(intake: Intake, key: str, value: Any) -> None:
    """The form works out the steps from it, unless steps or max_train_epochs are given."""
    for stronger in ("max_train_epochs", "max_train_steps"):
        if number(intake.values.get(stronger)):
            intake.leave(key, Fate.WITHOUT_EFFECT, f"{stronger} goes before it")
            return
    intake.set(key, "max_train_epochs", value)


def _attention(intake: Intake, key: str, value: Any) -> None:
    name = "xformers" if value is True else str(value)
    if name in ("xformers", "sdpa"):
        intake.set(key, name, True, Fate.TAKEN if value is True else Fate.CONVERTED, f"{name} is switched on")
    else:
        not_here("there is no such attention here", "none", "None")(intake, key, value)


def _of_noise(kind: str) -> Rule:
    def applied(intake: Intake, key: str, value: Any) -> None:
        if intake.values.get("noise_offset_type", kind) == kind:
            unless_nothing()(intake, key, value)
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, f"only noise_offset_type {kind} uses it")

    return applied


def _of_sdxl(option: str) -> Rule:
    def applied(intake: Intake, key: str, value: Any) -> None:
        if intake.values.get("sdxl"):
            switch(option)(intake, key, value)
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, "only SDXL models use it")

    return applied


def _additional(intake: Intake, key: str, value: Any) -> None:
    """Options as one would type them. They may hold a secret, so they are never shown whole."""
    intake.hide(key)
    try:
        assignments = assignments_in(str(value))
    except OptionValueError:
        intake.leave(key, Fate.NOT_USABLE, "it can't be read as a command line: --name=value --switch")
        return
    for name, text in assignments.items():
        intake.set(f"{key} --{name}", name, True if text == "true" else text, Fate.TAKEN)


RULES: Rules = {
    "LoRA_type": _network,
    **dict.fromkeys(
        (
            *("LyCORIS_preset", "bypass_mode", "constrain", "decompose_both", "dora_wd", "factor", "rescaled"),
            *("rank_dropout_scale", "train_norm", "train_on_input", "use_cp", "use_scalar", "use_tucker", "unit"),
        ),
        _only_of_lycoris,
    ),
    "conv_dim": _convolution("conv_dim"),
    "conv_alpha": _convolution("conv_alpha"),
    **dict.fromkeys(
        (
            *("down_lr_weight", "mid_lr_weight", "up_lr_weight", "block_lr_zero_threshold", "block_dims"),
            *("block_alphas", "conv_block_dims", "conv_block_alphas", "rank_dropout", "module_dropout"),
            *("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio"),
        ),
        unless_nothing(_argument),
    ),
    "lora_network_weights": unless_nothing(called("network_weights")),
    "optimizer": called("optimizer_type"),
    "max_resolution": called("resolution"),
    "learning_rate": same,
    "text_encoder_lr": _part_rate("text_encoder_lr", "unet_lr", "network_train_unet_only"),
    "unet_lr": _part_rate("unet_lr", "text_encoder_lr", "network_train_text_encoder_only"),
    "lr_warmup": unless_nothing(_warmup_percent),
    "epoch": unless_nothing(_epochs),
    "max_token_length": unless_nothing(same, 75, "75"),
    "min_timestep": unless_nothing(same),
    "max_timestep": unless_nothing(same, 1000, "1000"),
    "xformers": unless_nothing(_attention),
    "noise_offset": _of_noise("Original"),
    "noise_offset_random_strength": _of_noise("Original"),
    "adaptive_noise_scale": _of_noise("Original"),
    "multires_noise_iterations": _of_noise("Multires"),
    "multires_noise_discount": _of_noise("Multires"),
    "noise_offset_type": left("the options of that kind of noise say it"),
    "sdxl": left("the base model's file tells its family"),
    "model_list": left("the base model is chosen by its file"),
    "sdxl_cache_text_encoder_outputs": _of_sdxl("cache_text_encoder_outputs"),
    "sdxl_no_half_vae": _of_sdxl("no_half_vae"),
    **dict.fromkeys(
        ("stop_text_encoder_training", "stop_text_encoder_training_pct"),
        not_here("the text encoder is trained to the end here"),
    ),
    "no_token_padding": not_here("captions are always padded here"),
    TYPED: unless_nothing(_additional),
    **dict.fromkeys(
        (
            *("num_cpu_threads_per_process", "num_processes", "num_machines", "multi_gpu", "gpu_ids"),
            *("main_process_port", "extra_accelerate_launch_args", "dynamo_backend", "dynamo_mode"),
            *("dynamo_use_fullgraph", "dynamo_use_dynamic", "lowram", "lowvram", "highvram"),
        ),
        left(MACHINE),
    ),
    **dict.fromkeys(("log_with", "use_wandb", "log_tracker_config", "log_config", "wandb_run_name"), left(LOGS)),
    **dict.fromkeys(
        ("sample_prompts", "sample_sampler", "sample_every_n_steps", "sample_every_n_epochs"), left(SAMPLES)
    ),
    **dict.fromkeys(("model_name", "save_as_bool", "output_dir", "output_name", "logging_dir"), left(PLACE)),
    **dict.fromkeys(("train_data_dir", "reg_data_dir", "caption_extension", "dataset_config"), left(DATASET)),
}
