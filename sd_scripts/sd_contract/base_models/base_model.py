"""What a base model is, read from its file without loading it: family, widths, and what shapes don't tell.

Shapes don't tell the number of attention heads, norm groups, the VAE's scale, the kind of prediction or the
native resolution. Those come from the header key `train_tools.base_model`; without it they are what the family was
published with. Settings that contradict what the file says are told apart here too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sd_contract.base_models import model_folders
from sd_contract.base_models.model_shapes import Family, Shapes, configs, family_of, is_lora, vae_config
from sd_contract.errors import BaseModelError, CheckpointError
from sd_contract.tensors import pickled_files
from sd_contract.tensors.tensor_files import verify_safetensors

HEADER_KEY = "train_tools.base_model"
HEADER_FORMAT = 1
V_MARKER, ZERO_SNR_MARKER = "v_pred", "ztsnr"
V_IN_NAMES = "-v-"
FAMILY_NAMES = {"sd1": "SD1", "sd2": "SD2", "sdxl": "SDXL", "sdxl_refiner": "SDXL refiner"}
SCRIPTS: Mapping[str, str] = {
    "sd1": "train_network.py",
    "sd2": "train_network.py",
    "sdxl": "sdxl_train_network.py",
}
"""The script that trains LoRAs of a family."""
PICKLED_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
SMALL_MODEL_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the U-Net was taught to predict, and what says so: nothing when `sign` is empty. A firm sign can't be
    overruled."""

    kind: str = "epsilon"
    sign: str = ""
    firm: bool = False


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A base model in one file or a diffusers folder. `unet`, `vae` are diffusers configs, the text encoders
    transformers CLIPTextConfigs; they are empty for families that are recognised but not trained.
    `attention_head_dim` is, as in diffusers' configs of these models, the number of heads, of all levels or of
    each."""

    path: Path
    family: Family
    prediction_type: str
    resolution: int
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    text_encoder_2: Mapping[str, Any] = field(default_factory=dict)
    prediction: Prediction = Prediction()
    zero_terminal_snr: bool = False
    vae_path: Path | None = None

    @property
    def latent_factor(self) -> int:
        """Pixels of the image a side of one latent cell: 8 for every known model."""
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    @property
    def v_prediction(self) -> bool:
        return self.prediction_type == "v_prediction"

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @property
    def script(self) -> str:
        """The file name of the script that trains LoRAs of this family."""
        return SCRIPTS[self.family]


@dataclass(frozen=True)
class _Contents:
    """What a file or folder tells before anything is loaded."""

    family: Family
    metadata: Mapping[str, str]
    names: frozenset[str]
    configs: Mapping[str, Mapping[str, Any]]
    prediction: Prediction
    zero_terminal_snr: bool = False


def cpu_threads(path: Path) -> int:
    """How many threads a step with this base model is worth on a CPU: on narrow layers threads wait for each
    other longer than they compute."""
    small = not path.exists() or _size(path) < SMALL_MODEL_BYTES
    return 1 if small else os.cpu_count() or 1


def inspect(path: Path) -> BaseModel:
    """What the file or folder holds. BaseModelError when it is missing, damaged, no base model, or of an unknown
    family."""
    if not path.exists():
        raise BaseModelError(
            f"base model: {path} does not exist. Name a file or a diffusers folder on this machine: nothing is "
            "downloaded."
        )
    contents = _folder_contents(path) if path.is_dir() else _file_contents(path)
    if contents.family == "sdxl_refiner":
        return BaseModel(
            path=path,
            family=contents.family,
            prediction_type="",
            resolution=0,
            unet={},
            vae={},
            text_encoder={},
        )
    unsaid = _unsaid(contents.metadata, path)
    parts: dict[str, Any] = {part: {**config, **unsaid.get(part, {})} for part, config in contents.configs.items()}
    prediction = _prediction(contents, unsaid, path)
    return BaseModel(
        path=path,
        family=contents.family,
        prediction_type=prediction.kind,
        resolution=int(unsaid.get("resolution", _resolution(contents.family, prediction.kind))),
        prediction=prediction,
        zero_terminal_snr=contents.zero_terminal_snr or ZERO_SNR_MARKER in contents.names,
        **parts,
    )


def inspect_trainable(path: Path) -> BaseModel:
    """The same, for a model that the bundled engine trains; BaseModelError for any other."""
    base = inspect(path)
    if base.family == "sdxl_refiner":
        raise BaseModelError(
            f"base model: {path} is an SDXL refiner; the bundled engine trains SD1, SD2 and SDXL base models. "
            "Choose the model that the refiner refines."
        )
    if base.unet["in_channels"] != base.vae["latent_channels"]:
        raise BaseModelError(
            f"base model: {path} takes {base.unet['in_channels']} channels, as inpainting models do; the "
            "bundled "
            "engine trains text-to-image models. Choose the model that the inpainting model was made from."
        )
    return base


def agreed(
    base: BaseModel, *, v2: bool, v_parameterization: bool, script: str = ""
) -> tuple[BaseModel, tuple[str, ...]]:
    """The model as it is to be trained with these flags by this script, and what the user should know.
    BaseModelError when they contradict what the file says for certain."""
    _refuse_contradiction(base, v2=v2, v_parameterization=v_parameterization, script=script)
    sign, kind = base.prediction.sign, base.prediction.kind
    asked = "v_prediction" if v_parameterization else "epsilon"
    if base.prediction.firm or (sign and kind == asked):
        told = f"{base.path.name} is a v-prediction model ({sign}); it is trained as one"
        return base, () if asked == kind else (told,)
    resolution = _resolution(base.family, asked) if _is_native(base) else base.resolution
    chosen = replace(base, prediction_type=asked, resolution=resolution)
    return chosen, _doubts(base, v_parameterization=v_parameterization)


def with_vae(base: BaseModel, path: Path) -> BaseModel:
    """The model with the VAE of another file or folder. BaseModelError when that is no VAE or one for other
    models."""
    if not path.exists():
        raise BaseModelError(f"vae = {path} does not exist. Name a file or a diffusers folder on this machine.")
    found = model_folders.vae_config(path) if path.is_dir() else _vae_file_config(path)
    kept = {"norm_num_groups": base.vae["norm_num_groups"], "scaling_factor": base.vae["scaling_factor"]}
    for key in ("latent_channels", "in_channels"):
        if found[key] != base.vae[key]:
            raise BaseModelError(
                f"vae = {path}: it has {key} {found[key]}, the base model's has {base.vae[key]}. Choose a VAE for "
                f"{FAMILY_NAMES[base.family]} models."
            )
    if len(found["block_out_channels"]) != len(base.vae["block_out_channels"]):
        raise BaseModelError(f"vae = {path}: its latents have another size than the base model's. Choose another.")
    return replace(base, vae={**kept, **found}, vae_path=path)


def _vae_file_config(path: Path) -> dict[str, Any]:
    shapes, _ = _shapes(path)
    try:
        return vae_config(shapes)
    except (KeyError, ValueError) as error:
        raise BaseModelError(f"vae = {path} is no VAE: tensors are missing ({error}). Choose another.") from error


def _refuse_contradiction(base: BaseModel, *, v2: bool, v_parameterization: bool, script: str) -> None:
    name = FAMILY_NAMES[base.family]
    if script and base.script != script:
        raise BaseModelError(
            f"base model: {base.path} is an {name} model, which {script} does not train. Use {base.script}."
        )
    if v2 and base.family != "sd2":
        raise BaseModelError(
            f"v2 = true, but the tensors of {base.path} are those of an {name} model. Take v2 out, or choose an "
            "SD2 model."
        )
    if v_parameterization and base.prediction.firm and base.prediction.kind != "v_prediction":
        raise BaseModelError(
            f"v_parameterization = true, but {base.path} predicts noise ({base.prediction.sign}). Take "
            "v_parameterization out."
        )


def _doubts(base: BaseModel, *, v_parameterization: bool) -> tuple[str, ...]:
    """Warnings about a kind of prediction that can't be known, by the rule of file names."""
    sign, named_v = base.prediction.sign, V_IN_NAMES in base.path.stem
    wrong = "a wrong setting trains towards the wrong target"
    if sign:
        said = "v" if base.prediction.kind == "v_prediction" else "noise"
        flag = "v_parameterization is set" if v_parameterization else "v_parameterization is not set"
        return (f"{base.path.name} says of itself that it predicts {said} ({sign}), but {flag}; {wrong}",)
    if v_parameterization and not named_v:
        return (
            f'v_parameterization is set, but nothing in {base.path.name} says that it predicts v, nor does "-v-" '
            f"stand in its name; {wrong}",
        )
    if named_v and not v_parameterization:
        return (
            f'"-v-" in the name of {base.path.name} says that it predicts v, but v_parameterization is not set; '
            f"{wrong}",
        )
    return ()


