"""The demo's training pictures: one new concept on every background, as image and caption files."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pocket.scenes import BACKGROUNDS, draw_zorb


def write_dataset(folder: Path, *, seed: int = 0, images: int = 24, size_px: int = 128) -> list[Path]:
    """Draw zorbs into `zorb-NN.png` with captions beside them; the same seed gives the same pixels.

    Returns the pictures' paths. Files of these names are replaced; others in the folder are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    return [_write_zorb(folder, number, rng, size_px) for number in range(1, images + 1)]


def _write_zorb(folder, number, rng, size_px):
    scene = draw_zorb(rng, BACKGROUNDS[number % len(BACKGROUNDS)], height=size_px, width=size_px)
    path = folder / f"zorb-{number:02}.png"
    Image.fromarray(scene.pixels).save(path)
    path.with_suffix(".txt").write_text(scene.caption + "\n", encoding="utf-8", newline="\n")
    return path
