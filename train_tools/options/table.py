"""The option table of the bundled engine, with our labels and marks. Any option in it may be an axis of a grid."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, OptionSpec, check, option, parse
from train_tools.errors import OptionValueError


class Danger(StrEnum):
    """Why a value needs care: it runs code, or names files."""

    NONE = ""
    CODE = "code"
    PATH = "path"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One engine option as a form shows it."""

    name: str
    label: str
    spec: OptionSpec
    danger: Danger = Danger.NONE
    set_by_app: bool = False
    """Says only where files are; the app fills it in, and it is no part of a run's identity."""


_CODE = {"network_module"}
_PATHS = {"pretrained_model_name_or_path", "tokenizer_cache_dir", "vae", "sample_prompts"}
_SET_BY_APP = {
    "output_dir",
    "output_name",
    "logging_dir",
    "log_with",
    "log_prefix",
    "log_tracker_name",
    "log_tracker_config",
    "log_config",
    "console_log_file",
    "dataset_config",
    "train_data_dir",
    "reg_data_dir",
    "in_json",
    "dataset_repeats",
    "conditioning_data_dir",
    "caption_extension",
    "resume",
    "state_dir",
    "caption_extention",
}
NO_PART_OF_THE_RESULT = frozenset(
    {
        "pretrained_model_name_or_path",
        "tokenizer_cache_dir",
        "training_comment",
        "no_metadata",
        *(spec.name for spec in OPTIONS if spec.name.startswith("metadata_")),
        "max_data_loader_n_workers",
        "persistent_data_loader_workers",
        "skip_cache_check",
        "cache_info",
        "vae_batch_size",
        "sdpa",
        "v2",
        "no_half_vae",
        "cache_text_encoder_outputs",
        "cache_text_encoder_outputs_to_disk",
        "disable_mmap_load_safetensors",
        "sample_prompts",
        "sample_every_n_steps",
        "sample_every_n_epochs",
        "sample_at_first",
        "sample_sampler",
        "save_state",
        "save_state_on_train_end",
        "save_last_n_epochs_state",
        "save_last_n_steps_state",
        "skip_until_initial_step",
        "state_every_n_steps",
        "state_every_n_minutes",
        "console_log_level",
        "console_log_simple",
    }
)
"""Options whose value does not decide the result: the base model counts by its hash, not by its path."""

_LABELS = {
    "pretrained_model_name_or_path": "Base model",
    "v2": "SD2 model",
    "v_parameterization": "V-prediction",
    "vae": "VAE",
    "no_half_vae": "Full-precision VAE",
    "network_dim": "Rank",
    "network_alpha": "Alpha",
    "unet_lr": "U-Net learning rate",
    "text_encoder_lr": "Text encoder learning rate",
    "train_batch_size": "Batch size",
    "max_train_epochs": "Epochs",
    "save_every_n_epochs": "Save every n epochs",
    "lr_scheduler": "Scheduler",
    "optimizer_type": "Optimizer",
    "min_snr_gamma": "Min-SNR gamma",
    "sdpa": "SDPA attention",
}


@cache
def bundled_options() -> Mapping[str, Option]:
    """The table by name, in the engine's order."""
    return {spec.name: _option(spec) for spec in OPTIONS}


def _option(spec: OptionSpec) -> Option:
    danger = Danger.CODE if spec.name in _CODE else Danger.PATH if spec.name in _PATHS else Danger.NONE
    return Option(
        name=spec.name,
        label=_LABELS.get(spec.name, spec.name.replace("_", " ").capitalize()),
        spec=spec,
        danger=danger,
        set_by_app=spec.name in _SET_BY_APP,
    )


def settable(name: str) -> Option:
    """The option a user may set. Raises OptionValueError with the nearest name, or the reason why not."""
    found = bundled_options().get(name)
    if found is not None and found.set_by_app:
        raise OptionValueError(
            f"{name} can't be set: Train Tools chooses it, so that every run has a place of its own."
        )
    if found is None:
        try:
            option(name)
        except OptionError as error:
            raise OptionValueError(str(error) + _nearest(name)) from error
        raise AssertionError(f"the engine knows {name} but its table does not")
    return found


def _nearest(name: str) -> str:
    wanted = name.casefold().replace("-", "_").replace(" ", "_")
    by_label = {entry.label.casefold().replace(" ", "_"): entry.name for entry in bundled_options().values()}
    near = difflib.get_close_matches(wanted, by_label, n=1, cutoff=0.85)
    return f' (Is "{by_label[near[0]]}" meant?)' if near else ""


def value_from_text(name: str, text: str) -> Any:
    """The typed value of one item of a list. Raises OptionValueError naming the option and what is allowed."""
    settable(name)
    try:
        return parse(name, text)
    except OptionError as error:
        raise OptionValueError(str(error)) from error


def checked_value(name: str, value: Any) -> Any:
    """A typed value as the engine takes it: lists as tuples, whole numbers as floats where those are wanted."""
    settable(name)
    _refuse_what_is_no_text(name, value)
    try:
        return check(name, tuple(value) if isinstance(value, list) else value)
    except OptionError as error:
        raise OptionValueError(str(error)) from error


def _refuse_what_is_no_text(name: str, value: Any) -> None:
    """A file's name may hold bytes that are no UTF-8; they can't be kept in any file of settings."""
    for text in value if isinstance(value, tuple | list) else (value,):
        if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise OptionValueError(f"{name} = {text!r} is not UTF-8 text. Rename the file, or type it anew.")


def canonical_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a result: checked values, defaults left out, sorted by name."""
    checked = {name: checked_value(name, value) for name, value in options.items()}
    return {
        name: checked[name]
        for name in sorted(checked)
        if name not in NO_PART_OF_THE_RESULT and checked[name] != bundled_options()[name].spec.default
    }
