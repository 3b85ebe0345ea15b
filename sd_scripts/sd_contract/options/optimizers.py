"""What may stand in `optimizer_args`: "name=value" texts, for each optimizer its own names and kinds of value."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.groups import OptimizerOptions


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_pair(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_number, value))


NUMBER = ("a number from 0 on", _is_number)
PAIR = ("two numbers, as 0.9,0.999", _is_pair)
ARGUMENTS: Mapping[str, Mapping[str, tuple[str, Callable[[object], bool]]]] = {
    "AdamW": {"weight_decay": NUMBER, "betas": PAIR, "eps": NUMBER},
}


def optimizer_arguments(options: OptimizerOptions) -> dict[str, Any]:
    """The values of `optimizer_args` by name. OptionError for a name or value that the optimizer does not take."""
    return dict(_argument(options.optimizer_type, text) for text in options.optimizer_args)


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
