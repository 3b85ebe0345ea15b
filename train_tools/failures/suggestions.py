"""What to change in the next run, by what is wrong with the last one's pictures: a table from symptoms to changes,
each with its reason (S0-42, S0-43, S0-44, S1-53, S1-54). Nothing here queues anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sd_contract.options.optimizers import SELF_TUNING
from train_tools.model.suggestion import Proposal, Suggestion, Symptom
from train_tools.options.bundled import bundled_options

RATES = ("learning_rate", "unet_lr", "text_encoder_lr")
FEWER, MORE = 0.6, 1.5

Options = Mapping[str, Any]


def suggestion(symptom: Symptom, options: Options) -> Suggestion:
    """The options to change for the next run, and what to look at besides."""
    changes, advice = SUGGESTIONS[symptom]
    return Suggestion(symptom=symptom, changes=tuple(changes(options)), advice=advice)


def _burnt(options: Options) -> Iterator[Proposal]:
    yield from _length(options, FEWER, "the LoRA learnt the pictures by heart: it saw them too often")
    yield from _rates(options, 0.5, "a lower rate forgets less of what the base model knows")
    if not options.get("shuffle_caption"):
        yield Proposal(
            name="shuffle_caption", value=True, reason="tags in another order each time are more variety"
        )


def _unlike(options: Options) -> Iterator[Proposal]:
    yield from _length(options, MORE, "likeness comes with more epochs")
    batch = options.get("train_batch_size") or bundled_options().default_of("train_batch_size")
    yield Proposal(
        name="train_batch_size", value=2 * batch, reason="a larger batch learns what the pictures have in common"
    )


def _no_effect(options: Options) -> Iterator[Proposal]:
    if options.get("network_train_unet_only"):
        yield Proposal(
            name="network_train_unet_only", value=False, reason="without the text encoder a new word stays unknown"
        )
    for name in ("unet_lr", "text_encoder_lr"):
        value = options.get(name)
        if value is not None and not any(value if isinstance(value, tuple) else (value,)):
            rate = options.get("learning_rate") or bundled_options().default_of("learning_rate")
            yield Proposal(
                name=name, value=(rate,) if isinstance(value, tuple) else rate, reason="a rate of 0 trains nothing"
            )
    yield from _rates(options, 3.0, "too small a rate changes too little")


def _not_a_number(options: Options) -> Iterator[Proposal]:
    yield from _rates(options, 0.1, "too high a rate is the most frequent cause")
    calmer = {"fp16": "bf16", "bf16": "no"}.get(options.get("mixed_precision", "no"))
    if calmer:
        yield Proposal(
            name="mixed_precision", value=calmer, reason="numbers of 16 bits overflow or are too coarse"
        )


def _length(options: Options, factor: float, reason: str) -> Iterator[Proposal]:
    name = "max_train_epochs" if options.get("max_train_epochs") else "max_train_steps"
    value = options.get(name) or bundled_options().default_of(name)
    changed = max(1, math.ceil(value * factor) if factor > 1 else round(value * factor))
    if changed != value:
        yield Proposal(name=name, value=changed, reason=reason)


def _rates(options: Options, factor: float, reason: str) -> Iterator[Proposal]:
    """The rates that are set; the one that all parts share by its default too. Some optimizers find the rate by
    themselves."""
    if options.get("optimizer_type") in SELF_TUNING:
        return
    for name in RATES:
        value = options.get(name, bundled_options().default_of(name))
        if isinstance(value, tuple) and any(value):
            yield Proposal(name=name, value=tuple(_rounded(rate * factor) for rate in value), reason=reason)
        elif isinstance(value, float) and value:
            yield Proposal(name=name, value=_rounded(value * factor), reason=reason)


def _rounded(rate: float) -> float:
    """Without the dust of binary fractions: 1e-4 x 0.1 is 1e-5."""
    return float(f"{rate:.6g}")


SUGGESTIONS: Mapping[Symptom, tuple[Callable[[Options], Iterator[Proposal]], tuple[str, ...]]] = {
    Symptom.BURNT: (
        _burnt,
        (
            "Look at the earlier checkpoints first: one of them may be right already.",
            "More pictures with other backgrounds, poses and light help most.",
        ),
    ),
    Symptom.UNLIKE: (
        _unlike,
        (
            "Look for pictures that are odd or show something else, and take them out.",
            "Take out of the captions what the LoRA is to own (hair, eyes ...); leave in what should stay "
            "promptable.",
        ),
    ),
    Symptom.NO_EFFECT: (
        _no_effect,
        (
            "Check that the prompt holds the words of the captions, and the preview's weight is not 0.",
            "Check that the LoRA was made for the base model that renders it.",
        ),
    ),
    Symptom.NOT_A_NUMBER: (
        _not_a_number,
        (
            "Check v_parameterization first: it has to be as the base model was trained.",
            "An SDXL model may need a VAE that does not overflow in fp16 (option vae).",
        ),
    ),
}
