"""What may stand in `network_args`: "name=value" texts that shape the LoRA, as kohya's networks.lora reads
them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.groups import NetworkOptions

PRESETS: Mapping[str, Callable[[float], float]] = {
    "sine": lambda place: math.sin(math.pi / 2 * place),
    "cosine": lambda place: math.sin(math.pi / 2 * (1.0 - place)),
    "linear": lambda place: place,
    "reverse_linear": lambda place: 1.0 - place,
    "zeros": lambda place: 0.0,
}


@dataclass(frozen=True)
class BlockWeights:
    """Factors of the learning rate for consecutive blocks: listed, or a curve's values plus a base."""

    numbers: tuple[float, ...] = ()
    preset: str | None = None
    base: float = 0.0

    def over(self, blocks: int) -> list[float]:
        """One factor a block; what a list lacks is 1, what it has too much is dropped."""
        if self.preset is None:
            return [*self.numbers, *([1.0] * blocks)][:blocks]
        curve = PRESETS[self.preset]
        return [curve(i / max(1, blocks - 1)) + self.base for i in range(blocks)]


@dataclass(frozen=True, kw_only=True)
class NetworkArguments:
    """The values of `network_args`; None is "not given". Lists have one value a block of the U-Net."""

    conv_dim: int | None = None
    conv_alpha: float | None = None
    dropout: float | None = None
    rank_dropout: float | None = None
    module_dropout: float | None = None
    block_dims: tuple[int, ...] | None = None
    block_alphas: tuple[float, ...] | None = None
    conv_block_dims: tuple[int, ...] | None = None
    conv_block_alphas: tuple[float, ...] | None = None
    down_lr_weight: BlockWeights | None = None
    mid_lr_weight: BlockWeights | None = None
    up_lr_weight: BlockWeights | None = None
    block_lr_zero_threshold: float = 0.0
    loraplus_lr_ratio: float | None = None
    loraplus_unet_lr_ratio: float | None = None
    loraplus_text_encoder_lr_ratio: float | None = None

    def __post_init__(self) -> None:
        if self.conv_alpha is not None and not (self.conv_dim or self.conv_block_dims):
            raise OptionError(
                f"network_args: conv_alpha = {self.conv_alpha:g} has no effect without conv_dim. Set conv_dim too."
            )
        if self.conv_block_alphas and not (self.conv_dim or self.conv_block_dims):
            raise OptionError(
                "network_args: conv_block_alphas has no effect without conv_dim or conv_block_dims. "
                "Set one of them."
            )

    @property
    def differs_by_block(self) -> bool:
        return any(
            value is not None
            for value in (
                self.block_dims,
                self.block_alphas,
                self.conv_block_dims,
                self.conv_block_alphas,
                *self.block_weights,
            )
        )

    @property
    def block_weights(self) -> tuple[BlockWeights | None, BlockWeights | None, BlockWeights | None]:
        return self.down_lr_weight, self.mid_lr_weight, self.up_lr_weight


def network_arguments(options: NetworkOptions) -> NetworkArguments:
    """The values of `network_args`. OptionError for an unknown name, one given twice, or a value that does not
    fit."""
    values: dict[str, Any] = {}
    for text in options.network_args:
        name, equals, written = (part.strip() for part in text.partition("="))
        if not equals or name not in _READERS:
            raise OptionError(f'network_args: "{text}" can\'t be used. {_advice(name)}')
        if name in values:
            raise OptionError(f"network_args: {name} stands there twice. Remove one of them.")
        values[name] = _value(name, written)
    if "dropout" in values and options.network_dropout is not None:
        raise OptionError("network_args: dropout and the option network_dropout are the same. Remove one of them.")
    return NetworkArguments(**values)


def _value(name: str, text: str) -> Any:
    wanted, read = _READERS[name]
    try:
        return read(text)
    except ValueError as error:
        raise OptionError(f'network_args: "{name}={text}": {wanted} is wanted.') from error


def _advice(name: str) -> str:
    near = difflib.get_close_matches(name, _READERS, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Names are {', '.join(_READERS)}, each as name=value."


def _checked(number: float, fits: bool) -> float:
    if not fits:
        raise ValueError(number)
    return number


def _rank(text: str) -> int:
    return int(_checked(int(text), int(text) >= 1))


def _block_rank(text: str) -> int:
    return int(_checked(int(text), int(text) >= 0))


def _amount(text: str) -> float:
    number = float(text)
    return _checked(number, math.isfinite(number) and number >= 0)


def _ratio(text: str) -> float:
    number = float(text)
    return _checked(number, math.isfinite(number) and number > 0)


def _share(text: str) -> float:
    number = float(text)
    return _checked(number, 0 <= number < 1)


def _list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(read(item.strip()) for item in text.split(","))


def _weight(text: str) -> float:
    number = float(text or 0)
    return _checked(number, math.isfinite(number) and number >= 0)


def _curve(text: str) -> BlockWeights:
    if "," in text:
        return BlockWeights(numbers=_list_of(_weight)(text))
    name, _, base = text.partition("+")
    if name.strip() not in PRESETS:
        raise ValueError(text)
    return BlockWeights(preset=name.strip(), base=float(base or 0))


def _number_or_curve(text: str) -> BlockWeights:
    return _curve(text) if text.partition("+")[0].strip() in PRESETS else BlockWeights(_list_of(_weight)(text))


Reader = tuple[str, Callable[[str], Any]]
RANK: Reader = ("a whole number from 1 on", _rank)
ALPHA: Reader = ("a number from 0 on", _amount)
SHARE: Reader = ("a number from 0 on and below 1", _share)
RATIO: Reader = ("a number above 0", _ratio)
RANKS: Reader = ("a list of whole numbers, as 8,8,4", _list_of(_block_rank))
ALPHAS: Reader = ("a list of numbers, as 8,8,4", _list_of(_amount))
CURVE_NAMES = ", ".join(PRESETS)
CURVE: Reader = (f"a list of numbers, or one of {CURVE_NAMES}, which may be followed by +number,", _curve)
_READERS: Mapping[str, Reader] = {
    "conv_dim": RANK,
    "conv_alpha": ALPHA,
    "dropout": SHARE,
    "rank_dropout": SHARE,
    "module_dropout": SHARE,
    "block_dims": RANKS,
    "block_alphas": ALPHAS,
    "conv_block_dims": RANKS,
    "conv_block_alphas": ALPHAS,
    "down_lr_weight": CURVE,
    "mid_lr_weight": (CURVE[0], _number_or_curve),
    "up_lr_weight": CURVE,
    "block_lr_zero_threshold": ALPHA,
    "loraplus_lr_ratio": RATIO,
    "loraplus_unet_lr_ratio": RATIO,
    "loraplus_text_encoder_lr_ratio": RATIO,
}


def told_arguments(texts: Iterable[str]) -> dict[str, str]:
    """`network_args` as the metadata of a LoRA file tells them."""
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}
