"""The presets of TrainTrain: flat JSON, numbers as text. It counts in steps, and its image size is height,
width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sd_contract.modes import taken_by_second_pass
from sd_contract.options.groups import ADDIFT, DIFFERENCE, ILECO, MULTI_ADDIFT, ON_PAIRS
from sd_contract.options.known_optimizers import KNOWN
from train_tools.configs.intake import NETWORK_MODULE, Intake
from train_tools.configs.rules import (
    DATASET,
    LOGS,
    PLACE,
    Rules,
    called,
    chosen,
    left,
    not_here,
    number,
    switch,
    take_in,
    unknown,
    unless_nothing,
)
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig
from train_tools.options.table import OptionTable

SIZE = "image_size(height, width)"
BLOCKS = "network_blocks(BASE = TextEncoder)"
TEXT_ENCODER = "BASE"
SIGNS = (SIZE, BLOCKS, "train_iterations", "lora_trigger_word")
"""Keys that only TrainTrain writes."""
BLOCKS_WITH_ATTENTION = (
    {"IN01", "IN02", "IN04", "IN05", "IN07", "IN08", "M00", *(f"OUT{number:02}" for number in range(3, 12))},
    {"IN04", "IN05", "IN07", "IN08", "M00", *(f"OUT{number:02}" for number in range(6))},
)
"""All blocks that carry LoRAs: of SD1 and SD2, and of SDXL."""
OPTIMIZERS = {
    **{name: name for name in KNOWN},
    "DAdaptation": "DAdaptAdam",
}
SCHEDULERS = {
    **{name: name for name in ("linear", "cosine", "cosine_with_restarts", "polynomial")},
    **{name: name for name in ("constant", "constant_with_warmup", "piecewise_constant")},
    "cosine_annealing": "cosine",
}
LOSSES = {"MSE": None, "L1": "l1", "Smooth-L1": "smooth_l1"}
BASE_FORMATS = {
    "fp16": "fp16",
    "bf16": "bf16",
    "fp32": None,
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": None,
}
FILE_FORMATS = {name: meant or "float" for name, meant in BASE_FORMATS.items()}
MODES = {"LoRA": None, "iLECO": ILECO, "Difference": DIFFERENCE, "ADDifT": ADDIFT, "Multi-ADDifT": MULTI_ADDIFT}
SECOND = "2nd pass"
OTHER_MODES = "only other modes use it"


def is_train_train(table: Mapping[str, Any]) -> bool:
    return sum(key in table for key in SIGNS) >= 2


def import_train_train(said: Mapping[str, Any], table: OptionTable) -> ImportedConfig:
    intake = Intake(ConfigFormat.TRAIN_TRAIN, said, table)
    take_in(intake, RULES, unknown)
    return intake.imported()


def _mode(intake: Intake, key: str, value: Any) -> None:
    if value == "LoRA":
        intake.leave(key, Fate.WITHOUT_EFFECT, "a LoRA is what is trained here")
    else:
        chosen("mode", MODES, "mode")(intake, key, value)


def _mode_of(intake: Intake) -> str | None:
    return MODES.get(str(intake.values.get("mode")))


def _of_pairs(option: str, *harmless: Any) -> Any:
    """Only modes of pairs use it."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if _mode_of(intake) in ON_PAIRS:
            unless_nothing(called(option), *harmless)(intake, key, value)
        else:
            left(OTHER_MODES)(intake, key, value)

    return applied


