"""The option table of the bundled engine, with our labels and marks. Any option in it may be an axis of a grid."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, OptionSpec, checked, option, parsed
from train_tools.errors import OptionValueError
from train_tools.model.dataset import CaptionPolicy


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


DATASET_OPTIONS = (
    OptionSpec(
        name="dataset",
        type="str",
        default="",
        group="dataset",
        help="the version of the project whose training images are used; empty = this one",
    ),
    OptionSpec(
        name="repeats",
        type="int",
        default=None,
        minimum=1,
        group="dataset",
        help="how often each training image is drawn an epoch, instead of what its folder says",
    ),
    OptionSpec(
        name="captions",
        type="str",
        default=CaptionPolicy.AS_WRITTEN.value,
        choices=tuple(policy.value for policy in CaptionPolicy),
        group="dataset",
        help="the captions as they are written, the class alone, or the class before what is written",
    ),
)
"""What no trainer knows: which training images a run takes, and how. They count by the dataset's content."""


@cache
def bundled_options() -> Mapping[str, Option]:
    """The table by name: ours for datasets, then the engine's in its order."""
    return {spec.name: _option(spec) for spec in (*DATASET_OPTIONS, *OPTIONS)}


def engine_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the trainer is told."""
    ours = {spec.name for spec in DATASET_OPTIONS}
    return {name: value for name, value in options.items() if name not in ours}


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


def is_numeric(name: str) -> str:
    """ "int" or "float" for an option whose values are numbers, "floats" for lists of them; "" for any other."""
    kind = settable(name).spec.type
    return {"int": "int", "float": "float", "int_or_float": "float", "floats": "floats"}.get(kind, "")


def is_list(name: str) -> bool:
    """Whether one value of the option is a list."""
    return settable(name).spec.type in ("strings", "floats")


def default_of(name: str) -> Any:
    """What an option is where nobody sets it."""
    return settable(name).spec.default


def value_from_text(name: str, text: str) -> Any:
    """The typed value of one item of a list. Raises OptionValueError naming the option and what is allowed."""
    spec = settable(name).spec
    try:
        return parsed(spec, text)
    except OptionError as error:
        raise OptionValueError(str(error)) from error


def checked_value(name: str, value: Any) -> Any:
    """A typed value as the engine takes it: lists as tuples, whole numbers as floats where those are wanted."""
    spec = settable(name).spec
    _refuse_what_is_no_text(name, value)
    try:
        return checked(spec, tuple(value) if isinstance(value, list) else value)
    except OptionError as error:
        raise OptionValueError(str(error)) from error


def _refuse_what_is_no_text(name: str, value: Any) -> None:
    """A file's name may hold bytes that are no UTF-8; they can't be kept in any file of settings."""
    for text in value if isinstance(value, tuple | list) else (value,):
        if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise OptionValueError(f"{name} = {text!r} is not UTF-8 text. Rename the file, or type it anew.")


def canonical_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a result: checked values, defaults left out, sorted by name."""
    values = {name: checked_value(name, value) for name, value in engine_options(options).items()}
    return {
        name: values[name]
        for name in sorted(values)
        if name not in NO_PART_OF_THE_RESULT and values[name] != bundled_options()[name].spec.default
    }
