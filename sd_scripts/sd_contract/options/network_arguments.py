"""What may stand in `network_args`: "name=value" texts that shape the LoRA, as kohya's networks.lora and
networks.dylora and LyCORIS' lycoris.kohya read them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.groups import DYLORA, LORA, LYCORIS, NetworkOptions
from sd_contract.options.lycoris import Lycoris

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
    lycoris: Lycoris | None = None
    """What else a network has that is not a plain LoRA; None for networks.lora."""

    def __post_init__(self) -> None:
        if self.lycoris is not None:
            return
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
    """The values of `network_args`. OptionError for an unknown name, one given twice, a value that does not fit,
    or values that don't go together."""
    module = options.network_module
    values: dict[str, Any] = {}
    for text in options.network_args:
        name, equals, written = (part.strip() for part in text.partition("="))
        if not equals or name not in _NAMES[module]:
            raise OptionError(f'network_args: "{text}" can\'t be used. {_advice(name, module)}')
        own, value = _read(name, written)
        if own in values:
            raise OptionError(f"network_args: {own} stands there twice. Remove one of them.")
        values[own] = value
    if "dropout" in values and options.network_dropout is not None:
        raise OptionError("network_args: dropout and the option network_dropout are the same. Remove one of them.")
    shared = {name: value for name, value in values.items() if name in _READERS}
    return NetworkArguments(**shared, lycoris=_lycoris(module, values))


def _lycoris(module: str, values: Mapping[str, Any]) -> Lycoris | None:
    own = {name: value for name, value in values.items() if name in _OF_LYCORIS}
    if module == DYLORA:
        preset = "locon" if "conv_dim" in values else "attn-mlp"
        return Lycoris(algo="dylora", preset=preset, block_size=values.get("unit", 1))
    return Lycoris(**own) if module == LYCORIS else None


def _read(name: str, text: str) -> tuple[str, Any]:
    """What an argument is called here, and its value."""
    own = _OLDER_NAMES.get(name, name)
    wanted, read = _ALL[own]
    try:
        value = read(text)
    except ValueError as error:
        raise OptionError(f'network_args: "{name}={text}": {wanted} is wanted.') from error
    return own, not value if name == "disable_conv_cp" else value


def _advice(name: str, module: str) -> str:
    others = [other for other, names in _NAMES.items() if name in names]
    if others and module not in others:
        return f"{module} has no such argument, only {' and '.join(others)}."
    names = _NAMES[module]
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Names are {', '.join(names)}, each as name=value."


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


def _flag(text: str) -> bool:
    if text.casefold() not in _TRUTHS:
        raise ValueError(text)
    return _TRUTHS[text.casefold()]


def _factor(text: str) -> int:
    return int(_checked(int(text), int(text) == -1 or int(text) >= 1))


def _name(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


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


_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
FLAG: Reader = ("True or False", _flag)
_OF_LYCORIS: Mapping[str, Reader] = {
    "algo": ("a name", str.lower),
    "preset": ("a name, or a TOML file,", _name),
    "use_tucker": FLAG,
    "use_scalar": FLAG,
    "block_size": RANK,
    "train_norm": FLAG,
    "constraint": ALPHA,
    "rescaled": FLAG,
    "dora_wd": FLAG,
    "wd_on_output": FLAG,
    "full_matrix": FLAG,
    "bypass_mode": FLAG,
    "rs_lora": FLAG,
    "factor": ("-1, or a whole number from 1 on,", _factor),
    "decompose_both": FLAG,
    "unbalanced_factorization": FLAG,
}
_OLDER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("use_cp", "use_conv_cp", "disable_conv_cp"), "use_tucker"),
    "constrain": "constraint",
}
_ALL: Mapping[str, Reader] = {**_READERS, **_OF_LYCORIS, "unit": RANK}
_PLUS = tuple(name for name in _READERS if name.startswith("loraplus"))
_NAMES: Mapping[str, tuple[str, ...]] = {
    LORA: tuple(_READERS),
    LYCORIS: (
        *("conv_dim", "conv_alpha", "dropout", "rank_dropout", "module_dropout"),
        *_PLUS,
        *_OF_LYCORIS,
        *_OLDER_NAMES,
    ),
    DYLORA: ("conv_dim", "conv_alpha", "unit", *_PLUS),
}
"""Which arguments each module has."""


def told_arguments(texts: Iterable[str]) -> dict[str, str]:
    """`network_args` as the metadata of a LoRA file tells them."""
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}
