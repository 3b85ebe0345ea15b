"""How many bytes each thing of a run takes: the base model's parts, the LoRA and what its optimizer remembers, and
what is kept for the backward pass. Knows no phases: what lies there at the same time is told in `estimate`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from sd_contract.base_models.base_model import PICKLED_SUFFIXES, BaseModel, inspect_trainable
from sd_contract.lycoris.sizes import LycorisSizes
from sd_contract.options import parse_resolution, trained_size
from sd_contract.tensors import pickled_files
from sd_contract.tensors.tensor_files import read_header
from train_tools.memory.blocks import Block, encoding, text_blocks, unet_blocks
from train_tools.memory.numbers import FULL, bytes_of_format, state_bytes
from train_tools.model.grid import BUNDLED

Options = Mapping[str, Any]

UNET, TEXT, VAE = ("model.diffusion_model.",), ("cond_stage_model.", "conditioner."), ("first_stage_model.",)
"""What the names of a part's tensors begin with in a single file."""
VARYING = (
    "shuffle_caption",
    "caption_dropout_rate",
    "caption_dropout_every_n_epochs",
    "caption_tag_dropout_rate",
    "token_warmup_step",
    "enable_wildcard",
)
"""Options that make captions differ from draw to draw, so that the text encoder is needed to the end."""
DRAWN_ANEW = ("color_aug", "random_crop", "dynamic_crop", "face_crop_aug_range")
"""Options that make images differ from draw to draw, so that the VAE is."""
ATTENTION = ("sdpa", "xformers", "mem_eff_attn")
CHUNK_TOKENS = 75


