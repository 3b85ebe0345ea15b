"""What iLECO makes of the pocket model: red things turned blue, and circles erased.

    python -m benchmarks.leco --out FOLDER [--steps 300] [--json FILE]

Trains with `sd_scripts/train_leco.py`, paints 25 prompts a question and counts what they show. Prints the figures,
and leaves the LoRAs and contact sheets in the folder, to be looked at."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import torch
from PIL import Image

from benchmarks.pocket.measure import Seen, describe
from benchmarks.pocket.scenes import BACKGROUNDS, OBJECT_COLOURS, SHAPES
from lora_engine.families import Family, load
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.pictures import as_image, paint, prompts_of
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.sample_prompts import SamplePrompt

ROOT = Path(__file__).resolve().parents[1]
POCKET = ROOT / "projects_template" / "demo" / "pocket-sd1.safetensors"
PICTURE_PX = 64
GUIDANCE = 5.0


def trained(folder: Path, name: str, steps: int, originals: Sequence[str], targets: Sequence[str]) -> float:
    """Trains the LoRA of that name; returns its processor seconds, the start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        *(sys.executable, str(ROOT / "sd_scripts" / "train_leco.py")),
        *("--pretrained_model_name_or_path", str(POCKET), "--output_dir", str(folder), "--output_name", name),
        *("--network_dim", "4", "--network_alpha", "8", "--learning_rate", "2e-3", "--lr_scheduler", "cosine"),
        *("--train_batch_size", "2", "--max_train_steps", str(steps), "--seed", "1"),
        *("--original_prompt", *originals),
        *(("--target_prompt", *targets) if targets else ()),
    ]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@torch.inference_mode()
def picture_of(model: Family, prompt: str) -> Image.Image:
    wanted = SamplePrompt(
        prompt=prompt, width_px=PICTURE_PX, height_px=PICTURE_PX, steps=15, guidance=GUIDANCE, sampler="ddim"
    )
    text = model.encode_text(prompts_of(prompt, "", GUIDANCE))
    pixels = paint(model, model.vae, text, wanted, 1, torch.device("cpu"))
    assert pixels is not None, "nothing stops it"
    return as_image(pixels)


def painted(model: Family, prompts: Sequence[str], sheet: Path) -> list[Seen | None]:
    """The largest object of a picture for each prompt; the pictures in one sheet."""
    pictures = [picture_of(model, prompt) for prompt in prompts]
    image = Image.new("RGB", (PICTURE_PX * 5, PICTURE_PX * -(-len(pictures) // 5)))
    for place, picture in enumerate(pictures):
        image.paste(picture, (place % 5 * PICTURE_PX, place // 5 * PICTURE_PX))
    image.save(sheet)
    found = [describe(picture).objects for picture in pictures]
    return [objects[0] if objects else None for objects in found]


def on_backgrounds(things: Sequence[str]) -> list[str]:
    return [f"a {thing} on a {background} background" for thing in things for background in BACKGROUNDS]


def measured(folder: Path, steps: int) -> dict[str, float]:
    reds, blues = ([f"a {colour} {shape}" for shape in SHAPES] for colour in ("red", "blue"))
    circles = [f"a {colour} circle" for colour in OBJECT_COLOURS]
    figures = {
        "red to blue: CPU seconds": trained(folder, "red-to-blue", steps, reds, blues),
        "no circles: CPU seconds": trained(folder, "no-circles", steps, circles, ()),
    }
    return {**figures, **shown(folder)}


def shown(folder: Path) -> dict[str, float]:
    """What is counted in pictures, for LoRAs that lie in the folder."""
    figures = {}
    model = load(inspect_trainable(POCKET))
    network = LoraNetwork.from_file(folder / "red-to-blue.safetensors", model.unet, None)
    for asked, answered in (("red", "red"), ("red", "blue"), ("green", "green"), ("yellow", "yellow")):
        seen = painted(model, on_backgrounds([f"{asked} {shape}" for shape in SHAPES]), folder / f"{asked}.png")
        figures[f"asked for {asked}, shows {answered}"] = mean(
            one is not None and one.colour == answered for one in seen
        )
    for name, lora in (("base", None), ("no circles", folder / "no-circles.safetensors")):
        network.detach()
        if lora is not None:
            network.load(lora)
        for shape in ("circle", "square"):
            prompts = on_backgrounds([f"{colour} {shape}" for colour in OBJECT_COLOURS[:5]])
            seen = painted(model, prompts, folder / f"{name} {shape}.png")
            figures[f"{name}: asked for a {shape}, shows one"] = mean(
                one is not None and one.shape == shape for one in seen
            )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    figures = measured(asked.out, asked.steps)
    for name, figure in figures.items():
        print(f"{name:45} {figure:8.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
