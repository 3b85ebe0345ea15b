"""Previews: the same prompt and seed over checkpoints and weights, as the cells of a matrix."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from train_tools.errors import OptionValueError

BUNDLED, WEBUI = "bundled", "webui"
RENDERERS = (BUNDLED, WEBUI)
"""What pictures can be rendered with: the bundled renderer, or the WebUI of the settings."""
SINCE_VERSION_2 = frozenset({"scheduler", "vae", "embeddings", "renderer"})
"""What pictures did not name at first: empty, it is no part of their key."""


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """What is rendered for every checkpoint. Weight 0 is the base model alone and is rendered once."""

    prompts: tuple[str, ...] = ("",)
    negative_prompt: str = ""
    weights: tuple[float, ...] = (0.0, 0.6, 0.8, 1.0)
    seeds: tuple[int, ...] = (1,)
    width_px: int = 512
    height_px: int = 512
    steps: int = 28
    guidance: float = 7.0
    sampler: str = "ddim"
    clip_skip: int = 1
    renderer: str = BUNDLED
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

    @property
    def key(self) -> str:
        """The picture's identity: equal keys, equal pictures."""
        facts = {name: value for name, value in asdict(self).items() if value or name not in SINCE_VERSION_2}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One picture of the matrix: where it goes, and the checkpoint file it needs (None = base alone)."""

    row: int
    column: int
    picture: Picture
    file: Path
    checkpoint: Path | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A checkpoint, or the base model. `run` and `label` are for people."""

    run: str
    label: str
    checkpoint: Path | None


@dataclass(frozen=True, kw_only=True)
class Column:
    prompt: str
    seed: int
    weight: float


@dataclass(frozen=True, kw_only=True)
class PreviewMatrix:
    """Rows are checkpoints (the base model first), columns are weights x seeds x prompts."""

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    settings: PreviewSettings
