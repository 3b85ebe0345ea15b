"""Opens the LoRA files of any program as layers with their own names, and writes the files that tools make."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from lora_engine.output.checkpoints import write_whole
from lora_engine.tools.layers import Layer, layer_of
from sd_contract.base_models.base_model import FAMILY_NAMES, PICKLED_SUFFIXES
from sd_contract.base_models.model_shapes import Family
from sd_contract.errors import CheckpointError
from sd_contract.loras.facts import ADAPTER, family_of_lora, predicts_v
from sd_contract.loras.names import key_of
from sd_contract.output.checkpoints import SUFFIX, hashes
from sd_contract.tensors.pickled_files import state_dict
from sd_contract.tensors.tensor_files import verify_safetensors
from sd_contract.tensors.tensor_names import ALPHA, DOWN, UP

NUMBERS = {"float": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA file: its layers by kohya's names, in the number format that was asked for, or their own."""

    path: Path
    family: Family | None
    layers: Mapping[str, Layer]
    metadata: Mapping[str, str]

    @property
    def is_sdxl(self) -> bool:
        return self.family == "sdxl"

    @property
    def v_prediction(self) -> bool:
        return predicts_v(self.metadata)


def open_lora(path: Path, dtype: torch.dtype | None = torch.float32) -> Lora:
    """CheckpointError when the file is damaged, wants to run code, holds no LoRA or one of a kind that can't
    be used here, or numbers that are none."""
    tensors, metadata = read_tensors(path)
    family = family_of_lora({name: tuple(tensor.shape) for name, tensor in tensors.items()}, metadata)
    leaves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        key = key_of(name, is_sdxl=family == "sdxl")
        if key is not None:
            leaves.setdefault(key.layer, {})[key.leaf] = tensor if dtype is None else tensor.to(dtype)
    if not leaves:
        raise CheckpointError(f"{path} is no LoRA: none of its {len(tensors)} tensors has the name of a LoRA's.")
    _refuse_no_numbers(path, leaves)
    _take_adapter_alphas(leaves, metadata, family)
    try:
        layers = {name: layer_of(name, _as_convolution(name, found, family)) for name, found in leaves.items()}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return Lora(path=path, family=family, layers=layers, metadata=metadata)


def open_loras(paths: Sequence[Path], dtype: torch.dtype = torch.float32) -> list[Lora]:
    """Several that are for the same family of base models; CheckpointError otherwise."""
    loras = [open_lora(path, dtype) for path in paths]
    told = {lora.family: lora for lora in loras if lora.family is not None}
    if len(told) > 1:
        named = ", ".join(
            f"{lora.path.name} for {FAMILY_NAMES[family]}" for family, lora in told.items() if family
        )
        raise CheckpointError(f"These LoRAs are for different base models: {named}. Choose LoRAs of one family.")
    return loras


def refuse_output(path: Path, inputs: Sequence[Path]) -> None:
    """CheckpointError when a file can't be written there, or would take the place of one that is read."""
    if path.suffix.lower() != SUFFIX:
        raise CheckpointError(
            f"save_to = {path}: files are written as {SUFFIX}, since others are pickles. Choose such a name."
        )
    for source in inputs:
        if path.resolve() == source.resolve() or (path.exists() and source.exists() and path.samefile(source)):
            raise CheckpointError(f"save_to = {path} is one of the files that are read. Choose another name.")
    if path.is_dir():
        raise CheckpointError(f"save_to = {path} is a folder. Choose the name of a file.")


