"""kohya's scripts that train LoRAs, and by which of them a base model is trained: its file's tensor names tell."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sd_contract.base_models.base_model import FAMILY_NAMES
from sd_contract.base_models.model_shapes import is_lora
from sd_contract.errors import BaseModelError, CheckpointError, ContractError
from sd_contract.tensors import pickled_files
from sd_contract.tensors.tensor_files import read_header
from train_tools.engines.base_models import inspected
from train_tools.errors import BaseModelNotUsableError

PICKLED = (".ckpt", ".pt", ".pth", ".bin")


@dataclass(frozen=True, kw_only=True)
class Script:
    """One script: what it trains, and the network module that goes with it."""

    name: str
    families: tuple[str, ...]
    network_module: str


SCRIPTS = (
    Script(name="train_network", families=("sd1", "sd2"), network_module="networks.lora"),
    Script(name="sdxl_train_network", families=("sdxl",), network_module="networks.lora"),
    Script(name="flux_train_network", families=("flux",), network_module="networks.lora_flux"),
    Script(name="sd3_train_network", families=("sd3",), network_module="networks.lora_sd3"),
    Script(name="lumina_train_network", families=("lumina",), network_module="networks.lora_lumina"),
    Script(
        name="hunyuan_image_train_network",
        families=("hunyuan_image",),
        network_module="networks.lora_hunyuan_image",
    ),
    Script(name="anima_train_network", families=("anima",), network_module="networks.lora_anima"),
)
NAMES = {
    **FAMILY_NAMES,
    "flux": "FLUX",
    "sd3": "SD3",
    "lumina": "Lumina",
    "hunyuan_image": "HunyuanImage",
    "anima": "Anima",
}

_SIGNS = (
    ("hunyuan_image", r"byt5_in\."),
    ("flux", r"double_blocks\.0\.img_attn\."),
    ("sd3", r"joint_blocks\.0\."),
    ("lumina", r"cap_embedder\.0\."),
    ("anima", r"llm_adapter\."),
)
"""Tensor names that only one family has; the first that fits counts."""
_UNET = "model.diffusion_model."


def script_named(name: str) -> Script:
    return next(script for script in SCRIPTS if script.name == name)


def script_for(base_model: Path, present: Collection[str], said: str = "") -> Script:
    """The script that trains this base model, or the one that was `said`. Raises BaseModelNotUsableError when the
    checkout, whose scripts are `present`, has none for it."""
    if said:
        return script_named(said)
    family = family_of(base_model)
    script = next((script for script in SCRIPTS if family in script.families), None)
    if script is None or script.name not in present:
        raise BaseModelNotUsableError(
            f"base model: {base_model} is of the family {NAMES.get(family, family)}, which the scripts of this "
            f"checkout don't train; it has {', '.join(present)}. Choose another base model, a newer checkout, or "
            "say which script with --set script=NAME."
        )
    return script


def family_of(base_model: Path) -> str:
    """Raises BaseModelNotUsableError for what is missing, damaged, or no base model."""
    try:
        status = base_model.stat()
        return _family_while_unchanged(base_model, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BaseModelNotUsableError(
            f"base model: {base_model} does not exist or can't be read. Name a file on this machine."
        ) from error
    except ContractError as error:
        raise BaseModelNotUsableError(str(error)) from error


@lru_cache(maxsize=16)
def _family_while_unchanged(base_model: Path, size: int, modified_ns: int) -> str:
    if base_model.suffix.lower() not in PICKLED:
        try:
            names = {name.removeprefix(_UNET) for name in read_header(base_model).tensors}
        except CheckpointError as error:
            raise BaseModelError(f"base model: {error}") from error
        if not is_lora(dict.fromkeys(names, ())):
            for family, sign in _SIGNS:
                if any(re.match(sign, name) for name in names):
                    return family
    return inspected(base_model).family


def is_lora_file(path: Path) -> bool:
    """Raises BaseModelNotUsableError for a file that is damaged."""
    if path.suffix.lower() in PICKLED:
        return False
    try:
        return is_lora(read_header(path).shapes)
    except CheckpointError as error:
        raise BaseModelNotUsableError(f"base model: {error}") from error


def refuse_pickled_code(path: Path) -> None:
    """kohya's scripts open these files with pickle, which runs what stands in them. Raises
    BaseModelNotUsableError for a file that holds anything but tensors."""
    if path.suffix.lower() not in PICKLED or not path.is_file():
        return
    try:
        pickled_files.read_shapes(path)
    except ContractError as error:
        raise BaseModelNotUsableError(str(error)) from error
