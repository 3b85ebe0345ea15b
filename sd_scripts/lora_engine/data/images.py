"""From an image file to the pixels a VAE encodes, and to the mask that weighs the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose
from torch import Tensor

from lora_engine.data.framing import Framing, Tint
from sd_contract.errors import DatasetError
from sd_contract.images.buckets import CELL
from sd_contract.images.image_sizes import Size, image_orientation

UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a stored image upright, by EXIF orientation."""
FILTERS = {
    "lanczos": Resampling.LANCZOS,
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "linear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "cubic": Resampling.BICUBIC,
    "area": Resampling.BOX,
}


def load_pixels(
    path: Path, framing: Framing, interpolation: str | None = None, tint: Tint | None = None
) -> Tensor:
    """The part of an image that is seen, as 3 x H x W numbers from -1 to 1. Rotation in EXIF data is obeyed,
    transparency ignored. DatasetError when the file is no whole image."""
    image = framed(upright(path).convert("RGB"), framing, interpolation)
    pixels = np.asarray(tinted(image, tint) if tint else image, dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1.0).permute(2, 0, 1).contiguous()


def load_opacity(path: Path, framing: Framing, interpolation: str | None = None) -> Tensor:
    """How opaque each latent cell of an image is, from 0 to 1: 1 x H/8 x W/8. An image without transparency is
    opaque."""
    image = upright(path)
    if not image.has_transparency_data:
        return torch.ones(1, framing.size[1] // CELL, framing.size[0] // CELL)
    return _by_cells(framed(image.convert("RGBA").getchannel("A"), framing, interpolation))


def load_mask(path: Path, framing: Framing, interpolation: str | None = None) -> Tensor:
    """How bright each latent cell of a mask is, from 0 to 1, its red channel: 1 x H/8 x W/8. The mask is laid over
    its image, whatever its own size."""
    return _by_cells(framed(upright(path).convert("RGB").getchannel("R"), framing, interpolation))


def upright(path: Path) -> Image.Image:
    """The whole image, turned as its EXIF data say. DatasetError when it can't be read."""
    try:
        with Image.open(path) as image:
            image.load()
            turn = UPRIGHT.get(image_orientation(path))
            return image.copy() if turn is None else image.transpose(turn)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DatasetError(f"image {path} can't be read ({error}). Replace or remove it.") from error


def framed(image: Image.Image, framing: Framing, interpolation: str | None = None) -> Image.Image:
    """The image scaled, cropped and mirrored."""
    if image.size != framing.resized:
        image = image.resize(framing.resized, _filter(image.size, framing.resized, interpolation))
    width, height = framing.size
    image = image.crop((framing.left, framing.top, framing.left + width, framing.top + height))
    return image.transpose(Transpose.FLIP_LEFT_RIGHT) if framing.mirrored else image


def tinted(image: Image.Image, tint: Tint) -> Image.Image:
    """The image in slightly other colours."""
    if tint.gamma != 1.0:
        return image.point([round(255 * (level / 255) ** tint.gamma) for level in range(256)] * 3)
    hue, saturation, value = image.convert("HSV").split()
    shift = round(tint.hue * 256)
    turned = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def _filter(old: Size, new: Size, interpolation: str | None) -> Resampling:
    if interpolation is not None:
        return FILTERS[interpolation]
    shrinks = new[0] <= old[0] and new[1] <= old[1]
    return Resampling.BOX if shrinks else Resampling.LANCZOS


def _by_cells(image: Image.Image) -> Tensor:
    """The mean of each cell."""
    levels = np.asarray(image, dtype=np.float32) / 255.0
    height, width = levels.shape
    cells = levels.reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))
    return torch.from_numpy(cells)[None]
