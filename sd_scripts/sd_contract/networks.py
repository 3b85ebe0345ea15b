"""Which layers of a model a LoRA goes beside, with which rank and alpha, and how fast each learns: the meaning of
kohya's network options. Knows layers by their names in LoRA files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sd_contract.errors import OptionError
from sd_contract.options.groups import BASE, C3LIER, NetworkOptions
from sd_contract.options.network_arguments import NetworkArguments, network_arguments
from sd_contract.options.settings import Settings

Stage = Literal["down", "mid", "up"]
ELEMENT_NAMES: Mapping[str, str] = {"Full": "", "CrossAttention": "attn2", "SelfAttention": "attn1"}
"""What stands in the names of the layers that `network_element` leaves."""


@dataclass(frozen=True)
class Rank:
    """The inner width of one LoRA and the alpha it is scaled by."""

    rank: int
    alpha: float


@dataclass(frozen=True)
class BlockLayout:
    """How a family counts the blocks of its U-Net: blocks a stage, and blocks before the first that can learn."""

    down: int
    mid: int
    up: int
    before: int = 0
    after: int = 0

    def __len__(self) -> int:
        return self.before + self.down + self.mid + self.up + self.after


SD = BlockLayout(down=12, mid=1, up=12)
SDXL = BlockLayout(down=9, mid=3, up=9, before=1, after=1)
LAYOUTS: Mapping[str, BlockLayout] = {"sd1": SD, "sd2": SD, "sdxl": SDXL}

_SD_NAME = re.compile(
    r"lora_unet_(?:(down|up)_blocks_(\d+)_(resnets|attentions|downsamplers|upsamplers)_(\d+)|(mid)_block)_"
)
_SDXL_NAME = re.compile(r"lora_unet_(input_blocks|middle_block|output_blocks)_(\d+)_")
_SDXL_FIRST = {"input_blocks": 1, "middle_block": 10, "output_blocks": 13}


def block_of(name: str, layout: BlockLayout) -> int | None:
    """The place of a U-Net layer in lists with one value a block; None for layers of no block."""
    if layout is SDXL:
        match = _SDXL_NAME.match(name)
        return _SDXL_FIRST[match[1]] + int(match[2]) if match else None
    match = _SD_NAME.match(name)
    if match is None:
        return None
    if match[5]:
        return 12
    stage, block, kind, layer = match[1], int(match[2]), match[3], int(match[4])
    if kind == "downsamplers":
        return 3 * block + 3
    if kind == "upsamplers":
        return 3 * block + 15
    return 3 * block + layer + (1 if stage == "down" else 13)


def block_name(name: str, layout: BlockLayout) -> str:
    """The block a layer is in, as the option network_blocks calls it; BASE for layers of no block."""
    block = block_of(name, layout)
    if block is None:
        return BASE
    place = block - layout.before
    if place < layout.down:
        return f"IN{place:02}"
    return "M00" if place < layout.down + layout.mid else f"OUT{place - layout.down - layout.mid:02}"


@dataclass(frozen=True)
class LayerChoice:
    """Which layers of all that could the options let change: by their blocks (none named: all), and by what their
    name has to hold."""

    layout: BlockLayout
    blocks: frozenset[str] = frozenset()
    element: str = ""

    def takes(self, name: str) -> bool:
        in_block = not self.blocks or block_name(name, self.layout) in self.blocks
        return in_block and self.element in name


def layer_choice(settings: Settings, family: str) -> LayerChoice:
    options = settings.network
    return LayerChoice(LAYOUTS[family], frozenset(options.network_blocks), ELEMENT_NAMES[options.network_element])


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """Rank, alpha and learning-rate factor of every layer; `blocks` is None where the U-Net's blocks are alike.

    `large` is for convolutions with kernels wider than 1, which stay as they are when it is None."""

    layout: BlockLayout
    rank: Rank
    large: Rank | None
    blocks: Sequence[Rank] | None = None
    large_blocks: Sequence[Rank] | None = None
    rate_factors: Sequence[float] | None = None
    choice: LayerChoice = LayerChoice(SD)

    @property
    def covers_convolutions(self) -> bool:
        """Whether residual blocks and the layers that change the size carry LoRAs as well."""
        return self.large is not None or self.large_blocks is not None

    def rank_of(self, name: str, *, large_kernel: bool) -> Rank | None:
        """The rank of a layer by its LoRA name; None when it carries no LoRA."""
        if not self.choice.takes(name):
            return None
        if not name.startswith("lora_unet_") or self.blocks is None:
            return self.large if large_kernel else self.rank
        block = block_of(name, self.layout)
        ranks = self.large_blocks if large_kernel else self.blocks
        if block is None or ranks is None or ranks[block].rank == 0 or self.rate_factor(name) == 0:
            return None
        return ranks[block]

    def rate_factor(self, name: str) -> float:
        """What the U-Net's learning rate is multiplied with at this layer."""
        block = block_of(name, self.layout) if self.rate_factors is not None else None
        return 1.0 if block is None or self.rate_factors is None else self.rate_factors[block]


