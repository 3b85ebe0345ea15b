"""The option table of the bundled engine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.modes import has_meaning
from sd_contract.options import OPTIONS, OptionSpec, option
from sd_contract.options.groups import MODES
from train_tools.model.grid import BUNDLED
from train_tools.options.option import CHOSEN_BY_THE_APP, Danger, Option
from train_tools.options.table import OptionTable, option_of

TAKEN_AS_THEY_ARE = ("console_log_level", "console_log_simple", "save_model_as", "skip_until_initial_step")
"""What would hinder the app with other trainers, but not here: its progress does not go over the console, it saves
nothing but safetensors, and it goes on at the exact step anyway."""
LOGS = ("log_with", "log_tracker_config", "log_config")
"""Of no use without a folder for logs."""
NO_DIFFERENCE = frozenset(
    {
        "max_data_loader_n_workers",
        "persistent_data_loader_workers",
        "vae_batch_size",
        "v2",
        "no_half_vae",
        "cache_text_encoder_outputs",
        "cache_text_encoder_outputs_to_disk",
    }
)
"""What changes results of other trainers: here, every draw has a stream of its own, and precision is fixed."""


@cache
def bundled_options() -> OptionTable:
    """In the engine's order."""
    return OptionTable(BUNDLED, (_option(spec) for spec in OPTIONS), _unknown)


def _option(spec: OptionSpec) -> Option:
    modes = tuple(mode for mode in MODES if has_meaning(spec.name, spec.group, mode))
    facts: dict[str, Any] = {"help": spec.help, "group": spec.group, "modes": () if modes == MODES else modes}
    if spec.name in TAKEN_AS_THEY_ARE:
        facts["refusal"] = ""
    if spec.name in LOGS:
        facts["refusal"] = CHOSEN_BY_THE_APP
    if spec.name in NO_DIFFERENCE:
        facts["decides_result"] = False
    if spec.classes:  # from the app only known names, none of which is another's code
        facts |= {"danger": Danger.NONE, "code": None}
    return option_of(replace(spec, classes=False), **facts)


def _unknown(name: str) -> str:
    try:
        option(name)
    except OptionError as error:
        return str(error)
    raise AssertionError(f"the engine knows {name} but its table does not")
