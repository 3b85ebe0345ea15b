"""Where a base model's weights come from: a safetensors file, a pickle, a diffusers folder. Each tensor is
read when it is asked for, so that a model is never in memory twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sd_contract.base_models import model_folders
from sd_contract.base_models.base_model import PICKLED_SUFFIXES, BaseModel
from sd_contract.base_models.layouts import (
    CLIP,
    OPEN_CLIP,
    UNET,
    VAE,
    Place,
    clip_path,
    open_clip_place,
    unet_path,
    vae_path,
)
from sd_contract.errors import BaseModelError, CheckpointError
from sd_contract.tensors.pickled_files import read_shapes, state_dict
from sd_contract.tensors.tensor_files import verify_safetensors

Tensors = Mapping[str, Tensor]
Find = Callable[[str], Tensor]
"""The weights of one part of a model by the names of diffusers or transformers, each to be copied before the next
is asked for; KeyError for one that is missing, with the name it should have in the file."""

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
OLD_VAE_NAMES = (
    (".to_q.", ".query."),
    (".to_k.", ".key."),
    (".to_v.", ".value."),
    (".to_out.0.", ".proj_attn."),
)


class SafetensorsFile(Mapping[str, Tensor]):
    """The tensors of a safetensors file, each read from the disk when it is asked for. All are read to the same
    place in memory, since fresh memory costs more than the reading: a tensor is good until the next is asked for.
    Raises CheckpointError when the file is not whole."""

    def __init__(self, path: Path) -> None:
        self._header = verify_safetensors(path)
        self._path = path
        self._place = torch.empty(0, dtype=torch.uint8)

    def __getitem__(self, name: str) -> Tensor:
        entry = self._header.tensors[name]
        if entry.dtype not in DTYPES:
            raise CheckpointError(
                f"{self._path} holds numbers of type {entry.dtype!r}, which no base model here has."
            )
        size = entry.end - entry.begin
        if size > self._place.numel():
            self._place = torch.empty(size, dtype=torch.uint8)
        content = self._place[:size]
        with self._path.open("rb") as file:
            file.seek(self._header.data_start + entry.begin)
            if size and file.readinto(content.numpy().data) != size:
                raise CheckpointError(f"{self._path} became shorter while it was read. Copy or download it again.")
        return content.view(DTYPES[entry.dtype]).reshape(entry.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._header.tensors)

    def __len__(self) -> int:
        return len(self._header.tensors)


def open_file(path: Path) -> Tensors:
    """The tensors of a safetensors file or of a pickle that holds nothing else. CheckpointError for any other."""
    if path.suffix.lower() not in PICKLED_SUFFIXES:
        return SafetensorsFile(path)
    read_shapes(path)
    found = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    return {name: value for name, value in state_dict(found).items() if isinstance(value, Tensor)}


def open_files(paths: Sequence[Path]) -> Tensors:
    """The tensors of several files that make up one part."""
    files = [open_file(path) for path in paths]
    return files[0] if len(files) == 1 else _Several(files)


class _Several(Mapping[str, Tensor]):
    def __init__(self, files: Sequence[Tensors]) -> None:
        self._file_of = {name: file for file in files for name in file}

    def __getitem__(self, name: str) -> Tensor:
        return self._file_of[name][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._file_of)

    def __len__(self) -> int:
        return len(self._file_of)


def open_parts(base: BaseModel) -> Mapping[str, Find]:
    """How each part of a base model finds its weights. BaseModelError when files are missing or damaged."""
    try:
        parts = _folder_parts(base) if base.is_folder else file_parts(base, open_file(base.path))
        own_vae = {"vae": vae_file(base.vae_path, base)} if base.vae_path else {}
    except CheckpointError as error:
        raise BaseModelError(f"base model: {error}") from error
    return {**parts, **own_vae}


def file_parts(base: BaseModel, tensors: Tensors) -> dict[str, Find]:
    """The parts that one file holds together, in Stability's layout."""
    attention = [kind.startswith("CrossAttn") for kind in base.unet["down_block_types"]]
    parts = {
        "unet": _renamed(tensors, lambda name: Place(UNET + unet_path(name, attention))),
        "vae": _stability_vae(tensors, base, VAE),
    }
    if base.family == "sd2":
        return {**parts, "text_encoder": _open_clip(tensors, OPEN_CLIP["sd2"])}
    clip = _clip(tensors, CLIP[base.family])
    if base.family == "sd1":
        return {**parts, "text_encoder": clip}
    return {**parts, "text_encoder": clip, "text_encoder_2": _open_clip(tensors, OPEN_CLIP["sdxl"])}


def _folder_parts(base: BaseModel) -> dict[str, Find]:
    names = ("unet", "vae", "text_encoder", *(("text_encoder_2",) if base.text_encoder_2 else ()))
    parts = {name: open_files(model_folders.weight_files(base.path / name)) for name in names}
    return {
        name: _diffusers_vae(tensors)
        if name == "vae"
        else _text_folder(tensors)
        if name.startswith("text")
        else _same(tensors)
        for name, tensors in parts.items()
    }


def vae_file(path: Path, base: BaseModel) -> Find:
    """A VAE of its own: a diffusers folder or file, or a file in Stability's layout with or without its prefix."""
    tensors = open_files(model_folders.weight_files(path)) if path.is_dir() else open_file(path)
    if any(name.startswith("encoder.down_blocks.") for name in tensors):
        return _diffusers_vae(tensors)
    return _stability_vae(tensors, base, VAE if any(name.startswith(VAE) for name in tensors) else "")


def _stability_vae(tensors: Tensors, base: BaseModel, prefix: str) -> Find:
    levels = len(base.vae["block_out_channels"])
    return _renamed(tensors, lambda name: Place(prefix + vae_path(name, levels)))


def _diffusers_vae(tensors: Tensors) -> Find:
    def find(name: str) -> Tensor:
        if name not in tensors:
            for new, old in OLD_VAE_NAMES:
                name = name.replace(new, old)
        return tensors[name]

    return find


def _text_folder(tensors: Tensors) -> Find:
    """transformers writes `text_model.` or leaves it out, as its version pleases."""
    return lambda name: tensors[name] if name in tensors else tensors[_other_spelling(name)]


def _other_spelling(name: str) -> str:
    bare = name.removeprefix("text_model.")
    return bare if bare != name else clip_path(name)


def _clip(tensors: Tensors, prefix: str) -> Find:
    spelled = prefix + clip_path("embeddings.token_embedding.weight") in tensors
    return _renamed(
        tensors,
        lambda name: Place(prefix + (clip_path(name) if spelled else name.removeprefix("text_model."))),
    )


def _open_clip(tensors: Tensors, prefix: str) -> Find:
    def place(name: str) -> Place:
        found = open_clip_place(name)
        return Place(prefix + found.name, found.third, found.transposed)

    return _renamed(tensors, place)


def _same(tensors: Tensors) -> Find:
    return tensors.__getitem__


def _renamed(tensors: Tensors, place_of: Callable[[str], Place]) -> Find:
    def find(name: str) -> Tensor:
        place = place_of(name)
        tensor = tensors[place.name]
        if place.third is not None:
            tensor = tensor.chunk(3)[place.third]
        return tensor.t().contiguous() if place.transposed else tensor

    return find