def _prompt(option: str, *modes: str) -> Any:
    """One prompt; of a mode that has it."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if _mode_of(intake) not in modes:
            left(OTHER_MODES)(intake, key, value)
        elif str(value).strip():
            intake.set(key, option, (str(value).strip(),))
        else:
            intake.leave(key, Fate.WITHOUT_EFFECT, "it is empty")

    return applied


def _second_pass(intake: Intake, key: str, value: Any) -> None:
    """What the second pass has otherwise than the first; all of it is in the file."""
    if _mode_of(intake) != DIFFERENCE or not isinstance(value, Mapping):
        left(OTHER_MODES)(intake, key, value)
    elif intake.values.get("use_2nd_pass_settings") not in (True, "True", "true"):
        intake.leave(key, Fate.WITHOUT_EFFECT, "both passes have the same settings")
    else:
        own = intake.of_the_same(value)
        first = intake.of_the_same({name: said for name, said in intake.values.items() if name != SECOND})
        for one in (own, first):
            take_in(one, RULES, unknown)
        other = {name: said for name, said in own.options.items() if said != first.options.get(name)}
        intake.set(key, "second_pass_args", tuple(taken_by_second_pass(other)))


def _network(intake: Intake, key: str, value: Any) -> None:
    if value in ("lierla", "c3lier"):
        intake.set(key, "network_module", NETWORK_MODULE)
    else:
        chosen("network_type", {"loha": "loha"}, "network")(intake, key, value)
    if value in ("c3lier", "loha"):
        _convolutions(intake, key)


def _convolutions(intake: Intake, key: str) -> None:
    """c3lier has convolutions; a rank or alpha of 0 is that of the other layers."""
    for name, own, common in (
        ("conv_dim", "network_conv_rank", "network_rank"),
        ("conv_alpha", "network_conv_alpha", "network_alpha"),
    ):
        chosen_value = intake.values.get(own) if number(intake.values.get(own)) else intake.values.get(common)
        intake.add_argument(key, "network_args", name, chosen_value)


def _of_convolutions(intake: Intake, key: str, value: Any) -> None:
    if intake.values.get("network_type") in ("c3lier", "loha"):
        intake.leave(key, Fate.WITHOUT_EFFECT, "taken with network_type")
    else:
        intake.leave(key, Fate.WITHOUT_EFFECT, "only c3lier and loha use it")


def _blocks(intake: Intake, key: str, value: Any) -> None:
    listed = [block for block in value if isinstance(block, str)] if isinstance(value, list) else []
    if not any(whole <= set(listed) for whole in BLOCKS_WITH_ATTENTION):
        intake.set(key, "network_blocks", tuple(listed))
    elif TEXT_ENCODER not in listed:
        intake.set(key, "network_train_unet_only", True, Fate.CONVERTED, f"{TEXT_ENCODER} is not among them")
    else:
        intake.leave(key, Fate.WITHOUT_EFFECT, "all blocks are trained anyway")


def _size(intake: Intake, key: str, value: Any) -> None:
    sides = [side.strip() for side in str(value).split(",")]
    intake.set(key, "resolution", ",".join(reversed(sides)))


def _bucket_steps(intake: Intake, key: str, value: Any) -> None:
    """TrainTrain always sorts images into buckets."""
    intake.set(key, "enable_bucket", True, Fate.CONVERTED, "images are sorted into buckets")
    intake.set(key, "bucket_reso_steps", value)


def _settings(option: str) -> Any:
    """`name=value;name=value`, or one in each line."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        for text in str(value).replace(";", "\n").split("\n"):
            name, equals, written = (part.strip() for part in text.partition("="))
            if equals:
                intake.add_argument(key, option, name, written)
            elif name:
                intake.leave(key, Fate.NOT_USABLE, f"{name!r} is no name=value")

    return applied


def _step_rules(intake: Intake, key: str, value: Any) -> None:
    intake.add_argument(key, "lr_scheduler_args", "step_rules", value)


def _mirroring(intake: Intake, key: str, value: Any) -> None:
    if value is True:
        intake.set(key, "flip_aug", True, Fate.CONVERTED, "half of the draws are mirrored, instead of copies")
    else:
        intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")