def _file_contents(path: Path) -> _Contents:
    shapes, metadata = _shapes(path)
    if is_lora(shapes):
        raise BaseModelError(f"base model: {path} is a LoRA file. Choose the model it was trained on.")
    family = family_of(shapes)
    if family is None:
        raise BaseModelError(
            f"base model: {path} is of an unknown family ({len(shapes)} tensors, no U-Net and text encoder of "
            "Stable Diffusion 1, 2 or XL under their usual names). Choose a single-file checkpoint of one of "
            "these."
        )
    names = frozenset(shapes)
    if family == "sdxl_refiner":
        return _Contents(family, metadata, names, {}, Prediction())
    try:
        parts = configs(shapes, family)
    except (KeyError, IndexError, StopIteration, ValueError) as error:
        name = FAMILY_NAMES[family]
        raise BaseModelError(
            f"base model: {path} is an {name} file, but tensors are missing ({error})."
        ) from error
    return _Contents(family, metadata, names, parts, _file_sign(metadata, names))


def _shapes(path: Path) -> tuple[Shapes, Mapping[str, str]]:
    try:
        if path.suffix.lower() in PICKLED_SUFFIXES and path.is_file():
            return pickled_files.read_shapes(path), {}
        header = verify_safetensors(path)
    except CheckpointError as error:
        raise BaseModelError(f"base model: {error}") from error
    return header.shapes, header.metadata