class Sizes:
    """One run's sizes in bytes, each by its own arithmetic."""

    def __init__(self, options: Options, base: BaseModel, *, engine: str, on_gpu: bool) -> None:
        self.options = options
        self.base = base
        self.bundled = engine == BUNDLED
        self.on_gpu = on_gpu
        width, height = parse_resolution(str(trained_size(options.get) or base.resolution))
        self.size_px = (width, height)
        cell = base.latent_factor
        self._unet_blocks = tuple(unet_blocks(base.unet, width // cell, height // cell))
        self._text_blocks = tuple(
            block for encoder in self._encoders for block in text_blocks(encoder, self._chunks)
        )

    @property
    def unet_bytes(self) -> int:
        """fp8_base keeps the layers in one byte a number; the rest is little."""
        number = 1 if self.options.get("fp8_base") or self.options.get("fp8_base_unet") else self._number
        return self._numbers_in(UNET) * number

    @property
    def text_bytes(self) -> int:
        kept_small = self.options.get("fp8_base") and not self.options.get("fp8_base_unet")
        return self._numbers_in(TEXT) * (1 if kept_small else self._number)

    @property
    def vae_bytes(self) -> int:
        """The bundled trainer keeps it in float32; the scripts only with no_half_vae."""
        full = self.bundled or self.options.get("no_half_vae")
        return self._numbers_in(VAE) * (FULL if full else self._number)

    @property
    def file_bytes(self) -> int:
        """The scripts map the whole file into memory while they copy it into the networks."""
        return self.base.path.stat().st_size

    @property
    def encoding_bytes(self) -> int:
        full = self.bundled or self.options.get("no_half_vae")
        at_a_time = 1 if self.bundled else int(self.options.get("vae_batch_size") or 1)
        return encoding(self.base.vae, *self.size_px) * (FULL if full else self._number) * at_a_time

    @property
    def keeps_vae(self) -> bool:
        if any(self.options.get(name) for name in DRAWN_ANEW):
            return True
        if self.options.get("sample_prompts") and not self.on_gpu:
            return True
        caches = self.options.get("cache_latents") or self.options.get("cache_latents_to_disk")
        return not (self.bundled or caches)

    @property
    def keeps_text(self) -> bool:
        """Whether the text encoders stay on the GPU."""
        if self._trains("text_encoder"):
            return True
        if self.bundled:
            return any(self.options.get(name) for name in VARYING)
        return not self.options.get("cache_text_encoder_outputs")

    @property
    def weight_bytes(self) -> int:
        return self._weights * self._lora_number

    @property
    def gradient_bytes(self) -> int:
        return self._weights * self._lora_number

    @property
    def state_bytes(self) -> int:
        scale = self._lora_number / FULL
        average = FULL if self.options.get("ema_decay") else 0
        return int(self._weights * (state_bytes(self.options) * scale + average))

    @property
    def checkpoint_bytes(self) -> int:
        return self._weights * bytes_of_format(self.options.get("save_precision"))

    @property
    def activation_bytes(self) -> int:
        """What is kept for the backward pass, and the gradients that the largest block needs on the way."""
        blocks = [*self._unet_blocks, *(self._text_blocks if self._trains("text_encoder") else ())]
        whole = max(map(self._kept, blocks))
        if not self.options.get("gradient_checkpointing"):
            return self._batch * (sum(map(self._kept, blocks)) + whole) + self._change_bytes
        again = sum(block.enters * self._number if block.recomputed else self._kept(block) for block in blocks)
        return self._batch * (again + 2 * whole)

    def _kept(self, block: Block) -> int:
        narrow = 0 if self._lycoris else block.layers * self._rank + block.convolutions * self._convolution_rank
        inner = block.tokens * narrow
        scores = block.scores if self._plain_attention else 0
        return (block.held + inner + scores) * self._number + block.normed * self._norm_number

    @property
    def _weights(self) -> int:
        """How many weights the LoRA has."""
        weights = self.options.get("network_weights")
        if weights and self.options.get("dim_from_weights"):
            return sum(prod(shape) for shape in read_header(Path(str(weights))).shapes.values())
        if self._lycoris is not None:
            return self._lycoris.weights(self._parts, self._shapes)
        unet = self._unet_blocks if self._trains("unet") else ()
        text = self._text_blocks if self._trains("text_encoder") else ()
        linear = sum(block.sides for block in (*unet, *text))
        return self._rank * linear + self._convolution_rank * sum(block.convolution_sides for block in unet)

    @property
    def _change_bytes(self) -> int:
        """Changes of weights that are not applied through narrow matrices are kept for the backward pass; with
        gradient checkpointing only those of one block."""
        if self._lycoris is None:
            return 0
        return self._lycoris.changed_numbers(self._parts, self._shapes) * self._number

    @property
    def _lycoris(self) -> LycorisSizes | None:
        return LycorisSizes.of(self.options)

    @property
    def _rank(self) -> int:
        return int(self.options.get("network_dim") or 4)

    @property
    def _convolution_rank(self) -> int:
        pairs = (str(text).partition("=") for text in self.options.get("network_args") or ())
        found = {name.strip(): value.strip() for name, _, value in pairs}
        text = found.get("conv_dim", "")
        return int(text) if text.isdecimal() else 0

    @property
    def _batch(self) -> int:
        return int(self.options.get("train_batch_size") or 1)

    @property
    def _chunks(self) -> int:
        return int(self.options.get("max_token_length") or CHUNK_TOKENS) // CHUNK_TOKENS

    @property
    def _number(self) -> int:
        """Bytes of one of the frozen model's numbers, which most activations share."""
        return bytes_of_format(self.options.get("mixed_precision"))

    @property
    def _norm_number(self) -> int:
        """What norms keep: under autocast float32 on a GPU, on a CPU the format of what comes in."""
        return FULL if self.on_gpu else self._number

    @property
    def _lora_number(self) -> int:
        return 2 if self.options.get("full_bf16") or self.options.get("full_fp16") else FULL

    @property
    def _plain_attention(self) -> bool:
        """Only a checkout has it, when told to leave out each other kind; the app asks for sdpa otherwise."""
        told = [name for name in ATTENTION if name in self.options]
        return not self.bundled and bool(told) and not any(self.options[name] for name in told)

    @property
    def _encoders(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(filter(None, (self.base.text_encoder, self.base.text_encoder_2)))

    def _numbers_in(self, prefixes: tuple[str, ...]) -> int:
        """How many numbers the tensors have whose names begin so."""
        return sum(prod(shape) for name, shape in self._shapes.items() if name.startswith(prefixes))

    @property
    def _shapes(self) -> Mapping[str, tuple[int, ...]]:
        return _shapes(self.base.path, *version_of(self.base.path))

    @property
    def _parts(self) -> list[str]:
        return [part for part in ("unet", "text_encoder") if self._trains(part)]

    def _trains(self, part: str) -> bool:
        other = {"text_encoder": "network_train_unet_only", "unet": "network_train_text_encoder_only"}[part]
        if self.options.get(other):
            return False
        rate = self.options.get("text_encoder_lr" if part == "text_encoder" else "unet_lr")
        return any(rate) if isinstance(rate, list | tuple) and rate else rate != 0


def inspected(path: Path) -> BaseModel:
    """What a base model's header says, read once as long as the file stays the same. ContractError for a file that
    is none of SD1, SD2 and SDXL."""
    return _inspected(path, *version_of(path))


def version_of(path: Path) -> tuple[int, int]:
    """A file's size and time of change; zeros for one that is not there."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=16)
def _inspected(path: Path, size: int, changed_ns: int) -> BaseModel:
    return inspect_trainable(path)


@lru_cache(maxsize=16)
def _shapes(path: Path, size: int, changed_ns: int) -> Mapping[str, tuple[int, ...]]:
    if path.suffix.lower() in PICKLED_SUFFIXES:
        return pickled_files.read_shapes(path)
    return read_header(path).shapes
