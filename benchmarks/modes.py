"""What each training mode makes of the pocket model, and what a step of it costs.

    python -m benchmarks.modes --out FOLDER [--only NAME ...] [--json FILE]

Trains with the scripts in `sd_scripts`, paints 25 prompts a question and counts what they show. Prints the
figures, and leaves the LoRAs and sheets of pictures in the folder, to be looked at: base model above, LoRA
below."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.pocket.measure import FAR_FROM_BACKGROUND, Seen, describe
from benchmarks.pocket.scenes import BACKGROUNDS, COLOURS, OBJECT_COLOURS, SHAPES, coverage
from lora_engine.families import Family, load
from lora_engine.job import read_job, read_pair_job, read_prompt_job
from lora_engine.maths.precision import Precision
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.pictures import as_image, paint, prompts_of
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.addift import Addift
from lora_engine.recipes.difference import TwoPasses
from lora_engine.recipes.inputs import encode_images
from lora_engine.recipes.learner import Learner
from lora_engine.recipes.leco import ConceptLearner
from lora_engine.recipes.leco import steps_to_do as concept_steps
from lora_engine.recipes.pairs import pair_steps
from lora_engine.recipes.resumption import steps_to_do as lora_steps
from lora_engine.recipes.run import load_model
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.options.groups import DIFFERENCE as DIFFERENCE_MODE
from sd_contract.options.groups import ON_PAIRS
from sd_contract.sample_prompts import SamplePrompt

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "projects_template" / "demo"
POCKET = DEMO / "pocket-sd1.safetensors"
SIZE_PX = 64
GUIDANCE = 5.0
WARM, COUNTED = 3, 20
"""Steps whose time is not counted, and those whose is."""
COMMON = ("--resolution", "64", "--lr_scheduler", "cosine", "--seed", "1")
Figures = dict[str, float]


def on_backgrounds(things: Sequence[str]) -> list[str]:
    return [f"a {thing} on a {background} background" for thing in things for background in BACKGROUNDS]


def of_shapes(colour: str) -> list[str]:
    return [f"a {colour} {shape}" for shape in SHAPES]


@dataclass
class Studio:
    """Trains LoRAs into a folder, and paints with them."""

    folder: Path
    model: Family = field(default_factory=lambda: load(inspect_trainable(POCKET)))
    network: LoraNetwork | None = None

    def trained(self, name: str, script: str, options: Sequence[str]) -> float:
        """Trains the LoRA of that name; returns its processor seconds, the start included."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [
            *(sys.executable, str(ROOT / "sd_scripts" / script), *COMMON),
            *("--pretrained_model_name_or_path", str(POCKET), "--output_dir", str(self.folder)),
            *("--output_name", name, "--save_overwrite", *options),
        ]
        subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def use(self, name: str | None, strength: float = 1.0) -> None:
        if name is None:
            if self.network:
                self.network.multiplier = 0.0
            return
        file = self.folder / f"{name}.safetensors"
        if self.network is None:
            self.network = LoraNetwork.from_file(file, self.model.unet, None)
        else:
            self.network.load(file)
        self.network.multiplier = strength

    @torch.inference_mode()
    def picture(self, prompt: str) -> Image.Image:
        wanted = SamplePrompt(
            prompt=prompt, width_px=SIZE_PX, height_px=SIZE_PX, steps=15, guidance=GUIDANCE, sampler="ddim"
        )
        text = self.model.encode_text(prompts_of(prompt, "", GUIDANCE))
        pixels = paint(self.model, self.model.vae, text, wanted, 1, torch.device("cpu"))
        assert pixels is not None, "nothing stops it"
        return as_image(pixels)

    def painted(self, prompts: Sequence[str], name: str | None, strength: float = 1.0) -> list[Image.Image]:
        self.use(name, strength)
        return [self.picture(prompt) for prompt in prompts]

    def sheet(self, name: str, *rows: Sequence[Image.Image]) -> None:
        """One row of pictures for each list."""
        image = Image.new("RGB", (SIZE_PX * max(map(len, rows)), SIZE_PX * len(rows)))
        for y, row in enumerate(rows):
            for x, picture in enumerate(row):
                image.paste(picture, (x * SIZE_PX, y * SIZE_PX))
        image.save(self.folder / f"{name}.png")


def largest(picture: Image.Image) -> Seen | None:
    objects = describe(picture).objects
    return objects[0] if objects else None


def share(pictures: Sequence[Image.Image], fits: Callable[[Seen], bool]) -> float:
    seen = [largest(picture) for picture in pictures]
    return mean(one is not None and fits(one) for one in seen)


def shows(**wanted: str) -> Callable[[Seen], bool]:
    return lambda one: all(getattr(one, name) == value for name, value in wanted.items())