def _folder_contents(path: Path) -> _Contents:
    folder = model_folders.read(path)
    sign = Prediction(kind=folder.prediction_type, sign="scheduler_config.json", firm=True)
    return _Contents(folder.family, {}, frozenset(), folder.configs, sign, folder.zero_terminal_snr)


def _file_sign(metadata: Mapping[str, str], names: frozenset[str]) -> Prediction:
    """What a single file says about its prediction beside our header key."""
    if V_MARKER in names:
        return Prediction(kind="v_prediction", sign=f"it has a tensor named {V_MARKER!r}", firm=True)
    said = metadata.get("modelspec.prediction_type")
    if said in ("v", "epsilon"):
        kind = "v_prediction" if said == "v" else "epsilon"
        return Prediction(kind=kind, sign=f"modelspec.prediction_type is {said!r}")
    return Prediction()


def _prediction(contents: _Contents, unsaid: Mapping[str, Any], path: Path) -> Prediction:
    """What is known of the prediction; without any sign the rule of file names decides for SD2."""
    said = unsaid.get("scheduler", {}).get("prediction_type")
    if said is not None:
        return Prediction(kind=said, sign=f"header key {HEADER_KEY}", firm=True)
    if not contents.prediction.sign and contents.family == "sd2" and V_IN_NAMES in path.stem:
        return Prediction(kind="v_prediction")
    return contents.prediction


def _unsaid(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    """The header key: what shapes don't tell, by part."""
    try:
        said = json.loads(metadata.get(HEADER_KEY, '{"format": 1}'))
        number = said["format"]
        parts = {part: dict(values) for part, values in said.items() if part not in ("format", "resolution")}
        kind = parts.get("scheduler", {}).get("prediction_type", "epsilon")
        resolution = {"resolution": int(said["resolution"])} if "resolution" in said else {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BaseModelError(f"base model: {path}: header key {HEADER_KEY} can't be read ({error}).") from error
    if number != HEADER_FORMAT:
        raise BaseModelError(
            f"base model: {path}: header key {HEADER_KEY} has format {number}; this version reads {HEADER_FORMAT}."
        )
    if kind not in ("epsilon", "v_prediction"):
        raise BaseModelError(f"base model: {path}: prediction type {kind!r}; known are epsilon and v_prediction.")
    return {**parts, **resolution}


def _resolution(family: Family, prediction_type: str) -> int:
    """The size that models of a family were published for."""
    if family == "sdxl":
        return 1024
    return 768 if family == "sd2" and prediction_type == "v_prediction" else 512


def _is_native(base: BaseModel) -> bool:
    return base.resolution == _resolution(base.family, base.prediction_type)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.glob("*/*") if file.is_file())
    return path.stat().st_size
