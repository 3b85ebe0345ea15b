"""The optimizers that may be named: where each comes from, what it takes, what it remembers, what it needs.

Names and arguments are those that people write for sd-scripts; `renamed` says what a package calls otherwise.
Knows no torch: classes are dotted names here (doc/decisions/0004-optimizers.md says why these packages)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sd_contract.options.arguments import (
    ANY_NUMBER,
    COUNT,
    FACTOR,
    NUMBER,
    PAIR,
    TRIPLE,
    TRUTH,
    Arguments,
)


@dataclass(frozen=True, kw_only=True)
class KnownOptimizer:
    """One optimizer. `home` is its class; `arguments` what `optimizer_args` may hold; `defaults` what it is given
    unless told otherwise."""

    home: str
    arguments: Arguments
    state_bytes: float
    """What it remembers of each weight of a LoRA in float32."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    for_groups: Mapping[str, Any] = field(default_factory=dict)
    """What its groups of weights have to say besides their learning rate."""
    needs_cuda: bool = False
    finds_rate: bool = False
    """It estimates the learning rate itself; the option scales the estimate and is usually 1."""
    one_rate: bool = False
    """Its estimate holds for all weights, so that they can't have different rates."""
    schedule_free: bool = False
    """It trains at one place and wants to be saved at another, the average; a course of the rate is its own."""
    stands_for: str = ""
    """What is said when it stands in for what nobody keeps up any more."""
    also_called: tuple[str, ...] = ()
    """Dotted names under which the same class, or the one it stands in for, is named for sd-scripts."""


DECAY: Arguments = {"weight_decay": NUMBER}
ADAM: Arguments = {**DECAY, "betas": PAIR, "eps": NUMBER}
MOMENTUM: Arguments = {**DECAY, "momentum": FACTOR}
D_ADAPTATION: Arguments = {**DECAY, "d0": FACTOR, "growth_rate": FACTOR}
_SWITCHES: Arguments = {"decouple": TRUTH, "use_bias_correction": TRUTH}
D_ADAPT_ADAM: Arguments = {**D_ADAPTATION, "betas": PAIR, "eps": NUMBER, **_SWITCHES}
DECOUPLED: Arguments = {"weight_decouple": TRUTH}
FREE: Arguments = {**DECAY, "r": NUMBER, "weight_lr_power": NUMBER, "eps": NUMBER}


def _torch(name: str, arguments: Arguments, state_bytes: float, **more: Any) -> KnownOptimizer:
    return KnownOptimizer(home=f"torch.optim.{name}", arguments=arguments, state_bytes=state_bytes, **more)


def _eight_bits(name: str, arguments: Arguments, state_bytes: float, **more: Any) -> KnownOptimizer:
    """Those of bitsandbytes: averages in 8 bits, or, paged, in memory that the driver may move off the card
    (Dettmers et al., arXiv 2110.02861 and 2305.14314)."""
    home, arguments = f"bitsandbytes.optim.{name}", {**arguments, "min_8bit_size": COUNT}
    return KnownOptimizer(home=home, arguments=arguments, state_bytes=state_bytes, needs_cuda=True, **more)


def _collected(name: str, arguments: Arguments, state_bytes: float, **more: Any) -> KnownOptimizer:
    """Those of the collection pytorch_optimizer."""
    return KnownOptimizer(home=f"pytorch_optimizer.{name}", arguments=arguments, state_bytes=state_bytes, **more)


def _adapting(name: str, arguments: Arguments, state_bytes: float, **more: Any) -> KnownOptimizer:
    """D-Adaptation (Defazio & Mishchenko, arXiv 2301.07733) and Prodigy (Mishchenko & Defazio, arXiv 2306.06101).
    Their packages' decay is coupled unless said otherwise."""
    return _collected(
        name,
        arguments,
        state_bytes,
        renamed={"decouple": "weight_decouple", "use_bias_correction": "bias_correction"},
        finds_rate=True,
        one_rate=True,
        **{"defaults": {"weight_decouple": False}, **more},
    )


# Fused: one pass over all weights, which on a CPU takes a fifth of the time of a loop over them. Torch's fused SGD
# fails where some weights had no gradient yet, as those of LoRAs that module_dropout left out of the first step.
_ADAMW = _torch("AdamW", {**ADAM, "amsgrad": TRUTH}, 8, defaults={"fused": True})
_NESTEROV = {"nesterov": True, "momentum": 0.9}
_AVERAGES_OF_ADEMAMIX: Arguments = {**ADAM, "betas": TRIPLE, "alpha": NUMBER, "t_beta3": COUNT}
_ADAN = KnownOptimizer(
    home="lora_engine.maths.dadapt_adan.DAdaptAdan",
    arguments={**D_ADAPTATION, "betas": TRIPLE, "eps": FACTOR, "no_prox": TRUTH},
    state_bytes=20,
    finds_rate=True,
    one_rate=True,
    also_called=("dadaptation.DAdaptAdan",),
)
_MUON: Arguments = {**DECAY, **DECOUPLED, "ns_steps": COUNT, "use_adjusted_lr": TRUTH}

