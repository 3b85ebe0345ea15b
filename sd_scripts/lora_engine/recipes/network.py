"""What is trained: the LoRA that the settings describe, on a loaded model, and how fast each weight learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import Parameter

from lora_engine.families import Family
from lora_engine.families.eight_bits import keep_in_eight_bits
from lora_engine.maths.optimizers import ParameterGroup
from lora_engine.maths.precision import Precision
from lora_engine.maths.streams import Streams
from lora_engine.networks.dropout import Dropout, DropoutShares
from lora_engine.networks.lora import LoraNetwork
from lora_engine.networks.lycoris import LycorisNetwork
from sd_contract.errors import OptionError
from sd_contract.lycoris.plan import lycoris_plan
from sd_contract.networks import NetworkPlan, block_of, dropout_of, layer_choice, network_plan
from sd_contract.options import Settings, network_arguments
from sd_contract.tensors.tensor_names import Part

Tell = Callable[[str], None]
SECOND_ENCODER = "lora_te2_"
Network = LoraNetwork | LycorisNetwork


def merge_base_weights(settings: Settings, model: Family) -> None:
    """Writes the LoRA files of `base_weights` into the model, each as strongly as its multiplier says."""
    paths = settings.network.base_weights
    multipliers = (*(settings.network.base_weights_multiplier or ()), *([1.0] * len(paths)))
    for path, multiplier in zip(paths, multipliers, strict=False):
        network = LoraNetwork.from_file(Path(path), model.unet, model.text_encoder, dtype=torch.float32)
        network.multiplier = multiplier
        network.merge()


def attach_network(settings: Settings, model: Family, streams: Streams, tell: Tell) -> Network:
    """The network on the parts that the settings want trained: new, or as `network_weights` has it. `tell` is
    given what a user should know of that file."""
    options = settings.network
    unet = model.unet if "unet" in settings.trained_parts else None
    text_encoder = model.text_encoder if "text_encoder" in settings.trained_parts else None
    dropout = make_dropout(settings, streams)
    dtype = torch.bfloat16 if settings.training.full_bf16 else torch.float32
    is_lycoris = network_arguments(options).lycoris is not None
    kind: type[LoraNetwork] | type[LycorisNetwork] = LycorisNetwork if is_lycoris else LoraNetwork
    if options.network_weights and options.dim_from_weights:
        return kind.from_file(Path(options.network_weights), unet, text_encoder, dropout=dropout, dtype=dtype)
    network: Network
    if is_lycoris:
        changes = lycoris_plan(settings)
        choice = layer_choice(settings, model.base.family)
        network = LycorisNetwork.planned(
            unet, text_encoder, changes, streams=streams, dropout=dropout, dtype=dtype, takes=choice.takes
        )
        if not network.modules:
            raise OptionError(f"network_args: preset={changes.method.preset} names no layer of this model.")
    else:
        plan = network_plan(settings, model.base.family)
        network = LoraNetwork.planned(unet, text_encoder, plan, streams=streams, dropout=dropout, dtype=dtype)
    if not network.modules:
        raise OptionError(
            "No layer is left to train: network_blocks or network_element leave none, or network_args give all "
            "blocks rank or learning rate 0."
        )
    for message in network.start_from(Path(options.network_weights)) if options.network_weights else ():
        tell(message)
    return network


def keep_small(settings: Settings, model: Family, precision: Precision) -> None:
    """Keeps the frozen layers in 8 bits where the options want it, those beside which the LoRA works included."""
    options = settings.memory
    if options.fp8_base or options.fp8_base_unet:
        keep_in_eight_bits(model.unet, precision.dtype)
    if options.fp8_base and not options.fp8_base_unet:
        keep_in_eight_bits(model.text_encoder, precision.dtype)


def make_dropout(settings: Settings, streams: Streams) -> Dropout | None:
    arguments = network_arguments(settings.network)
    shares = DropoutShares(
        inner=dropout_of(settings.network),
        rank=arguments.rank_dropout or 0.0,
        module=arguments.module_dropout or 0.0,
    )
    is_nested = arguments.lycoris is not None and arguments.lycoris.algo == "dylora"
    return Dropout(shares, streams) if is_nested or shares != DropoutShares() else None


def parameter_groups(settings: Settings, network: Network, plan: NetworkPlan) -> list[ParameterGroup]:
    """Weights of equal learning rate, text encoder first. A rate of 0 leaves a part in the file untrained."""
    groups = [group for part in settings.trained_parts for group in _groups_of(part, settings, network, plan)]
    if not groups:
        raise OptionError("all learning rates are 0, so nothing would be trained. Set learning_rate.")
    return groups


def plus_ratio(settings: Settings, part: Part) -> float:
    """How much faster `up` learns than `down` (LoRA+, Hayou et al., arXiv 2402.12354)."""
    arguments = network_arguments(settings.network)
    own = arguments.loraplus_unet_lr_ratio if part == "unet" else arguments.loraplus_text_encoder_lr_ratio
    return own or arguments.loraplus_lr_ratio or 1.0


def _groups_of(part: Part, settings: Settings, network: Network, plan: NetworkPlan) -> list[ParameterGroup]:
    ratio = plus_ratio(settings, part)
    alike: dict[float, list[tuple[str, Parameter]]] = {}
    for name, weight, fast in network.learning(part):
        rate = settings.learning_rate_of(part, encoder_of(name)) * plan.rate_factor(name)
        if rate == 0:
            weight.requires_grad_(False)
            continue
        group = group_name(part, name, plan, settings)
        if fast and ratio != 1.0:
            rate, group = rate * ratio, f"{group} plus"
        alike.setdefault(rate, []).append((group, weight))
    return [
        ParameterGroup(
            part=part,
            parameters=[weight for _, weight in named],
            learning_rate=own_rate,
            names=tuple(dict.fromkeys(group for group, _ in named)),
        )
        for own_rate, named in alike.items()
    ]


def encoder_of(layer: str) -> int:
    """Which text encoder a layer is of, counted from 1; SDXL has two."""
    return 2 if layer.startswith(SECOND_ENCODER) else 1


def group_name(part: Part, layer: str, plan: NetworkPlan, settings: Settings) -> str:
    """What kohya calls the group of weights that a layer's are in: the part, or the block where blocks differ."""
    if part == "text_encoder":
        rates = {settings.learning_rate_of(part, encoder) for encoder in (1, 2)}
        return "textencoder" if len(rates) == 1 else f"textencoder {encoder_of(layer)}"
    return "unet" if plan.rate_factors is None else f"unet_block{block_of(layer, plan.layout)}"
