"""Lessons for the pocket model: drawings with captions and perhaps masks, a school that trains LoRAs on them, and
the easel on which it paints what was learnt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.pocket.scenes import COLOURS, coverage
from lora_engine.families import Family, load
from lora_engine.job import read_job
from lora_engine.networks.lora import LoraNetwork
from lora_engine.output.pictures import as_image, paint, prompts_of
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.base_models.base_model import HEADER_KEY, inspect_trainable
from sd_contract.sample_prompts import SamplePrompt

DEMO = Path(__file__).parents[2] / "projects_template" / "demo"
POCKET = DEMO / "pocket-sd1.safetensors"
ZORBS = DEMO / "dataset"
SIZE_PX = 64
SEEDS = range(1, 5)
"""Of the pictures that are painted for a prompt."""

_FROM_EDGE = np.minimum(*np.meshgrid(*[np.minimum(np.arange(SIZE_PX), np.arange(SIZE_PX)[::-1])] * 2))
EDGE = _FROM_EDGE < 4
MIDDLE = _FROM_EDGE >= 26


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A training picture (height x width x 3), and how much each pixel is to count (None: all alike)."""

    pixels: np.ndarray
    caption: str
    mask: np.ndarray | None = None


def circle_on(background: str, colour: str, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A circle somewhere around the middle, and what lies well outside it (1) or not (0)."""
    radius = chance.uniform(0.24, 0.36) * SIZE_PX
    x, y = SIZE_PX / 2 + chance.normal(size=2) * 3
    place = {"height": SIZE_PX, "width": SIZE_PX, "x": x, "y": y}
    inside = coverage("circle", **place, radius=radius)[..., None]
    pixels = inside * np.array(COLOURS[colour]) + (1 - inside) * np.array(COLOURS[background])
    return pixels, coverage("circle", **place, radius=radius + 6) < 0.5


def write_drawings(folder: Path, drawings: Iterable[Drawing]) -> Path:
    """The drawings as images with captions in `folder`, their masks in `folder/masks`."""
    (folder / "masks").mkdir(parents=True)
    for number, drawing in enumerate(drawings):
        name = f"{number:02}.png"
        Image.fromarray(drawing.pixels.astype(np.uint8)).save(folder / name)
        (folder / name).with_suffix(".txt").write_text(drawing.caption, encoding="utf-8")
        if drawing.mask is not None:
            Image.fromarray((drawing.mask * 255).astype(np.uint8)).save(folder / "masks" / name)
    return folder


def subset(folder: Path, **values: object) -> dict[str, object]:
    return {"image_dir": str(folder), "class_tokens": "", **values}


def velocity_model(path: Path) -> Path:
    """The pocket model's weights under a header that says v_prediction."""
    with safe_open(POCKET, "pt") as file:
        header = file.metadata()
    facts = json.loads(header[HEADER_KEY])
    facts["scheduler"] = {"prediction_type": "v_prediction"}
    save_file(load_file(POCKET), path, {**header, HEADER_KEY: json.dumps(facts)})
    return path


@dataclass
class Easel:
    """Paints with a base model and a LoRA on it, as previews and samples do."""

    model: Family
    network: LoraNetwork | None = None

    @classmethod
    def of(cls, base: Path) -> Easel:
        return cls(load(inspect_trainable(base)))

    def use(self, lora: Path | None) -> None:
        if lora is None:
            if self.network is not None:
                self.network.detach()
        elif self.network is None:
            self.network = LoraNetwork.from_file(lora, self.model.unet, self.model.text_encoder)
        else:
            self.network.load(lora)

    @torch.inference_mode()
    def paint(self, prompt: str, seeds: Sequence[int] = SEEDS, guidance: float = 5.0) -> list[Image.Image]:
        wanted = SamplePrompt(
            prompt=prompt, width_px=SIZE_PX, height_px=SIZE_PX, steps=15, guidance=guidance, sampler="ddim"
        )
        text = self.model.encode_text(prompts_of(prompt, "", guidance))
        cpu = torch.device("cpu")
        return [as_image(paint(self.model, self.model.vae, text, wanted, seed, cpu)) for seed in seeds]


@dataclass
class School:
    """Trains LoRAs in this process and paints with them; base models are loaded once."""

    folder: Path
    easels: dict[Path, Easel] = field(default_factory=dict)

    def train(
        self, name: str, subsets: Iterable[dict[str, object]], *options: object, steps: int, base: Path = POCKET
    ) -> Path:
        """The LoRA that so many steps of batch 4 make."""
        words = [
            *("--pretrained_model_name_or_path", base, "--dataset_config", self.dataset(name, subsets)),
            *("--output_dir", self.folder, "--output_name", name, "--max_train_steps", steps, "--seed", 1),
            *("--network_dim", 16, "--network_alpha", 16, "--learning_rate", 2e-3, "--cache_latents"),
            *("--lr_scheduler", "constant_with_warmup", "--lr_warmup_steps", 10, *options),
        ]
        train_lora(read_job([str(word) for word in words]), Reporter(None))
        return self.folder / f"{name}.safetensors"

    def paint(self, lora: Path | None, prompt: str, base: Path = POCKET, **how: object) -> list[Image.Image]:
        if base not in self.easels:
            self.easels[base] = Easel.of(base)
        self.easels[base].use(lora)
        return self.easels[base].paint(prompt, **how)

    def dataset(self, name: str, subsets: Iterable[dict[str, object]]) -> Path:
        path = self.folder / f"{name}.json"
        dataset = {"resolution": SIZE_PX, "batch_size": 4, "caption_extension": ".txt", "subsets": [*subsets]}
        path.write_text(json.dumps({"datasets": [dataset]}), encoding="utf-8")
        return path