def write_lora(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes a LoRA with its hashes, whole or not at all. CheckpointError when numbers have become none, or
    the disk is full."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(
                f"{name} does not fit into this number format: numbers became infinite. Choose save_precision "
                "bf16 or float."
            )
    content = {name: tensor.detach().to("cpu").contiguous() for name, tensor in sorted(tensors.items())}
    trained = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    legacy_form = save(content, trained)
    data_start = 8 + int.from_bytes(legacy_form[:8], "little")
    with written(path):
        write_whole(path, save(content, {**metadata, **hashes(legacy_form, data_start)}))


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Makes the folder of a file that is written meanwhile; a disk that can't take it is told in a sentence."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CheckpointError(
            f"{path} can't be written: {error.strerror}. Make room or choose another folder."
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when the block ends well and is gone otherwise."""
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    """The tensors of any file, and its metadata. CheckpointError when it is damaged or more than tensors."""
    if path.suffix.lower() in PICKLED_SUFFIXES:
        return _read_pickled(path), {}
    header = verify_safetensors(path)
    return load_file(path), header.metadata


def _read_pickled(path: Path) -> dict[str, Tensor]:
    """The tensors of an old file, if nothing else is in it (S4-02)."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is no file that holds tensors alone: as a pickle it could run any code, so it is not "
            "opened. Convert it where you trust it."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no file of tensors that can be read ({type(error).__name__})."
        ) from error
    return {name: value for name, value in state_dict(found).items() if isinstance(value, Tensor)}


def _refuse_no_numbers(path: Path, leaves: Mapping[str, Mapping[str, Tensor]]) -> None:
    broken = [
        name
        for name, found in leaves.items()
        if not all(torch.isfinite(tensor).all() for tensor in found.values())
    ]
    if broken:
        more = f" and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
        raise CheckpointError(
            f"{path} is spoilt: there are values that are no numbers (NaN or infinite) in "
            f"{', '.join(broken[:MOST_NAMED])}{more}. Take an earlier checkpoint of this training."
        )


def _as_convolution(name: str, found: dict[str, Tensor], family: Family | None) -> dict[str, Tensor]:
    """SD2 has linear layers where kohya's LoRAs have convolutions of one pixel; some programs write the former."""
    if family != "sd2" or not name.endswith(("_proj_in", "_proj_out")):
        return found
    return {
        leaf: tensor[..., None, None] if leaf in (DOWN, UP) and tensor.ndim == 2 else tensor
        for leaf, tensor in found.items()
    }


def _take_adapter_alphas(
    leaves: dict[str, dict[str, Tensor]], metadata: Mapping[str, str], family: Family | None
) -> None:
    """diffusers keeps ranks and alphas in its metadata: one for each part of the model, and exceptions by name.
    With rank-stabilised LoRA (Kalajdzievski, arXiv 2312.03732) the scale is alpha / sqrt(rank)."""
    told = _adapter(metadata)
    for part in ("unet", "text_encoder", "text_encoder_2"):
        alpha, rank = told.get(f"{part}.lora_alpha"), told.get(f"{part}.r")
        if not isinstance(alpha, (int, float)) or not isinstance(rank, int) or not rank:
            continue
        exceptions = _exceptions(told, part, family)
        for name, found in leaves.items():
            if name.startswith(_prefix(part, family)) and ALPHA not in found and DOWN in found:
                own = float(exceptions.get(name, alpha))
                root = found[DOWN].shape[0] ** 0.5 if told.get(f"{part}.use_rslora") else 1.0
                found[ALPHA] = torch.tensor(own * root)


def _adapter(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        told = json.loads(metadata.get(ADAPTER, "{}"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _exceptions(told: Mapping[str, Any], part: str, family: Family | None) -> dict[str, float]:
    patterns = told.get(f"{part}.alpha_pattern") or {}
    keys = {path: key_of(f"{part}.{path}.lora_A.weight", is_sdxl=family == "sdxl") for path in patterns}
    return {key.layer: float(patterns[path]) for path, key in keys.items() if key}


def _prefix(part: str, family: Family | None) -> str:
    if part == "unet":
        return "lora_unet_"
    if part == "text_encoder_2":
        return "lora_te2_"
    return "lora_te1_" if family == "sdxl" else "lora_te_"
