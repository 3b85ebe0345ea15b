"""Options that do nothing beside each other. Those that rule each other out are told by the trainer."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.errors import ContractError
from sd_contract.options import OPTIONS, settings_from
from sd_contract.suitability import idle_options
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

IDLE = "options"
_KNOWN = frozenset(spec.name for spec in OPTIONS)


def options(prospect: Prospect) -> Iterator[Finding]:
    for candidate in prospect.candidates:
        yield from _idle(candidate)


def _idle(candidate: Candidate) -> Iterator[Finding]:
    known = {name: value for name, value in candidate.options.items() if name in _KNOWN}
    try:
        settings = settings_from(known)
    except ContractError:  # another trainer's value for an option of the same name
        return
    planned = candidate.planned
    for sentence in idle_options(settings, steps=planned.steps, epochs=planned.epochs):
        yield candidate.finds(IDLE, Level.WARNING, f"{sentence}.", "Take it out, or change the other.")
