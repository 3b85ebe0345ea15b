"""Which options of sd-scripts need care: those that name code, files or secrets, that a user can't set, that don't
decide a result. Data only."""

from __future__ import annotations

import re
from collections.abc import Mapping

from train_tools.options.option import CHOSEN_BY_THE_APP, Danger, KnownCode
from train_tools.options.words import words

OPTIMIZER_PACKAGES = (
    "adv_optm",
    "bitsandbytes.optim",
    "came_pytorch",
    "dadaptation",
    "lion_pytorch",
    "prodigyopt",
    "prodigyplus",
    "pytorch_optimizer",
    "schedulefree",
    "torch.optim",
    "transformers.optimization",
)
"""Packages of optimizers and schedulers that kohya's scripts name themselves or their documentation does."""

CODE: Mapping[str, KnownCode] = {
    "network_module": KnownCode(names=("networks.lora", "lycoris.kohya", "networks.dylora")),
    "optimizer_type": KnownCode(names=OPTIMIZER_PACKAGES, plain=True),
    "lr_scheduler_type": KnownCode(names=OPTIMIZER_PACKAGES, plain=True),
    "dataset_class": KnownCode(),
}

SECRETS: Mapping[str, str] = {"wandb_api_key": "WANDB_API_KEY", "huggingface_token": "HF_TOKEN"}
"""Each with the environment variable that says the same."""

PATHS = frozenset(
    {
        "pretrained_model_name_or_path",
        "tokenizer_cache_dir",
        "vae",
        "sample_prompts",
        "network_weights",
        "diff_load_1st_pass",
        "original_image",
        "target_image",
        "base_weights",
        "controlnet_model_name_or_path",
        "ae",
        "clip_l",
        "clip_g",
        "t5xxl",
        "gemma2",
        "text_encoder",
        "byt5",
        "qwen3",
        "llm_adapter_path",
        "t5_tokenizer_path",
        "log_tracker_config",
        "offload_optimizer_nvme_path",
        "offload_param_nvme_path",
    }
)

_PLACES = (
    "output_dir",
    "output_name",
    "save_model_as",
    "logging_dir",
    "log_prefix",
    "log_tracker_name",
    "console_log_file",
    "config_file",
    "dataset_config",
    "train_data_dir",
    "reg_data_dir",
    "in_json",
    "dataset_repeats",
    "conditioning_data_dir",
    "caption_extension",
    "caption_extention",
    "resume",
    "state_dir",
    "save_overwrite",
)
_COUNTING = "Train Tools says where a run goes on, from what its earlier attempts left"
_CONSOLE = "Train Tools reads the progress from the console"

REFUSALS: Mapping[str, str] = {
    **dict.fromkeys(_PLACES, CHOSEN_BY_THE_APP),
    **dict.fromkeys(("initial_step", "initial_epoch", "skip_until_initial_step"), _COUNTING),
    **dict.fromkeys(("console_log_level", "console_log_simple"), _CONSOLE),
    "resume_from_huggingface": "it would load and run what lies in somebody's repository",
    "output_config": "the trainer would write its config instead of training",
    "debug_dataset": "the trainer would show the images instead of training",
}
"""Why a user can't set an option; of secrets see `refusal_of`."""

_EMA = "the bundled trainer keeps a running average of the LoRA (EMA) with ema_decay, 0.99 for example"
_NO_WHOLE_MODEL = (
    "whole models are not trained here (full DreamBooth, fine-tuning), only LoRAs: these need a tenth of the "
    "memory and can be merged into a model afterwards"
)
NOT_OFFERED: Mapping[str, str] = {
    "blocks_to_swap": "an SD U-Net has few blocks of unequal size, so swapping them frees little; fp8_base and "
    "gradient_checkpointing save more",
    **dict.fromkeys(("ema", "use_ema", "ema_unet", "ema_model", "use_ema_for_unet"), _EMA),
    **dict.fromkeys(
        (
            "dreambooth",
            "full_dreambooth",
            "fine_tune",
            "full_finetune",
            "stop_text_encoder_training",
            "train_unet",
        ),
        _NO_WHOLE_MODEL,
    ),
}
"""What other programs have, no script here has, and people ask for; with the reason."""

NO_PART_OF_THE_RESULT = frozenset(
    {
        "pretrained_model_name_or_path",
        "original_image",
        "target_image",
        "tokenizer_cache_dir",
        "training_comment",
        "no_metadata",
        "skip_cache_check",
        "cache_info",
        "sdpa",
        "disable_mmap_load_safetensors",
        "save_state",
        "save_state_on_train_end",
        "save_last_n_epochs_state",
        "save_last_n_steps_state",
        "state_every_n_steps",
        "state_every_n_minutes",
        "skip_until_initial_step",
        "sample_prompts",
        "sample_every_n_steps",
        "sample_every_n_epochs",
        "sample_at_first",
        "sample_sampler",
        "sample_batch_size",
        "ddp_timeout",
        "lowram",
        "highvram",
        *(name for name, said in words().items() if said.group in ("metadata", "logging", "upload")),
    }
)
"""Options whose value does not decide the result: the base model and the files of a pair count by their
hashes, not by their paths."""


_SOUNDS_LIKE_CODE = re.compile(r"_(module|class)$")
_SOUNDS_LIKE_A_SECRET = re.compile(r"(^|_)(api_key|token|password|secret)$")


def danger_of(name: str) -> Danger:
    """Of an option that nobody here has heard of, what its name lets one fear."""
    if name in CODE or _SOUNDS_LIKE_CODE.search(name):
        return Danger.CODE
    if name in SECRETS or _SOUNDS_LIKE_A_SECRET.search(name):
        return Danger.SECRET
    return Danger.PATH if name in PATHS else Danger.NONE


def code_of(name: str) -> KnownCode | None:
    return CODE.get(name, KnownCode()) if danger_of(name) is Danger.CODE else None


def refusal_of(name: str) -> str:
    """Why a user can't set an option; empty = may."""
    secret = (
        f"it is a secret, and runs are copied and shown. Set the environment variable {SECRETS[name]} where Train "
        "Tools is started; the trainer reads it there"
        if name in SECRETS
        else "it is a secret, and runs are copied and shown"
    )
    return REFUSALS.get(name, "") or (secret if danger_of(name) is Danger.SECRET else "")
