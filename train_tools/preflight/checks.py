"""All checks, in the order in which a person would make them. A new one: a function, a line here, a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from train_tools.model.finding import Finding
from train_tools.preflight.amounts import amounts
from train_tools.preflight.base_model import base_models
from train_tools.preflight.costs import costs
from train_tools.preflight.dataset import dataset
from train_tools.preflight.images import images
from train_tools.preflight.learning import learning
from train_tools.preflight.memory import memory
from train_tools.preflight.network import networks
from train_tools.preflight.options import options
from train_tools.preflight.output import output
from train_tools.preflight.precision import precision
from train_tools.preflight.prospect import Prospect
from train_tools.preflight.trainer import trainer

Check = Callable[[Prospect], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    trainer,
    base_models,
    images,
    dataset,
    amounts,
    options,
    networks,
    learning,
    precision,
    memory,
    output,
    costs,
)


def found_in(prospect: Prospect) -> Iterator[Finding]:
    for check in CHECKS:
        yield from check(prospect)