KNOWN: Mapping[str, KnownOptimizer] = {
    "AdamW": _ADAMW,
    "Adam": _torch("Adam", {**ADAM, "amsgrad": TRUTH}, 8, defaults={"fused": True}),
    "NAdam": _torch("NAdam", {**ADAM, "momentum_decay": NUMBER, "decoupled_weight_decay": TRUTH}, 8),
    "RAdam": _torch("RAdam", {**ADAM, "decoupled_weight_decay": TRUTH}, 8),
    "Adamax": _torch("Adamax", ADAM, 8),
    "Adagrad": _torch("Adagrad", {**DECAY, "lr_decay": NUMBER, "eps": NUMBER}, 4),
    "Adadelta": _torch("Adadelta", {**DECAY, "rho": NUMBER, "eps": NUMBER}, 8),
    "RMSprop": _torch("RMSprop", {**MOMENTUM, "alpha": NUMBER, "eps": NUMBER, "centered": TRUTH}, 4),
    "SGDNesterov": _torch("SGD", MOMENTUM, 4, defaults=_NESTEROV),
    "AdamW8bit": _eight_bits("AdamW8bit", ADAM, 2),
    "Adam8bit": _eight_bits("Adam8bit", ADAM, 2),
    "PagedAdamW": _eight_bits("PagedAdamW", ADAM, 8),
    "PagedAdamW8bit": _eight_bits("PagedAdamW8bit", ADAM, 2),
    "PagedAdamW32bit": _eight_bits("PagedAdamW32bit", ADAM, 8),
    "Lion8bit": _eight_bits("Lion8bit", {**DECAY, "betas": PAIR}, 1),
    "PagedLion8bit": _eight_bits("PagedLion8bit", {**DECAY, "betas": PAIR}, 1),
    "SGDNesterov8bit": _eight_bits("SGD8bit", MOMENTUM, 1, defaults=_NESTEROV),
    "AdEMAMix8bit": _eight_bits("AdEMAMix8bit", {**_AVERAGES_OF_ADEMAMIX, "t_alpha": COUNT}, 3),
    "PagedAdEMAMix8bit": _eight_bits("PagedAdEMAMix8bit", {**_AVERAGES_OF_ADEMAMIX, "t_alpha": COUNT}, 3),
    "Lion": _collected("Lion", {**DECAY, "betas": PAIR}, 4, also_called=("lion_pytorch.Lion",)),
    "AdaFactor": KnownOptimizer(
        home="transformers.optimization.Adafactor",
        arguments={
            **DECAY,
            "relative_step": TRUTH,
            "scale_parameter": TRUTH,
            "warmup_init": TRUTH,
            "eps": PAIR,
            "clip_threshold": FACTOR,
            "decay_rate": ANY_NUMBER,
            "beta1": NUMBER,
        },
        state_bytes=0.5,
        defaults={"relative_step": True},
    ),
    "Prodigy": _adapting(
        "Prodigy",
        {**D_ADAPT_ADAM, "beta3": NUMBER, "d_coef": FACTOR, "safeguard_warmup": TRUTH},
        16,
        defaults={"weight_decouple": True},
        also_called=("prodigyopt.Prodigy",),
    ),
    "ProdigyPlusScheduleFree": KnownOptimizer(
        home="prodigyplus.ProdigyPlusScheduleFree",
        arguments={
            **ADAM,
            "beta3": NUMBER,
            "weight_decay_by_lr": TRUTH,
            "d0": FACTOR,
            "d_coef": FACTOR,
            "d_limiter": TRUTH,
            "prodigy_steps": COUNT,
            "schedulefree_c": NUMBER,
            "split_groups": TRUTH,
            "split_groups_mean": TRUTH,
            "factored": TRUTH,
            "factored_fp32": TRUTH,
            "use_bias_correction": TRUTH,
            "use_stableadamw": TRUTH,
            "use_schedulefree": TRUTH,
            "use_speed": TRUTH,
            "stochastic_rounding": TRUTH,
            "use_cautious": TRUTH,
            "use_grams": TRUTH,
            "use_adopt": TRUTH,
            "use_orthograd": TRUTH,
            "use_focus": TRUTH,
        },
        state_bytes=4.6,
        finds_rate=True,
        schedule_free=True,
        also_called=("prodigyplus.prodigy_plus_schedulefree.ProdigyPlusScheduleFree",),
    ),
    "DAdaptAdam": _adapting("DAdaptAdam", D_ADAPT_ADAM, 12, also_called=("dadaptation.DAdaptAdam",)),
    "DAdaptation": _adapting(
        "DAdaptAdam",
        D_ADAPT_ADAM,
        12,
        stands_for="is DAdaptAdam, the form in which the method was published",
        also_called=("dadaptation.experimental.DAdaptAdamPreprint",),
    ),
    "DAdaptAdaGrad": _adapting(
        "DAdaptAdaGrad",
        {**D_ADAPTATION, "momentum": NUMBER, "eps": NUMBER},
        12,
        defaults={"weight_decouple": False, "eps": 1e-6},
        also_called=("dadaptation.DAdaptAdaGrad",),
    ),
    "DAdaptAdan": _ADAN,
    "DAdaptLion": _adapting(
        "DAdaptLion",
        {**DECAY, "betas": PAIR, "d0": FACTOR},
        8,
        defaults={"weight_decouple": True},
        also_called=("dadaptation.DAdaptLion",),
    ),
    "DAdaptSGD": _adapting(
        "DAdaptSGD", {**D_ADAPTATION, "momentum": NUMBER}, 12, also_called=("dadaptation.DAdaptSGD",)
    ),
    "AdamWScheduleFree": _collected(
        "ScheduleFreeAdamW",
        {**FREE, "betas": PAIR, "warmup_steps": COUNT},
        8,
        schedule_free=True,
        also_called=("schedulefree.AdamWScheduleFree",),
    ),
    "RAdamScheduleFree": _collected(
        "ScheduleFreeRAdam",
        {**FREE, "betas": PAIR, "silent_sgd_phase": TRUTH},
        8,
        schedule_free=True,
        also_called=("schedulefree.RAdamScheduleFree",),
    ),
    "SGDScheduleFree": _collected(
        "ScheduleFreeSGD",
        {**FREE, "momentum": NUMBER, "warmup_steps": COUNT},
        4,
        schedule_free=True,
        also_called=("schedulefree.SGDScheduleFree",),
    ),
    "CAME": _collected(
        "CAME",
        {**DECAY, **DECOUPLED, "betas": TRIPLE, "clip_threshold": FACTOR, "eps1": FACTOR, "eps2": FACTOR},
        4.5,
        also_called=("came_pytorch.CAME",),
    ),
    "Adan": _collected("Adan", {**ADAM, **DECOUPLED, "betas": TRIPLE, "max_grad_norm": NUMBER}, 16),
    "AdEMAMix": _collected(
        "AdEMAMix",
        {**_AVERAGES_OF_ADEMAMIX, **DECOUPLED},
        12,
        defaults={"weight_decouple": True},
        renamed={"t_beta3": "t_alpha_beta3"},
    ),
    "Muon": _collected("Muon", {**_MUON, "momentum": NUMBER, "nesterov": TRUTH}, 4, for_groups={"use_muon": True}),
    "AdaMuon": _collected("AdaMuon", {**_MUON, "betas": PAIR, "eps": NUMBER}, 8, for_groups={"use_muon": True}),
    "Tiger": _collected("Tiger", {**DECAY, **DECOUPLED, "beta": NUMBER}, 4),
    "StableAdamW": _collected("StableAdamW", {**ADAM, **DECOUPLED, "kahan_sum": TRUTH}, 8),
    "ADOPT": _collected("ADOPT", {**ADAM, **DECOUPLED}, 8),
    "Grams": _collected("Grams", {**ADAM, **DECOUPLED}, 8),
    "MARS": _collected("MARS", {**ADAM, **DECOUPLED, "gamma": NUMBER, "cautious": TRUTH}, 12),
    "Lamb": _collected("Lamb", {**ADAM, **DECOUPLED, "max_grad_norm": NUMBER}, 8),
    "AdaBelief": _collected("AdaBelief", {**ADAM, **DECOUPLED, "rectify": TRUTH}, 8),
}
ALIASES: Mapping[str, str] = {
    "DAdaptAdamPreprint": "DAdaptation",
    **{dotted: name for name, one in KNOWN.items() for dotted in one.also_called},
    **{one.home: name for name, one in reversed(list(KNOWN.items()))},
}
"""Other spellings of known names: what they are called with their packages."""
NOT_TAKEN: Mapping[str, str] = {
    "DAdaptAdanIP": "an experiment of its package that was never published; DAdaptAdan is the form that was",
}
"""What sd-scripts knows and is not taken, with the reason."""
