"""How fast previews are: many checkpoints and weights in one process beside requests one after another and beside
a plain diffusers loop, putting another checkpoint on, and the first page of a large matrix.

    python -m benchmarks.previews --out results            the pocket model
    python -m benchmarks.previews --full-size --out ...    a model of SD1.5's size, with random weights
    python -m benchmarks.previews --base FILE ...          a base model that is there
    python -m benchmarks.previews --gpu ...                for a GPU: SD1.5's size, 512 pixels, 20 steps

The ways are measured in turn, round by round, in seconds and in CPU seconds; ratios are the median of their
rounds', so that a busy machine spoils all alike. Pictures are not written to the disk."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

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
from train_tools.previews.renderer import RenderRequest, WantedPicture
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
    asked.add_argument("--base", type=Path, help="a base model's file, in place of the pocket model")
    asked.add_argument("--gpu", action="store_true")
    asked.add_argument("--sizes", help="in pixels, one after another; 64,256, with --gpu 512")
    asked.add_argument("--checkpoints", type=int, default=CHECKPOINTS)
    asked.add_argument("--steps", type=int, help="4, with --gpu 20")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument(
        "--runs", type=int, default=200, help="runs of 20 checkpoints in the large matrix; 0 = none"
    )
    asked.add_argument("--out", type=Path, default=Path("results"))
    arguments = asked.parse_args()
    device = chosen_device("auto")
    if arguments.gpu and device.type == "cpu":
        asked.error("no GPU was found here")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        full_size = arguments.full_size or (arguments.gpu and not arguments.base)
        base = write_model(home / "sd1.safetensors") if full_size else arguments.base or POCKET
        found: dict[str, float | str] = {"base": base.stem, "device": str(device), "load": os.getloadavg()[0]}
        loras = loras_for(base, home, arguments.checkpoints)
        steps = arguments.steps or (20 if arguments.gpu else PICTURE.steps)
        for size in map(int, (arguments.sizes or ("512" if arguments.gpu else "64,256")).split(",")):
            picture = replace(PICTURE, width_px=size, height_px=size, steps=steps)
            found |= ways_beside_each_other(base, loras, picture, arguments.rounds)
        found |= switching(base, loras)
        if arguments.runs:
            found |= first_page(home / "version", arguments.runs)
    for name, value in found.items():
        print(f"{name:48} {value if isinstance(value, str) else round(value, 4)}")
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


@dataclass(frozen=True)
class Job:
    """All checkpoints at all weights."""

    request: RenderRequest
    loras: Sequence[Path]
    picture: Picture

    def together(self) -> None:
        """As the renderer does it: one base model, pictures in batches."""
        painter = open_painter(self.request)
        for lora in self.loras:
            painter.use(lora)
            for batch in painter.batches(self.wanted_of(lora)):
                painter.paint([one.picture for one in batch], lambda: False)

    def one_after_another(self) -> None:
        """The same code, as single requests, and the base model loaded again for each checkpoint."""
        for lora in self.loras:
            painter = open_painter(self.request)
            painter.one_by_one = True
            painter.use(lora)
            for one in self.wanted_of(lora):
                painter.paint([one.picture], lambda: False)

    def plain_diffusers(self, *, reload: bool) -> None:
        """As somebody would write it with diffusers alone."""
        pipeline = self._pipeline()
        for lora in self.loras:
            pipeline = self._pipeline() if reload and lora != self.loras[0] else pipeline
            pipeline.load_lora_weights(str(lora), adapter_name="lora")
            for one in self.wanted_of(lora):
                pipeline.set_adapters(["lora"], adapter_weights=[one.picture.weight])
                pipeline(
                    one.picture.prompt,
                    negative_prompt=one.picture.negative_prompt,
                    num_inference_steps=one.picture.steps,
                    guidance_scale=one.picture.guidance,
                    width=one.picture.width_px,
                    height=one.picture.height_px,
                    generator=torch.Generator("cpu").manual_seed(one.picture.seed),
                )
            pipeline.unload_lora_weights()

    def wanted_of(self, lora: Path) -> list[WantedPicture]:
        pictures = (replace(self.picture, weight=weight) for weight in WEIGHTS)
        return [WantedPicture(picture=one, file=lora.with_suffix(".png"), checkpoint=lora) for one in pictures]

    def _pipeline(self) -> Any:
        from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline, logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        device = chosen_device("auto")
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        model = load(inspect_trainable(self.request.base.path), device=device, dtype=dtype)
        pipeline = StableDiffusionPipeline(
            vae=model.vae.to(dtype),
            text_encoder=model.text_encoder,
            tokenizer=model.tokenizer,
            unet=model.unet,
            scheduler=EulerAncestralDiscreteScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def ways_beside_each_other(
    base: Path, loras: Sequence[Path], picture: Picture, rounds: int
) -> dict[str, float | str]:
    """Each way once a round; of a large picture on a CPU only three checkpoints."""
    few = chosen_device("auto").type == "cpu" and picture.width_px > 96
    file = BaseModelFile(path=base, sha256="0" * 64)
    job = Job(RenderRequest(base=file, folder=base.parent, wanted=()), loras[: 3 if few else None], picture)
    ways: Mapping[str, Callable[[], None]] = {
        "ours": job.together,
        "one after another": job.one_after_another,
        "diffusers, base loaded each time": partial(job.plain_diffusers, reload=True),
        "diffusers, base loaded once": partial(job.plain_diffusers, reload=False),
    }
    taken = [{way: seconds_of(act) for way, act in ways.items()} for _ in range(rounds)]
    found: dict[str, float | str] = {}
    for way in ways:
        wall, cpu = (statistics.median(each[way][kind] for each in taken) for kind in (0, 1))
        name = f"{picture.width_px}px: {way}"
        found |= {f"{name}, s": wall, f"{name}, CPU s": cpu}
        found[f"{name}, pictures/s"] = len(job.loras) * len(WEIGHTS) / wall
        if way != "ours":
            ratios = [statistics.median(each["ours"][kind] / each[way][kind] for each in taken) for kind in (0, 1)]
            found |= {f"{picture.width_px}px: ours / {way}": ratios[0], f"{name}, ratio of CPU s": ratios[1]}
    return found


def seconds_of(act: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


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
    first = seconds_of(lambda: missing(matrix_of(version, rows[:page], settings, renderer="r 1")))
    every = seconds_of(lambda: missing(matrix_of(version, rows, settings, renderer="r 1")))
    return {
        f"matrix: first {page} of {len(rows)} checkpoints, s": first[0],
        f"matrix: first {page} of {len(rows)} checkpoints, CPU s": first[1],
        "matrix: all, s": every[0],
        "matrix: all, CPU s": every[1],
    }


if __name__ == "__main__":
    main()
