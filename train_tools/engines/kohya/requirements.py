"""What kohya's scripts need to be told besides what the user set, and what they must not be told: much that is
wrong they ignore without a word, or stumble over after minutes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sd_contract.base_models.base_model import BaseModel, agreed
from sd_contract.errors import ContractError, OptionError
from sd_contract.options import OptionSpec, checked
from train_tools.engines.base_models import inspected, prediction_doubts
from train_tools.engines.kohya.checkout import Checkout
from train_tools.engines.kohya.scripts import (
    Script,
    family_of,
    refuse_pickled_code,
    script_for,
)
from train_tools.errors import BaseModelNotUsableError, OptionValueError
from train_tools.model.finding import Finding
from train_tools.options.config import config_text
from train_tools.options.marks import PATHS

SCRIPT = "script"
"""Our own option: which script trains."""
ATTENTION = ("sdpa", "xformers", "mem_eff_attn", "attn_mode", "use_flash_attn", "use_sage_attn")
NEEDS = {
    "save_last_n_epochs": "save_every_n_epochs",
    "save_last_n_epochs_state": "save_every_n_epochs",
    "save_last_n_steps": "save_every_n_steps",
    "save_last_n_steps_state": "save_every_n_steps",
}
"""What does nothing alone; some years' scripts fail at it in the middle of the training."""

Specs = Mapping[str, Mapping[str, OptionSpec]]


class Requirements:
    """Those of one checkout. `specs` are its options by script and name."""

    def __init__(self, checkout: Checkout, specs: Specs) -> None:
        self._checkout = checkout
        self._specs = specs

    def script(self, options: Mapping[str, Any], base_model: Path) -> Script:
        return script_for(base_model, self._specs, str(options.get(SCRIPT) or ""))

    def told(self, options: Mapping[str, Any], base_model: Path, output_name: str) -> dict[str, Any]:
        """The options as the script is told them: with what it needs and has no good default for."""
        script = self.script(options, base_model)
        specs = self._specs[script.name]
        told = {name: value for name, value in options.items() if name != SCRIPT}
        told |= {"pretrained_model_name_or_path": str(base_model), "output_name": output_name}
        if not told.get("network_module"):
            told["network_module"] = script.network_module
        if "sdpa" in specs and not any(name in told for name in ATTENTION):
            told["sdpa"] = True
        if "save_model_as" in specs:
            told["save_model_as"] = "safetensors"
        if _is_stable_diffusion(script, base_model):
            model, _ = _agreed(options, base_model)
            told |= {"v2": model.family == "sd2", "v_parameterization": model.v_prediction}
        return told

    def doubts(self, options: Mapping[str, Any], base_model: Path) -> tuple[str, ...]:
        """What the user should know about the base model and its flags."""
        known = _is_stable_diffusion(self.script(options, base_model), base_model)
        return _agreed(options, base_model)[1] if known else ()

    def findings(self, options: Mapping[str, Any], base_model: Path) -> Iterator[Finding]:
        """The same, as a pre-flight tells it."""
        if _is_stable_diffusion(self.script(options, base_model), base_model):
            base, doubts = _agreed(options, base_model)
            asked = bool(options.get("v_parameterization"))
            yield from prediction_doubts(base, doubts, v_parameterization=asked)

    def check(self, options: Mapping[str, Any], base_model: Path) -> None:
        """Raises OptionValueError or BaseModelNotUsableError for what the script would stumble over or, worse,
        would not."""
        script = self.script(options, base_model)
        told = self.told(options, base_model, "checked")
        specs = self._specs[script.name]
        for name, value in told.items():
            if name not in specs:
                raise OptionValueError(
                    f"{name}: {script.name} has no such option, and this base model is trained by it. Take it out."
                )
            _check_value(specs[name], value)
        for name, needed in NEEDS.items():
            if told.get(name) is not None and not told.get(needed) and not told.get("save_n_epoch_ratio"):
                raise OptionValueError(f"{name} does nothing without {needed}. Set that too, or take it out.")
        self._check_network_arguments(told)
        self._check_width(script, base_model)
        config_text(told)

    def _check_network_arguments(self, told: Mapping[str, Any]) -> None:
        """The scripts take any name without a word, and record it as though it had worked."""
        module = str(told["network_module"])
        known = self._checkout.network_arguments(module)
        for argument in told.get("network_args") or ():
            name = str(argument).partition("=")[0]
            if known and name not in known | {"dropout"}:
                raise OptionValueError(
                    f"network_args = {argument}: {module} knows no {name!r} and would ignore it. It knows "
                    f"{', '.join(sorted(known))}."
                )

    def _check_width(self, script: Script, base_model: Path) -> None:
        """The scripts know each family in its published size alone."""
        width = self._checkout.unet_width
        if width is None or not _is_stable_diffusion(script, base_model):
            return
        found = inspected(base_model).unet["block_out_channels"][0]
        if found != width:
            raise BaseModelNotUsableError(
                f"base model: the U-Net of {base_model} is {found} channels wide, and kohya's scripts load only "
                f"those of {width}, as they were published. The bundled trainer takes it."
            )


def _is_stable_diffusion(script: Script, base_model: Path) -> bool:
    """Whether it is SD1, SD2 or SDXL by its file, and not by somebody's word alone."""
    return bool({"sd1", "sdxl"} & set(script.families)) and family_of(base_model) in script.families


def _agreed(options: Mapping[str, Any], base_model: Path) -> tuple[BaseModel, tuple[str, ...]]:
    """What the model says of itself, with the options' word where it says nothing, and what is doubtful."""
    flags = {name: bool(options.get(name)) for name in ("v2", "v_parameterization")}
    try:
        return agreed(inspected(base_model), v2=flags["v2"], v_parameterization=flags["v_parameterization"])
    except ContractError as error:
        raise BaseModelNotUsableError(str(error)) from error


def _check_value(spec: OptionSpec, value: Any) -> None:
    try:
        checked(spec, value)
    except OptionError as error:
        raise OptionValueError(str(error)) from error
    if spec.name in PATHS:
        for text in value if isinstance(value, tuple | list) else (value,):
            refuse_pickled_code(Path(str(text)))
