"""Base models in one file, tensor by tensor: LoRAs merged into them, and what sets two of them apart. No more than
one tensor of a model is in memory at a time."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.families.weights import DTYPES, Tensors, open_file
from lora_engine.output.reporting import Reporter
from lora_engine.tools.lora_files import whole_file, written
from lora_engine.tools.merging import Share
from lora_engine.tools.progress import told
from sd_contract.base_models.base_model import FAMILY_NAMES, PICKLED_SUFFIXES, BaseModel, inspect
from sd_contract.base_models.model_shapes import Shapes
from sd_contract.errors import BaseModelError, CheckpointError
from sd_contract.loras.targets import Target, by_tensor, targets
from sd_contract.tensors.pickled_files import read_shapes
from sd_contract.tensors.tensor_files import read_header

NAMES_OF_TYPES = {dtype: name for name, dtype in DTYPES.items()}
FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
EXACT = torch.float32
"""What changes are worked out in."""
ALIGNMENT = 8
MOST_NAMED = 3


def inspect_file(path: Path) -> BaseModel:
    """A base model in one file. BaseModelError for a folder, a refiner, anything else."""
    base = inspect(path)
    if base.is_folder:
        raise BaseModelError(f"base model: {path} is a folder. LoRAs are merged into single files.")
    if base.family == "sdxl_refiner":
        raise BaseModelError(f"base model: {path} is an SDXL refiner, for which there are no LoRAs.")
    return base


def shapes_of(path: Path) -> Shapes:
    return read_shapes(path) if path.suffix.lower() in PICKLED_SUFFIXES else read_header(path).shapes


def metadata_of(path: Path) -> Mapping[str, str]:
    return {} if path.suffix.lower() in PICKLED_SUFFIXES else read_header(path).metadata


def fitting(base: BaseModel, layers: Mapping[str, Target], shares: Sequence[Share]) -> list[str]:
    """What a user should know of LoRAs that are merged into this model: layers that it has not. CheckpointError
    when one is for another family or other shapes."""
    notes = []
    for share in shares:
        lora = share.lora
        strange = [name for name in lora.layers if name not in layers]
        if lora.family not in (None, base.family) or len(strange) == len(lora.layers):
            kind = FAMILY_NAMES[lora.family] if lora.family else "other"
            raise CheckpointError(
                f"{lora.path} is a LoRA for {kind} models, and {base.path} is an "
                f"{FAMILY_NAMES[base.family]} model. Choose a LoRA that was trained on a model of its family."
            )
        for name, layer in lora.layers.items():
            if name in layers and not layer.fits(layers[name].shape):
                raise CheckpointError(
                    f"{lora.path}: {name!r} does not fit the layer of {base.path}, whose shape is "
                    f"{layers[name].shape}. It was trained on another kind of base model."
                )
        if strange:
            notes.append(
                f"{lora.path.name}: {len(strange)} of its layers are not in {base.path.name} and are left out, "
                f"such as {', '.join(strange[:MOST_NAMED])}"
            )
    return notes


def merge_into_file(
    base: BaseModel,
    shares: Sequence[Share],
    target: Path,
    *,
    dtype: torch.dtype | None,
    working: torch.dtype,
    metadata: Mapping[str, str],
    reporter: Reporter,
) -> None:
    """Writes the base model with the LoRAs in it: W + ratio * alpha / rank * change, worked out in the format
    `working` and rounded once. All other tensors stay as they are, in their own number format unless `dtype` names
    another."""
    tensors = open_file(base.path)
    layers = targets(base, shapes_of(base.path))
    for note in fitting(base, layers, shares):
        reporter.warn(note)
    held = by_tensor(layers)
    kinds = {name: _new_type(kind, dtype) for name, kind in _types(base.path, tensors).items()}
    shapes = {name: shape for name, shape in shapes_of(base.path).items() if name in kinds}
    head = _header(shapes, kinds, metadata)
    with written(target):
        _refuse_full_disk(target.parent, len(head) + sum(_bytes(shapes[name], kinds[name]) for name in kinds))
        with whole_file(target) as file:
            file.write(head)
            for name in told(list(kinds), reporter, "merging"):
                tensor = tensors[name]
                for layer in held.get(name, ()):
                    tensor = _merged(tensor, layers[layer], layer, shares, working)
                changed = tensor.to(kinds[name]).contiguous()
                _refuse_infinite(name, changed, kinds[name])
                file.write(changed.reshape(-1).view(torch.uint8).numpy().data if changed.numel() else b"")


def weight_of_target(tensors: Tensors, target: Target) -> Tensor:
    """The weight of one layer."""
    tensor = tensors[target.place.name]
    return tensor if target.place.third is None else tensor.chunk(3)[target.place.third]


def refuse_other_family(first: BaseModel, second: BaseModel) -> None:
    """CheckpointError when two models are of different families."""
    if first.family != second.family:
        raise CheckpointError(
            f"{first.path.name} is an {FAMILY_NAMES[first.family]} model and {second.path.name} an "
            f"{FAMILY_NAMES[second.family]} model: there is no difference to extract. Choose two of one family."
        )


def _merged(tensor: Tensor, target: Target, name: str, shares: Sequence[Share], working: torch.dtype) -> Tensor:
    """A tensor of the file with what the LoRAs add to one of the layers it holds."""
    layers = [(share.strength(name), share.lora.layers[name]) for share in shares if name in share.lora.layers]
    if not layers:
        return tensor
    merged = tensor.to(working, copy=True)
    part = merged if target.place.third is None else merged.chunk(3)[target.place.third]
    weight = part.to(EXACT, copy=True)
    for strength, layer in layers:
        part += strength * layer.change(weight).to(working)
    return merged


def _types(path: Path, tensors: Tensors) -> dict[str, torch.dtype]:
    if path.suffix.lower() in PICKLED_SUFFIXES:
        return {name: tensor.dtype for name, tensor in tensors.items()}
    header = read_header(path)
    unknown = next((entry.dtype for entry in header.tensors.values() if entry.dtype not in DTYPES), None)
    if unknown is not None:
        raise CheckpointError(f"{path} holds numbers of type {unknown!r}, which no base model here has.")
    return {name: DTYPES[header.tensors[name].dtype] for name in tensors}


def _new_type(kind: torch.dtype, wanted: torch.dtype | None) -> torch.dtype:
    return wanted if wanted is not None and kind in FLOATS else kind


def _header(shapes: Shapes, kinds: Mapping[str, torch.dtype], metadata: Mapping[str, str]) -> bytes:
    table: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    for (name, shape), (begin, end) in zip(shapes.items(), _places(shapes, kinds), strict=True):
        table[name] = {"dtype": NAMES_OF_TYPES[kinds[name]], "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _places(shapes: Shapes, kinds: Mapping[str, torch.dtype]) -> Iterator[tuple[int, int]]:
    begin = 0
    for name, shape in shapes.items():
        end = begin + _bytes(shape, kinds[name])
        yield begin, end
        begin = end


def _bytes(shape: Sequence[int], kind: torch.dtype) -> int:
    return torch.Size(shape).numel() * kind.itemsize


def _refuse_full_disk(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise CheckpointError(
            f"The disk of {folder} has {free / 1e9:.1f} GB left, and the file takes {wanted / 1e9:.1f} GB. Make "
            "room or choose another folder."
        )


def _refuse_infinite(name: str, tensor: Tensor, kind: torch.dtype) -> None:
    if kind in FLOATS and not torch.isfinite(tensor).all():
        raise CheckpointError(
            f"{name} would hold values that are no numbers: the base model is spoilt, or its number format too "
            "small for what is merged. Choose save_precision bf16 or float, or smaller ratios."
        )
