"""A full-size model with random weights and pictures of noise: what a measured run trains on."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.pocket.blueprint import FULL_SIZE, build
from benchmarks.pocket.single_file import DTYPES, single_file_metadata, single_file_tensors
from sd_contract.base_models.vocabulary import END, HUB_NAME, START, find_vocabulary


def write_model(path: Path, family: str = "sd1", *, seed: int = 0) -> Path:
    """A full-size model in half precision, written tensor by tensor: never as a whole in memory."""
    header, tensors = _described(family)
    draws = np.random.default_rng(seed).standard_normal(2**22, dtype=np.float32)
    with path.open("wb") as file:
        file.write(header)
        for name, tensor in tensors.items():
            file.write(_content(name, tensor, draws).tobytes())
    return path


def write_hollow_model(path: Path, family: str = "sd1") -> Path:
    """The header of such a model, and a hole in the place of its weights: for what only reads headers."""
    header, tensors = _described(family)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()))
    return path


def _described(family: str) -> tuple[bytes, Mapping[str, torch.Tensor]]:
    """The header of a single file with its length, and what the tensors are that follow it."""
    with torch.device("meta"):
        networks = build(FULL_SIZE[family])
    tensors = single_file_tensors(networks)
    header, offset = {"__metadata__": dict(single_file_metadata(networks.blueprint, "random"))}, 0
    for name, tensor in tensors.items():
        end = offset + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text, tensors


def _content(name: str, tensor: torch.Tensor, draws: np.ndarray) -> np.ndarray:
    """Weights of the usual size: norms 1, biases 0, others shrinking with the width of their input."""
    shape = tuple(tensor.shape)
    if tensor.dtype == torch.int64:
        return np.arange(tensor.numel(), dtype=np.int64).reshape(shape)
    if len(shape) < 2:
        return np.full(shape, 0.0 if name.endswith("bias") else 1.0, np.float16)
    width = int(np.prod(shape[1:]))
    return (np.resize(draws, shape) / width**0.5).astype(np.float16)


def write_dataset(folder: Path, size_px: int, batch_size: int, pictures: int = 8) -> Path:
    """Pictures of noise with captions, and the dataset file that names them."""
    images = folder / "images"
    images.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for number in range(pictures):
        pixels = draw.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text("a picture of noise", encoding="utf-8")
    path = folder / "dataset.toml"
    path.write_text(
        f"[general]\ncaption_extension = '.txt'\n[[datasets]]\nresolution = {size_px}\n"
        f"batch_size = {batch_size}\n[[datasets.subsets]]\nimage_dir = '{images}'\nnum_repeats = 4\n",
        encoding="utf-8",
    )
    return path


def write_tokenizer(cache: Path) -> Path:
    """The CLIP tokenizers where sd-scripts looks for them when --tokenizer_cache_dir names this folder."""
    vocabulary = find_vocabulary()
    marks = {"bos_token": START, "eos_token": END, "unk_token": END}
    for name, pad in ((HUB_NAME, END), ("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "!")):
        folder = cache / name.replace("/", "_")
        folder.mkdir(parents=True)
        (folder / "vocab.json").write_text(json.dumps(vocabulary.ids), encoding="utf-8")
        merges = "\n".join(" ".join(pair) for pair in vocabulary.merges)
        (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n", encoding="utf-8")
        facts = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **marks, "pad_token": pad}
        (folder / "tokenizer_config.json").write_text(json.dumps(facts), encoding="utf-8")
    return cache
