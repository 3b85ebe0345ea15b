"""What can be done with LoRA files, as somebody asks for it, and what the files tell of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class MergeWish:
    """LoRAs made one, or merged into a base model. Ratios and block weights are those of the models in their
    order; none = 1, and all blocks alike."""

    models: tuple[Path, ...]
    ratios: tuple[float, ...] = ()
    blocks: tuple[str, ...] = ()
    into: Path | None = None
    """The base model."""
    rank: int | None = None
    """Of the merged LoRA: the best approximation; None = exact, with as many ranks as all have together."""
    conv_rank: int | None = None
    precision: str | None = None
    """`float`, `fp16` or `bf16`."""


@dataclass(frozen=True, kw_only=True)
class ResizeWish:
    """A LoRA at another rank. With a method (sv_ratio, sv_fro, sv_cumulative) the rank is the largest."""

    model: Path
    rank: int
    conv_rank: int | None = None
    method: str | None = None
    parameter: float | None = None
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExtractWish:
    """A LoRA of what sets a tuned model apart from its original."""

    original: Path
    tuned: Path
    rank: int = 4
    conv_rank: int | None = None
    precision: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConvertWish:
    """A LoRA under the names of other programs: `kohya`, `kohya-diffusers`, `peft`."""

    model: Path
    scheme: str = "kohya"
    precision: str | None = None


ToolWish = MergeWish | ResizeWish | ExtractWish | ConvertWish


@dataclass(frozen=True, kw_only=True)
class ToolPlan:
    """What a wish would write."""

    file: Path
    about_bytes: int
    """At most, where what the files hold decides how much is kept."""
    is_there: bool
    """It would have to be replaced."""


@dataclass(frozen=True, kw_only=True)
class BlockFacts:
    """What the layers of one block do together: `norm` is the length of all their changes as one."""

    block: str
    layers: int
    norm: float


@dataclass(frozen=True, kw_only=True)
class LoraFacts:
    """What a LoRA file holds. Norms are those of the change alpha / rank * up @ down."""

    file: str
    size_bytes: int
    family: str | None
    """`sd1`, `sd2`, `sdxl`, or None where nothing tells."""
    kind: str
    layers: int
    ranks: Mapping[int, int]
    """How many layers have each rank."""
    alphas: Mapping[float, int]
    formats: tuple[str, ...]
    norm: float
    blocks: tuple[BlockFacts, ...]
    strongest: tuple[tuple[str, float], ...]
    silent: tuple[str, ...]
    """Layers that change nothing."""
    spoilt: tuple[str, ...]
    """Layers with values that are no numbers."""
    notes: tuple[str, ...]
    """What somebody should know, in sentences."""
    metadata: Mapping[str, str] = field(default_factory=dict)
