"""What may stand in `optimizer_args`: "name=value" texts, for each optimizer its own names and kinds of value."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.groups import OptimizerOptions

Kind = tuple[str, Callable[[object], bool]]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _numbers(count: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, (tuple, list)) and len(value) == count and all(map(_is_number, value))


NUMBER: Kind = ("a number from 0 on", _is_number)
FACTOR: Kind = ("a number above 0", lambda value: _is_number(value) and value != 0)
ANY_NUMBER: Kind = ("a number", lambda value: isinstance(value, (int, float)) and not isinstance(value, bool))
TRUTH: Kind = ("True or False", lambda value: isinstance(value, bool))
PAIR: Kind = ("two numbers, as 0.9,0.999", _numbers(2))
D_ADAPTATION: Mapping[str, Kind] = {"weight_decay": NUMBER, "d0": FACTOR, "growth_rate": FACTOR}
DECAY = {"weight_decay": NUMBER}
D_ADAPT_ADAM = {**D_ADAPTATION, "betas": PAIR, "eps": NUMBER, "decouple": TRUTH, "use_bias_correction": TRUTH}
# Names and defaults are those of the packages that sd-scripts uses.
ARGUMENTS: Mapping[str, Mapping[str, Kind]] = {
    "AdamW": {**DECAY, "betas": PAIR, "eps": NUMBER},
    "AdamW8bit": {**DECAY, "betas": PAIR, "eps": NUMBER},
    "Lion": {**DECAY, "betas": PAIR},
    "SGDNesterov": {**DECAY, "momentum": FACTOR},
    "AdaFactor": {
        **DECAY,
        "relative_step": TRUTH,
        "scale_parameter": TRUTH,
        "warmup_init": TRUTH,
        "eps": PAIR,
        "clip_threshold": FACTOR,
        "decay_rate": ANY_NUMBER,
        "beta1": NUMBER,
    },
    "Prodigy": {
        **D_ADAPT_ADAM,
        "beta3": NUMBER,
        "d_coef": FACTOR,
        "safeguard_warmup": TRUTH,
    },
    "DAdaptation": D_ADAPT_ADAM,
    "DAdaptAdam": D_ADAPT_ADAM,
    "DAdaptAdaGrad": {**D_ADAPTATION, "momentum": NUMBER, "eps": NUMBER},
    "DAdaptLion": {**DECAY, "betas": PAIR, "d0": FACTOR},
    "DAdaptSGD": {**D_ADAPTATION, "momentum": NUMBER},
}
# These estimate the learning rate themselves; the option scales their estimate and is usually 1.
SELF_TUNING = frozenset(name for name in ARGUMENTS if name == "Prodigy" or name.startswith("DAdapt"))


def optimizer_arguments(options: OptimizerOptions) -> dict[str, Any]:
    """The values of `optimizer_args` by name. OptionError for a name or value that the optimizer does not take."""
    return dict(_argument(options.optimizer, text) for text in options.optimizer_args)


def _argument(optimizer: str, text: str) -> tuple[str, Any]:
    name, equals, written = (part.strip() for part in text.partition("="))
    allowed = ARGUMENTS[optimizer]
    if not equals or name not in allowed:
        raise OptionError(
            f'optimizer_args: "{text}" can\'t be used. {optimizer} takes {", ".join(allowed)}, each as name=value.'
        )
    wanted, fits = allowed[name]
    value = _literal(written)
    if not fits(value):
        raise OptionError(f'optimizer_args: "{text}": {name} wants {wanted}.')
    return name, value


def _literal(text: str) -> object:
    """The number, pair or word that a text stands for; None when it is none of them."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
