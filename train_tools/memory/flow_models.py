"""Rules of thumb for the families that only kohya's scripts train (FLUX, SD3 and others): their blocks are not
counted here, so their memory is told from the sizes of their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sd_contract.options import parse_resolution

Options = Mapping[str, Any]

BESIDE = ("clip_l", "clip_g", "t5xxl", "gemma2", "text_encoder", "byt5", "ae", "vae")
"""Options of the scripts that name files with what a base model's own file lacks."""
KEPT_SHARE, CHECKPOINTED_SHARE = 1.4, 0.2
"""What is kept for the backward pass of one image of 1024x1024, relative to the model's weights in two bytes a
number. Counted for FLUX (19 double and 38 single blocks 3072 wide, 4,608 tokens, about 20 kept numbers a channel):
34 GB to 24 GB of weights; with gradient checkpointing the blocks' inputs and one block: 4 GB."""
NATIVE_AREA = 1024**2


def weights_of(options: Options, base_model: Path) -> int:
    """The base model as it is trained on: as it lies in its file, or in one byte a number."""
    size = base_model.stat().st_size
    return size // 2 if options.get("fp8_base") else size


def files_beside(options: Options) -> int:
    """The sizes of the text encoders' and the VAE's files."""
    named = (Path(str(options[name])) for name in BESIDE if options.get(name))
    return sum(path.stat().st_size for path in named if path.is_file())


def everything_else(options: Options, base_model: Path) -> int:
    """Activations, the LoRA and what its optimizer remembers."""
    width, height = parse_resolution(str(options.get("resolution") or "1024"))
    images = int(options.get("train_batch_size") or 1) * width * height / NATIVE_AREA
    share = CHECKPOINTED_SHARE if options.get("gradient_checkpointing") else KEPT_SHARE
    return int(base_model.stat().st_size * share * images)