def background_moved(before: Sequence[Image.Image], after: Sequence[Image.Image]) -> float:
    """How far pixels that belong to no object move in the mean, of 255."""
    moved = []
    for first, second in zip(before, after, strict=True):
        a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
        ground = np.array(COLOURS[describe(first).background], np.float32)
        outside = np.minimum(*(np.linalg.norm(one - ground, axis=2) for one in (a, b))) < FAR_FROM_BACKGROUND
        inside = np.linalg.norm(a - ground, axis=2) >= FAR_FROM_BACKGROUND
        inside |= np.linalg.norm(b - ground, axis=2) >= FAR_FROM_BACKGROUND
        kept = outside & ~inside
        moved.append(float(np.abs(a - b)[kept].mean()) if kept.any() else 255.0)
    return mean(moved)


ILECO = ("--mode", "ileco", "--network_dim", "4", "--network_alpha", "8", "--train_batch_size", "2")


def red_to_blue(studio: Studio) -> Figures:
    """iLECO: red things are blue, others stay. Yellow, the nearest, is named as its own target to hold it."""
    name = "red-to-blue"
    options = (*ILECO, "--learning_rate", "2e-3", "--max_train_steps", "500")
    originals, targets = (*of_shapes("red"), *of_shapes("yellow")), (*of_shapes("blue"), *of_shapes("yellow"))
    words = ("--original_prompt", *originals, "--target_prompt", *targets)
    figures = {"iLECO, 500 steps: CPU seconds": studio.trained(name, "train_leco.py", (*options, *words))}
    rows = []
    for asked, answered in (("red", "red"), ("red", "blue"), ("green", "green"), ("yellow", "yellow")):
        pictures = studio.painted(on_backgrounds([f"{asked} {shape}" for shape in SHAPES]), name)
        figures[f"iLECO: asked for {asked}, shows {answered}"] = share(pictures, shows(colour=answered))
        rows += [pictures] if asked != answered or asked != "red" else []
    studio.sheet(name, *rows)
    return figures


def no_circles(studio: Studio) -> Figures:
    """iLECO without a target: circles are gone, squares stay."""
    name = "no-circles"
    options = (*ILECO, "--learning_rate", "2e-3", "--max_train_steps", "300")
    circles = [f"a {colour} circle" for colour in OBJECT_COLOURS]
    figures = {
        "erasing, 300 steps: CPU seconds": studio.trained(
            name, "train_leco.py", (*options, "--prompt_guidance", "1", "--original_prompt", *circles)
        )
    }
    rows = []
    for shape in ("circle", "square"):
        prompts = on_backgrounds([f"{colour} {shape}" for colour in OBJECT_COLOURS[:5]])
        for lora in (None, name):
            pictures = studio.painted(prompts, lora)
            told = "erased" if lora else "base"
            figures[f"{told}: asked for a {shape}, shows one"] = share(pictures, shows(shape=shape))
            rows.append(pictures)
    studio.sheet(name, *rows)
    return figures


def slider(studio: Studio) -> Figures:
    """How large objects are at five weights of a slider from small to large."""
    name = "size-slider"
    shapes = [f"a {colour} {shape}" for colour in ("red", "green", "blue") for shape in SHAPES]
    options = (
        *("--mode", "slider", "--network_dim", "4", "--network_alpha", "4", "--train_batch_size", "2"),
        *("--learning_rate", "1e-3", "--max_train_steps", "150", "--denoise_steps", "10"),
        *("--original_prompt", *shapes),
        *("--positive_prompt", *(words.replace("a ", "a large ", 1) for words in shapes)),
        *("--negative_prompt", *(words.replace("a ", "a small ", 1) for words in shapes)),
    )
    figures = {"slider, 150 steps: CPU seconds": studio.trained(name, "train_leco.py", options)}
    prompts = on_backgrounds([f"{colour} circle" for colour in ("red", "green", "blue", "purple")])
    rows = []
    for weight in (-1.0, -0.5, 0.0, 0.5, 1.0):
        pictures = studio.painted(prompts, name, weight)
        sizes = [one.area_px if one else 0 for one in map(largest, pictures)]
        figures[f"slider: mean size at weight {weight:g}, pixels"] = mean(sizes)
        rows.append(pictures)
    studio.sheet(name, *rows)
    return figures


def circle_of(colour: str, background: str = "white") -> Image.Image:
    inside = coverage("circle", height=SIZE_PX, width=SIZE_PX, x=32, y=32, radius=19)[..., None]
    pixels = inside * np.array(COLOURS[colour]) + (1 - inside) * np.array(COLOURS[background])
    return Image.fromarray(pixels.astype(np.uint8))


def pair_of(studio: Studio, original: str, target: str, background: str = "white") -> tuple[str, ...]:
    """The options that name a drawn pair, whose circle changes its colour."""
    files = [studio.folder / f"{side}.png" for side in ("original", "target")]
    for file, colour in zip(files, (original, target), strict=True):
        circle_of(colour, background).save(file)
    return "--original_image", str(files[0]), "--target_image", str(files[1])


