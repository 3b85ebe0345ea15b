"""From an image file to the pixels a VAE encodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from sd_contract.errors import DatasetError


def load_pixels(path: Path, resolution: tuple[int, int]) -> Tensor:
    """The image as 3 x H x W numbers from -1 to 1, scaled to cover `resolution` (width, height) and cropped around
    its centre. Rotation in EXIF data is obeyed, transparency ignored. DatasetError when it is no whole image."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise DatasetError(f"image {path} can't be read ({error}). Replace or remove it.") from error
    pixels = np.asarray(cover(upright, resolution), dtype=np.float32)
    return torch.from_numpy(pixels / 127.5 - 1.0).permute(2, 0, 1).contiguous()


def cover(image: Image.Image, resolution: tuple[int, int]) -> Image.Image:
    """The image scaled so that it just covers the resolution, its overhang cut off equally on both sides."""
    width, height = resolution
    scale = max(width / image.width, height / image.height)
    size = max(width, round(image.width * scale)), max(height, round(image.height * scale))
    if size != image.size:
        shrinks = size[0] <= image.width and size[1] <= image.height
        image = image.resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.LANCZOS)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
