"""How fast previews are: many checkpoints and weights in one process beside a base model loaded again for each
checkpoint, putting another checkpoint on, and the first page of a large matrix.

    python -m benchmarks.previews --out results            the pocket model
    python -m benchmarks.previews --full-size --out ...    a model of SD1.5's size, with random weights

Seconds are the best of a few repeats; they belong to one machine. With a GPU pictures are rendered there."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.full_size import write_model
from lora_engine.families import load
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.base_models.base_model import inspect_trainable
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import Picture, PreviewSettings
from train_tools.previews.matrix import BaseModelFile, LabelledCheckpoint, matrix_of, missing
from train_tools.previews.renderer import RenderRequest
from train_tools.renderers.diffusers_process import chosen_device, open_painter

POCKET = Path(__file__).parents[1] / "projects_template" / "demo" / "pocket-sd1.safetensors"
CHECKPOINTS, WEIGHTS = 10, (0.25, 0.5, 0.75, 1.0)
PICTURE = Picture(
    base="",
    lora="x",
    weight=1.0,
    prompt="a red circle on a white background",
    negative_prompt="low quality",
    seed=1,
    width_px=64,
    height_px=64,
    steps=4,
    guidance=7.0,
    sampler="euler_a",
    clip_skip=1,
)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--full-size", action="store_true")
    asked.add_argument("--sizes", default="64,256")
    asked.add_argument("--checkpoints", type=int, default=CHECKPOINTS)
    asked.add_argument("--steps", type=int, default=PICTURE.steps)
    asked.add_argument("--repeats", type=int, default=2)
    asked.add_argument(
        "--runs", type=int, default=200, help="runs of 20 checkpoints in the large matrix; 0 = none"
    )
    asked.add_argument("--out", type=Path, default=Path("results"))
    arguments = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        base = write_model(home / "sd1.safetensors") if arguments.full_size else POCKET
        loras = loras_for(base, home, arguments.checkpoints)
        found: dict[str, float | str] = {
            "base": base.stem,
            "device": str(chosen_device("auto")),
            "load": os.getloadavg()[0],
        }
        for size in map(int, arguments.sizes.split(",")):
            picture = replace(PICTURE, width_px=size, height_px=size, steps=arguments.steps)
            found |= batch(base, loras, picture, arguments.repeats)
        found |= switching(base, loras)
        if arguments.runs:
            found |= first_page(home / "version", arguments.runs)
    for name, value in found.items():
        print(f"{name:40} {value if isinstance(value, str) else round(value, 4)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"previews-{base.stem}.json").write_text(json.dumps(found, indent=1))


def loras_for(base: Path, folder: Path, count: int, rank: int = 16) -> list[Path]:
    """LoRAs of that rank on every layer, with random weights."""
    model = load(inspect_trainable(base))
    network = LoraNetwork.attach(model.unet, model.text_encoder, rank=rank, alpha=rank, streams=Streams(1))
    files = []
    for number in range(count):
        draws = torch.Generator().manual_seed(number)
        tensors = {
            name: 0.02 * torch.randn(one.shape, generator=draws) if "lora_up" in name else one
            for name, one in network.tensors(torch.float16).items()
        }
        files.append(folder / f"lora-{number:02}.safetensors")
        save_file({name: tensor.half() for name, tensor in tensors.items()}, files[-1])
    return files


def batch(base: Path, loras: Sequence[Path], picture: Picture, repeats: int) -> dict[str, float]:
    """All checkpoints and weights on one loaded base model, and with the base model loaded for each checkpoint."""
    request = RenderRequest(base=BaseModelFile(path=base, sha256="0" * 64), folder=base.parent, wanted=())

    def ours() -> None:
        painter = open_painter(request)
        for lora in loras:
            painter.use(lora)
            for weight in WEIGHTS:
                painter.paint(replace(picture, weight=weight), lambda: False)

    def reloading() -> None:
        for lora in loras:
            painter = open_painter(request)
            painter.use(lora)
            for weight in WEIGHTS:
                painter.paint(replace(picture, weight=weight), lambda: False)

    one, many = best(ours, repeats), best(reloading, repeats)
    size = picture.width_px
    pictures = len(loras) * len(WEIGHTS)
    return {
        f"{size}px: one process, s": one,
        f"{size}px: base loaded each time, s": many,
        f"{size}px: ratio": one / many,
        f"{size}px: pictures/s": pictures / one,
    }


def switching(base: Path, loras: Sequence[Path]) -> dict[str, float]:
    """Putting another checkpoint of the same rank on."""
    painter = open_painter(RenderRequest(base=BaseModelFile(path=base, sha256=""), folder=base.parent, wanted=()))
    painter.use(loras[0])
    seconds = []
    for lora in loras[1:]:
        begun = time.perf_counter()
        painter.use(lora)
        seconds.append(time.perf_counter() - begun)
    return {"switching a checkpoint, s (worst)": max(seconds), "switching a checkpoint, s (best)": min(seconds)}


def first_page(folder: Path, runs: int, epochs: int = 20, page: int = 50) -> dict[str, float]:
    """The first checkpoints of a large version's matrix of 8 cells each, and all of them; nothing is rendered."""
    version, base = VersionPaths(folder), BaseModelFile(path=POCKET, sha256="ab" * 32)
    tensors = {"lora_unet_x.alpha": torch.tensor(1.0)}
    rows = []
    for run in range(runs):
        paths = version.run(f"run-{run:03}")
        paths.folder.mkdir(parents=True)
        for epoch in range(1, epochs + 1):
            file = paths.folder / f"x-{epoch:06}.safetensors"
            save_file(tensors, file, metadata={"sshs_model_hash": f"{run:032x}{epoch:032x}"})
            at = Checkpoint(
                run=paths.folder.name,
                path=file,
                size_bytes=0,
                modified=0.0,
                epoch=epoch,
                step=epoch,
                final=False,
            )
            rows.append(LabelledCheckpoint(label=f"network_dim={run}", checkpoint=at, base=base))
    settings = PreviewSettings(prompts=("a", "b"), seeds=(1,))
    begun = time.perf_counter()
    missing(matrix_of(version, rows[:page], settings, renderer="r 1"))
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    missing(matrix_of(version, rows, settings, renderer="r 1"))
    return {
        f"matrix: first {page} of {len(rows)} checkpoints, s": first,
        "matrix: all, s": time.perf_counter() - begun,
    }


def best(action: Callable[[], None], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


if __name__ == "__main__":
    main()