def from_a_pair(name: str, *options: str) -> Callable[[Studio], Figures]:
    """A mode that learns a change of colour from one pair."""

    def measured(studio: Studio) -> Figures:
        pair = pair_of(studio, "red", "blue")
        figures = {f"{name}: CPU seconds": studio.trained(name, "train_difference.py", (*pair, *options))}
        prompts = on_backgrounds([f"red {shape}" for shape in SHAPES])
        before, after = (studio.painted(prompts, lora) for lora in (None, name))
        others = on_backgrounds([f"green {shape}" for shape in SHAPES])
        kept = studio.painted(others, name)
        studio.sheet(name, before, after, studio.painted(prompts, name, -1.0), kept)
        return figures | {
            f"{name}: asked for red, shows red": share(after, shows(colour="red")),
            f"{name}: asked for red, shows blue": share(after, shows(colour="blue")),
            f"{name}: asked for green, shows green": share(kept, shows(colour="green")),
            f"{name}: background moves, of 255": background_moved(before, after),
        }

    return measured


DIFFERENCE = (
    *("--mode", "difference", "--network_dim", "16", "--network_alpha", "16", "--train_batch_size", "2"),
    *("--learning_rate", "1e-3", "--max_train_steps", "120", "--original_prompt", "a red circle"),
    *("--second_pass_args", "network_dim=4", "network_alpha=16", "learning_rate=2e-3", "network_strength=2"),
)
ADDIFT = (
    *("--mode", "addift", "--network_dim", "4", "--network_alpha", "4", "--train_batch_size", "1"),
    *("--learning_rate", "2e-3", "--max_train_steps", "100", "--original_prompt", "a red circle"),
)


def costs(studio: Studio) -> Figures:
    """Processor seconds of one step of each mode at batch 2, and that divided by a LoRA step's."""
    pair = pair_of(studio, "red", "blue")
    words = ("--original_prompt", "a red circle", "--denoise_steps", "20")
    slides = ("--positive_prompt", "a large red circle", "--negative_prompt", "a small red circle")
    wanted = {
        "lora": ("--train_data_dir", str(images_of(studio)), "--network_train_unet_only"),
        "ileco": words,
        "leco": words,
        "slider": (*words, *slides),
        "difference": (*pair, "--second_pass_args", "max_train_steps=1"),
        "addift": pair,
    }
    seconds = {mode: seconds_a_step(studio, mode, options) for mode, options in wanted.items()}
    figures = {f"step, {mode}: CPU seconds": value for mode, value in seconds.items()}
    return figures | {
        f"step, {mode}: times a LoRA step": value / seconds["lora"] for mode, value in seconds.items()
    }


def images_of(studio: Studio) -> Path:
    folder = studio.folder / "images" / "2_circle"
    folder.mkdir(parents=True, exist_ok=True)
    for colour in ("red", "blue"):
        circle_of(colour).save(folder / f"{colour}.png")
    return folder.parent


def seconds_a_step(studio: Studio, mode: str, options: Sequence[str]) -> float:
    """Without the first few steps, which fill caches."""
    words = [
        *("--pretrained_model_name_or_path", str(POCKET), "--output_dir", str(studio.folder), "--mode", mode),
        *("--network_dim", "4", "--train_batch_size", "2", "--max_train_steps", str(WARM + COUNTED), *COMMON),
        *options,
    ]
    reporter, precision, device = Reporter(None), Precision.chosen("no", torch.device("cpu")), torch.device("cpu")
    read = read_job if mode == "lora" else read_pair_job if mode in ON_PAIRS else read_prompt_job
    job = read([*words, "--save_overwrite"] if mode != "lora" else words)
    model = load_model(job, device, precision)
    encoded = encode_images(job, model, None, reporter)
    learner: Any
    if mode == "lora":
        learner = Learner(job, model, encoded, precision, print)
        steps = lora_steps(job, learner.streams)
    elif mode == DIFFERENCE_MODE:
        learner = TwoPasses(job, model, encoded, precision, print)
        steps = learner.steps()
    elif mode in ON_PAIRS:
        learner = Addift(job, model, encoded, precision, print)
        steps = pair_steps(job, learner.streams, 0, job.plan.total_steps, draws_a_pair=2)
    else:
        learner = ConceptLearner(job, model, precision, print)
        steps = concept_steps(job)
    for step in islice(steps, WARM):
        learner.learn(step)
    began = time.process_time()
    for step in islice(steps, COUNTED):
        learner.learn(step)
    return (time.process_time() - began) / COUNTED


QUESTIONS: Mapping[str, Callable[[Studio], Figures]] = {
    "red-to-blue": red_to_blue,
    "no-circles": no_circles,
    "slider": slider,
    "difference": from_a_pair("difference", *DIFFERENCE),
    "addift": from_a_pair("addift", *ADDIFT),
    "cost": costs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=QUESTIONS, default=list(QUESTIONS))
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    studio, figures = Studio(asked.out), {}
    for name in asked.only:
        began = time.perf_counter()
        found = QUESTIONS[name](studio)
        for what, figure in found.items():
            print(f"{what:55} {figure:9.3f}", flush=True)
        print(f"({name}: {time.perf_counter() - began:.0f} s)", flush=True)
        figures |= found
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
