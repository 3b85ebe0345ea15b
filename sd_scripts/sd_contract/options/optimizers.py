"""What may stand in `optimizer_args`: "name=value" texts, for each optimizer its own names and kinds of value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sd_contract.options.arguments import Arguments, argument
from sd_contract.options.groups import OptimizerOptions
from sd_contract.options.known_optimizers import KNOWN

ARGUMENTS: Mapping[str, Arguments] = {name: one.arguments for name, one in KNOWN.items()}
SELF_TUNING = frozenset(name for name, one in KNOWN.items() if one.finds_rate)
"""These estimate the learning rate themselves; the option scales their estimate and is usually 1."""
ONE_RATE = frozenset(name for name, one in KNOWN.items() if one.one_rate)
"""Of these, those whose estimate holds for all weights."""
SCHEDULE_FREE = frozenset(name for name, one in KNOWN.items() if one.schedule_free)


def optimizer_arguments(options: OptimizerOptions) -> dict[str, Any]:
    """The values of `optimizer_args` by name. OptionError for a name or value that the optimizer does not take; of
    a class that is not known nothing can be said."""
    name = options.optimizer
    return dict(argument("optimizer_args", name, ARGUMENTS.get(name), text) for text in options.optimizer_args)