def network_plan(settings: Settings, family: str) -> NetworkPlan:
    """The plan that the options describe for a family. OptionError when a list is not as long as the family has
    blocks."""
    arguments, layout = network_arguments(settings.network), LAYOUTS[family]
    rank = Rank(settings.rank, settings.alpha)
    large = _rank(arguments.conv_dim, arguments.conv_alpha) if arguments.conv_dim else None
    if large is None and settings.network.network_type == C3LIER:
        large = rank
    choice = layer_choice(settings, family)
    if not arguments.differs_by_block:
        return NetworkPlan(layout=layout, rank=rank, large=large, choice=choice)
    return NetworkPlan(
        layout=layout,
        rank=rank,
        large=large,
        blocks=_by_block("block", arguments.block_dims, arguments.block_alphas, rank, layout),
        large_blocks=_large_blocks(arguments, large, layout),
        rate_factors=_rate_factors(arguments, layout),
        choice=choice,
    )


def dropout_of(options: NetworkOptions) -> float:
    """The share of a LoRA's inner values that `network_dropout` silences."""
    own = network_arguments(options).dropout
    return (options.network_dropout if own is None else own) or 0.0


def _rank(rank: int, alpha: float | None) -> Rank:
    """Kohya's rule: an alpha that is not given is 1 for convolutions, and 0 stands for the rank."""
    return Rank(rank, (1.0 if alpha is None else alpha) or float(rank))


def _large_blocks(arguments: NetworkArguments, large: Rank | None, layout: BlockLayout) -> list[Rank] | None:
    if arguments.conv_block_dims is None and large is None:
        return None
    alike = large or Rank(1, 1.0 if arguments.conv_alpha is None else arguments.conv_alpha)
    return _by_block("conv_block", arguments.conv_block_dims, arguments.conv_block_alphas, alike, layout)


def _by_block(
    kind: str,
    ranks: tuple[int, ...] | None,
    alphas: tuple[float, ...] | None,
    alike: Rank,
    layout: BlockLayout,
) -> list[Rank]:
    """One rank a block: listed, or the one that all have."""
    for name, values in ((f"{kind}_dims", ranks), (f"{kind}_alphas", alphas)):
        if values is not None and len(values) != len(layout):
            raise OptionError(
                f"network_args: {name} has {len(values)} values; this kind of base model needs {len(layout)}, "
                "one a block."
            )
    wanted = ranks or (alike.rank,) * len(layout)
    scaled = alphas or (alike.alpha,) * len(layout)
    return [Rank(rank, alpha or float(rank)) for rank, alpha in zip(wanted, scaled, strict=True)]


def _rate_factors(arguments: NetworkArguments, layout: BlockLayout) -> list[float] | None:
    if all(weights is None for weights in arguments.block_weights):
        return None
    factors: list[float] = []
    for weights, count in zip(arguments.block_weights, (layout.down, layout.mid, layout.up), strict=True):
        factors += weights.over(count) if weights else [1.0] * count
    limit = arguments.block_lr_zero_threshold
    kept = [factor if factor > limit else 0.0 for factor in factors]
    return [*([1.0] * layout.before), *kept, *([1.0] * layout.after)]
