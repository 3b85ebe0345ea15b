"""Previews: the same prompt and seed over checkpoints and weights, as the cells of a matrix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from train_tools.errors import OptionValueError

BUNDLED, WEBUI = "bundled", "webui"
RENDERERS = (BUNDLED, WEBUI)
"""What pictures can be rendered with: the bundled renderer, or the WebUI of the settings."""


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """What is rendered for every checkpoint, and how it is arranged. Weight 0 is the base model alone and is
    rendered once. The defaults are those of sd-webui-train-tools (S1-55)."""

    prompts: tuple[str, ...] = ("",)
    negative_prompt: str = "low quality"
    weights: tuple[float, ...] = (0.6, 0.7, 0.8, 1.0)
    seeds: tuple[int, ...] = (-1,)
    """-1 is drawn once for the version and kept: every checkpoint is seen with the same seed (S1-58, S4-17)."""
    width_px: int = 512
    height_px: int = 512
    steps: int = 28
    guidance: float = 10.0
    sampler: str = "euler_a"
    scheduler: str = ""
    """How the steps are spread over the noise; "" = the sampler's own way."""
    clip_skip: int = 1
    renderer: str = BUNDLED
    vae: str = ""
    """A VAE's file; "" = the base model's own."""
    embeddings: str = ""
    """A folder of textual inversions, which prompts use by their file's name."""
    images_per_cell: int = 1
    """How many pictures, with seeds that follow one another, share a place of the matrix (S1-65)."""
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Settings that take several values, in place of the single one above: "sampler", "steps", "size" ..."""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Which axes go down and which go across, outermost first; what is not named has a place of its own."""
    other_loras: tuple[str, ...] = ()
    """LoRA files from elsewhere that are shown beside the version's own."""
    after_training: bool = True
    """Whether a run that has ended is rendered without being asked (S1-50)."""

    def __post_init__(self) -> None:
        if not (self.prompts and self.weights and self.seeds):
            raise OptionValueError("Previews need at least one prompt, one weight and one seed.")
        sides = (self.width_px, self.height_px)
        if any(side % 8 or not 64 <= side <= 4096 for side in sides):
            raise OptionValueError(
                f"Previews of {self.width_px}x{self.height_px} can't be rendered: both sides have to be "
                "multiples of 8 from 64 to 4096."
            )
        if self.renderer not in RENDERERS:
            raise OptionValueError(
                f"There is no renderer {self.renderer!r} for previews. Choose one of: {', '.join(RENDERERS)}."
            )
        if not 1 <= self.steps <= 1000:
            raise OptionValueError(f"{self.steps} sampling steps can't be used: 1 to 1000 are allowed.")
        if not 1 <= self.images_per_cell <= 100:
            raise OptionValueError(f"{self.images_per_cell} images in a cell can't be used: 1 to 100 are allowed.")


SINCE_VERSION_2 = ("scheduler", "vae", "embeddings", "renderer")
"""What pictures did not always say: empty, it leaves the key as it was."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything that decides one picture's content. `lora` is the checkpoint's tensor hash, None = base alone.

    `scheduler` "" is the sampler's own; `vae` is the sha256 of a VAE's file, "" = the base model's own;
    `embeddings` are "name sha256" of those that the prompts name; `renderer` is a renderer's name and version.
    """

    base: str
    lora: str | None
    weight: float
    prompt: str
    negative_prompt: str
    seed: int
    width_px: int
    height_px: int
    steps: int
    guidance: float
    sampler: str
    clip_skip: int
    scheduler: str = ""
    vae: str = ""
    embeddings: tuple[str, ...] = ()
    renderer: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "embeddings", tuple(self.embeddings))

    @cached_property
    def key(self) -> str:
        """The picture's identity: equal keys, equal pictures."""
        facts = {name: getattr(self, name) for name in FACTS}
        facts = {name: value for name, value in facts.items() if value or name not in SINCE_VERSION_2}
        return hashlib.sha256(AS_JSON.encode(facts).encode()).hexdigest()


FACTS = tuple(field.name for field in fields(Picture))
AS_JSON = json.JSONEncoder(sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of the matrix: where it goes, and the checkpoint file it needs (None = base alone)."""

    row: int
    column: int
    picture: Picture
    file: Path
    checkpoint: Path | None
    place: int = 0
    """Several pictures can share a row and a column."""
    sampled: bool = False
    """Painted by the trainer while it trained: it is there or not, and nothing here can render it again."""


@dataclass(frozen=True)
class Value:
    """What a row or a column says of one axis: what it is known by, and how people read it and the axis."""

    axis: str
    value: Any
    text: str
    words: str = ""
    """Empty where the text needs none."""

    @property
    def told(self) -> str:
        """The axis and its value: "seed 1"."""
        return f"{self.words} {self.text}".strip() if self.text else ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row or a column."""

    values: tuple[Value, ...]
    is_base: bool = False
    """It shows the base model alone."""

    def __getitem__(self, axis: str) -> Any:
        """What the line says of an axis; None when that is not its business."""
        return next((value.value for value in self.values if value.axis == axis), None)

    @property
    def run(self) -> str:
        """The first of what the line says, for people: of most rows the run."""
        return self.values[0].text if self.values else ""

    @property
    def label(self) -> str:
        """The rest of it: of most rows the checkpoint."""
        return ", ".join(value.text for value in self.values[1:] if value.text)


@dataclass(frozen=True, kw_only=True)
class PreviewMatrix:
    """Pictures by rows and columns. Lines that show the base model alone come first."""

    rows: tuple[Line, ...]
    columns: tuple[Line, ...]
    cells: tuple[Cell, ...]
    settings: PreviewSettings
    notes: tuple[str, ...] = ()
    """What was understood in another way than it was typed, in words."""
    row_axes: tuple[str, ...] = ()
    column_axes: tuple[str, ...] = ()
    """Outermost first."""