RULES: Rules = {
    "mode": _mode,
    "network_type": _network,
    "network_rank": called("network_dim"),
    "network_alpha": called("network_alpha"),
    "network_conv_rank": _of_convolutions,
    "network_conv_alpha": _of_convolutions,
    "network_element": unless_nothing(called("network_element"), "Full"),
    "network_resume": called("network_weights"),
    "network_strength": unless_nothing(called("network_strength"), 1, "1", "1.0", 1.0),
    "network_train_text_encoder": left(OTHER_MODES),
    BLOCKS: _blocks,
    SIZE: _size,
    "train_iterations": called("max_train_steps"),
    "train_batch_size": called("train_batch_size"),
    "train_learning_rate": called("learning_rate"),
    "train_textencoder_learning_rate": unless_nothing(called("text_encoder_lr")),
    "train_optimizer": chosen("optimizer_type", OPTIMIZERS, "optimizer"),
    "train_optimizer_settings": unless_nothing(_settings("optimizer_args")),
    "train_lr_scheduler": chosen("lr_scheduler", SCHEDULERS, "schedule"),
    "train_lr_scheduler_settings": not_here("schedules take no settings of their own here"),
    "train_lr_step_rules": unless_nothing(_step_rules),
    "train_lr_warmup_steps": unless_nothing(called("lr_warmup_steps")),
    "train_lr_scheduler_num_cycles": unless_nothing(called("lr_scheduler_num_cycles"), 1, "1"),
    "train_lr_scheduler_power": unless_nothing(called("lr_scheduler_power"), 1.0, "1", "1.0"),
    "train_snr_gamma": unless_nothing(called("min_snr_gamma")),
    "train_loss_function": chosen("loss_type", LOSSES, "loss"),
    "train_min_timesteps": unless_nothing(called("min_timestep")),
    "train_max_timesteps": unless_nothing(called("max_timestep"), 1000, "1000"),
    "train_fixed_timsteps_in_batch": switch("fixed_timesteps_in_batch"),
    "train_seed": unless_nothing(called("seed")),
    "train_model_precision": chosen("mixed_precision", BASE_FORMATS, "number format"),
    "train_lora_precision": not_here("LoRAs are trained in float32", "fp32", "float32"),
    "save_precision": chosen("save_precision", FILE_FORMATS, "number format"),
    "save_per_steps": unless_nothing(called("save_every_n_steps")),
    "use_gradient_checkpointing": switch("gradient_checkpointing"),
    "gradient_accumulation_steps": unless_nothing(called("gradient_accumulation_steps"), 1, "1"),
    "model_v_pred": switch("v_parameterization"),
    "model": left("the base model is chosen by its file"),
    "vae": not_here("a VAE is chosen by its file: vae", "None"),
    "image_buckets_step": _bucket_steps,
    "image_min_length": called("min_bucket_reso"),
    "image_max_ratio": not_here("images of any shape are trained here; max_bucket_reso limits them"),
    "image_mirroring": _mirroring,
    "image_disable_upscale": switch("bucket_no_upscale"),
    **dict.fromkeys(
        ("sub_image_num", "image_use_filename_as_tag", "image_use_transparent_background_ajust"),
        not_here("a step of its dataset"),
    ),
    "image_num_multiply": not_here("the version's repeats say it", 1, "1"),
    "lora_data_directory": left(DATASET),
    "lora_trigger_word": left("put it before the captions, or name the version's class so"),
    **dict.fromkeys(("save_lora_name", "save_overwrite", "save_as_json"), left(PLACE)),
    **dict.fromkeys(("logging_verbose", "logging_dir"), left(LOGS)),
    "logging_save_csv": switch("logging_save_csv"),
    **dict.fromkeys(("logging_use_wandb", "logging_use_tensorboard"), left(LOGS)),
    "original prompt": _prompt("original_prompt", ILECO, DIFFERENCE, ADDIFT),
    "target prompt": _prompt("target_prompt", ILECO),
    "use_2nd_pass_settings": left("taken with 2nd pass"),
    SECOND: _second_pass,
    "diff_target_name": _of_pairs("diff_target_name"),
    "diff_load_1st_pass": _of_pairs("diff_load_1st_pass"),
    "diff_save_1st_pass": _of_pairs("diff_save_1st_pass"),
    "diff_1st_pass_only": _of_pairs("diff_1st_pass_only"),
    "diff_alt_ratio": _of_pairs("diff_alt_ratio", 1, "1", "1.0", 1.0),
    "diff_revert_original_target": _of_pairs("diff_revert_original_target"),
    "diff_use_diff_mask": _of_pairs("diff_use_diff_mask"),
    "diff_use_fixed_noise": _of_pairs("fixed_noise"),
    **dict.fromkeys(("te",), left(OTHER_MODES)),
}
