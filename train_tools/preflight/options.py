"""Options that rule each other out, or do nothing beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from sd_contract.errors import ContractError
from sd_contract.options import OPTIONS, settings_from
from sd_contract.suitability import idle_options
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

CONTRADICTION, IDLE = "contradiction", "options"
TEXT_CACHE = ("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk")
CHANGING_CAPTIONS = (
    "shuffle_caption",
    "caption_dropout_rate",
    "caption_dropout_every_n_epochs",
    "caption_tag_dropout_rate",
    "token_warmup_step",
)
"""What gives an image another caption each time; a text encoder's kept output stays the same."""
_KNOWN = frozenset(spec.name for spec in OPTIONS)


def options(prospect: Prospect) -> Iterator[Finding]:
    for candidate in prospect.candidates:
        yield from _contradictions(candidate)
        yield from _idle(candidate)


def _contradictions(candidate: Candidate) -> Iterator[Finding]:
    cache = next((name for name in TEXT_CACHE if candidate.value(name)), None)
    if cache is None:
        return
    changing = [name for name in CHANGING_CAPTIONS if candidate.value(name)]
    if changing:
        yield candidate.finds(
            CONTRADICTION,
            Level.STOP,
            f"{cache} reads each caption once, but {' and '.join(changing)} would change it each time.",
            f"Take {cache} out, or {' and '.join(changing)}.",
        )
    if not candidate.value("network_train_unet_only"):
        yield candidate.finds(
            CONTRADICTION,
            Level.STOP,
            f"{cache} keeps what the text encoder says, so the text encoder can't be trained.",
            f"Set network_train_unet_only=true, or take {cache} out.",
        )


def _idle(candidate: Candidate) -> Iterator[Finding]:
    known = {name: value for name, value in candidate.options.items() if name in _KNOWN}
    try:
        settings = settings_from(known)
    except ContractError:  # another trainer's value for an option of the same name
        return
    planned = candidate.planned
    for sentence in idle_options(settings, steps=planned.steps, epochs=planned.epochs):
        yield candidate.finds(IDLE, Level.WARNING, f"{sentence}.", "Take it out, or change the other.")
