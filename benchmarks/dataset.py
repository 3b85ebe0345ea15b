"""How fast a dataset is made: photographs of 12 megapixels to 512 x 512, beside a loop of plain Pillow.

    python -m benchmarks.dataset [--photos 100] [--rounds 2] [--workers N]

Prints a table and writes benchmarks/results/dataset.json. The photographs are those of scikit-image, brought to
4000 x 3000 with the grain of a camera, some enlarged and some laid side by side (detail down to the pixel); a few
are made and stand for all. Both sides read them and write PNGs, in turn, in every round.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Preparation
from train_tools.preparation.preparation import prepare
from train_tools.preparation.workers import workers_here

RESULTS = Path(__file__).parent / "results" / "dataset.json"
PHOTOGRAPH_PX = (4000, 3000)
SIZE_PX = (512, 512)
DIFFERENT = 12
GRAIN = 4.0
LIMITS = {"times as fast": 4.0, "least PSNR": 40.0}
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "hubble_deep_field.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=workers_here())
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TRAIN_TOOLS_BENCHMARKS")) as folder:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(folder, "state"))
        found = preparation(Path(folder), asked.photos, asked.rounds, asked.workers)
    print_table(found)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"format": 1, "preparation": found}, indent=1) + "\n")


def preparation(folder: Path, photos: int, rounds: int, workers: int) -> dict[str, float]:
    """Seconds of both sides over all rounds, and how near their images are."""
    version = VersionPaths(folder / "version")
    originals = taken(version.origin, photos)
    plain = folder / "plain"
    plain.mkdir()
    settings = Preparation(width_px=SIZE_PX[0], height_px=SIZE_PX[1], mirrored_copies=False)
    plain_s = ours_s = 0.0
    for _ in range(rounds):
        plain_s += seconds(lambda: pillow_alone(originals, plain))
        ours_s += seconds(lambda: prepare(version, settings, "photo", workers=workers))
    nearness = [psnr(*pair) for pair in pairs(plain, version.processed)]
    return {
        "photos": photos,
        "workers": workers,
        "Pillow alone, s": plain_s / rounds,
        "Train Tools, s": ours_s / rounds,
        "photos a second": photos * rounds / ours_s,
        "times as fast": plain_s / ours_s,
        "least PSNR": min(nearness),
        "mean PSNR": sum(nearness) / len(nearness),
    }


def pillow_alone(photographs: Sequence[Path], folder: Path) -> None:
    """What one writes first."""
    for path in photographs:
        with Image.open(path) as photograph:
            upright = ImageOps.exif_transpose(photograph).convert("RGB")
            ImageOps.fit(upright, SIZE_PX, Image.Resampling.LANCZOS).save(folder / f"{path.stem}.png")


def taken(folder: Path, photos: int) -> list[Path]:
    """So many photographs; the same few under many names."""
    folder.mkdir(parents=True)
    different = [folder / f"{number:05}.jpg" for number in range(min(photos, DIFFERENT))]
    for number, path in enumerate(different):
        photograph(number).save(path, quality=92)
    for number in range(len(different), photos):
        (folder / f"{number:05}.jpg").hardlink_to(different[number % DIFFERENT])
    return sorted(folder.iterdir())


def photograph(number: int) -> Image.Image:
    """Every third is made of many small ones; all differ in light and grain, and some are mirrored."""
    picture = side_by_side(number) if number % 3 == 2 else enlarged(number)
    if number % 2:
        picture = ImageOps.mirror(picture)
    brightened = ImageEnhance.Brightness(picture).enhance(0.8 + 0.05 * (number % 8))
    pixels = np.asarray(brightened, dtype=np.float32)
    grain = np.random.default_rng(number).normal(0, GRAIN, pixels.shape[:2]).astype(np.float32)
    return Image.fromarray(np.clip(pixels + grain[..., np.newaxis], 0, 255).astype(np.uint8))


def enlarged(number: int) -> Image.Image:
    return ImageOps.fit(opened(number), PHOTOGRAPH_PX, Image.Resampling.LANCZOS)


def side_by_side(number: int) -> Image.Image:
    paper = Image.new("RGB", PHOTOGRAPH_PX)
    width, height = 500, 375
    for place in range((PHOTOGRAPH_PX[0] // width) * (PHOTOGRAPH_PX[1] // height)):
        down, across = divmod(place, PHOTOGRAPH_PX[0] // width)
        piece = ImageOps.fit(opened(number + place + down), (width, height), Image.Resampling.LANCZOS)
        paper.paste(piece, (across * width, down * height))
    return paper


def opened(number: int) -> Image.Image:
    package = find_spec("skimage")
    assert package is not None and package.submodule_search_locations, "scikit-image comes with the tests' extras"
    with Image.open(Path(package.submodule_search_locations[0], "data", NAMES[number % len(NAMES)])) as picture:
        return picture.convert("RGB")


def pairs(plain: Path, processed: Path) -> list[tuple[Path, Path]]:
    made = sorted(next(processed.iterdir()).glob("*.png"))[:DIFFERENT]
    return [(plain / f"{path.stem.rsplit('-', 1)[-1]}.png", path) for path in made]


def psnr(one: Path, other: Path) -> float:
    with Image.open(one) as first, Image.open(other) as second:
        difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return float(10 * np.log10(255**2 / max(np.mean(difference**2), 1e-9)))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def print_table(found: dict[str, float]) -> None:
    for name, value in found.items():
        limit = (
            f"  at least {LIMITS[name]:g}: {'yes' if value >= LIMITS[name] else 'NO'}" if name in LIMITS else ""
        )
        print(f"{name:20} {value:10.2f}{limit}")


if __name__ == "__main__":
    main()
