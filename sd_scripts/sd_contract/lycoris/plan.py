"""What becomes of each layer in a network of LyCORIS: whether it is changed, by which method, at which rank. Which
tensors a method has for a layer stands in `tensors`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import OptionError
from sd_contract.lycoris.presets import Configuration, Preset, preset_of
from sd_contract.lycoris.tensors import blocks_of_butterfly
from sd_contract.networks import Rank
from sd_contract.options import Settings, network_arguments
from sd_contract.options.lycoris import Lycoris
from sd_contract.tensors.tensor_names import Part

Kind = Literal["linear", "pixel", "convolution", "norm"]
"""Of a layer; a `pixel` is a convolution of one."""


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Where a layer is in its model. Paths are those of sd-scripts: in SDXL's U-Net Stability's, in text encoders
    with `text_model`. `within` are the modules around it, outermost first, and itself: path and class."""

    part: Part
    path: str
    kind: Kind
    within: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Wanted:
    """How one layer is to be changed; None for a norm, which has but one way."""

    method: Lycoris | None
    rank: Rank


@dataclass(frozen=True, kw_only=True)
class LycorisPlan:
    """The network that options and a preset describe."""

    method: Lycoris
    preset: Preset
    rank: Rank
    large: Rank
    """For convolutions wider than one pixel."""

    def wanted(self, seat: Seat) -> Wanted | None:
        """How a layer is changed; None when it stays as it is."""
        if self.preset.names_one(self.preset.exclude_name, seat.path) or self._lies_in_excluded(seat):
            return None
        configuration = self._by_class(seat)
        if configuration is None:
            configuration = self._by_name(seat)
        if configuration is None:
            return None
        if seat.kind == "norm":
            return Wanted(None, self.rank) if self.method.train_norm else None
        return self._configured(seat, configuration)

    def _lies_in_excluded(self, seat: Seat) -> bool:
        return any(path and self.preset.names_one(self.preset.exclude_name, path) for path, _ in seat.within)

    def _by_class(self, seat: Seat) -> Configuration | None:
        """What is said of the layers in modules of a wanted class; None when it lies in none."""
        classes, names = self._targets(seat.part)
        for place, (path, kind) in enumerate(seat.within):
            if kind in classes and not self.preset.names_one(names, path):
                inner = [kind for _, kind in seat.within[place:] if kind in self.preset.module_algo_map]
                return self.preset.module_algo_map[inner[-1]] if inner else {}
        return None

    def _by_name(self, seat: Seat) -> Configuration | None:
        _, names = self._targets(seat.part)
        if not self.preset.names_one(names, seat.path):
            return None
        for pattern, configuration in self.preset.name_algo_map.items():
            if self.preset.matches(pattern, seat.path):
                return configuration
        return self.preset.module_algo_map.get(seat.within[-1][1], {})

    def _targets(self, part: Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if part == "unet":
            return self.preset.unet_target_module, self.preset.unet_target_name
        return self.preset.text_encoder_target_module, self.preset.text_encoder_target_name

    def _configured(self, seat: Seat, configuration: Configuration) -> Wanted | None:
        method, rank = self.method, self.large if seat.kind == "convolution" else self.rank
        if seat.kind == "convolution" and not self.preset.enable_conv and "dim" not in configuration:
            return None
        if configuration:
            method, rank = configured(method, rank, configuration)
        return Wanted(method, rank)


def lycoris_plan(settings: Settings) -> LycorisPlan:
    """The plan that the options describe, which must be of a network of LyCORIS. OptionError when its preset can't
    be used, or when parts of it don't go together."""
    arguments = network_arguments(settings.network)
    assert arguments.lycoris is not None, "a plan of LyCORIS for another network"
    rank = Rank(settings.rank, settings.alpha)
    conv_alpha = settings.network.network_alpha if arguments.conv_alpha is None else arguments.conv_alpha
    conv_rank = arguments.conv_dim or rank.rank
    plan = LycorisPlan(
        method=arguments.lycoris,
        preset=preset_of(arguments.lycoris.preset),
        rank=rank,
        large=Rank(conv_rank, conv_alpha or float(conv_rank)),
    )
    _refuse_uneven_blocks(plan)
    return plan


def refuse_misfitting_sizes(plan: LycorisPlan, base: BaseModel) -> None:
    """OptionError when a method can't split the layers of a model as the rank says."""
    widths = {*base.unet["block_out_channels"], base.text_encoder["hidden_size"]}
    for method, rank in _ways(plan):
        for width in sorted(widths) if method.algo == "boft" else ():
            blocks_of_butterfly(width, rank.rank)


def configured(method: Lycoris, rank: Rank, configuration: Configuration) -> tuple[Lycoris, Rank]:
    """A method and a rank with what a map of a preset says otherwise. OptionError where that is not possible."""
    known = {spec.name: type(spec.default) for spec in fields(Lycoris)}
    changes: dict[str, Any] = {}
    for name, value in configuration.items():
        if name in ("dim", "alpha"):
            _refuse_bad_number(name, value)
        elif name not in known or name in ("preset", "train_norm") or not _fits(value, known[name]):
            raise OptionError(
                f"network_args: the preset says {name} = {value!r} of some layers, which can't be used. Names are "
                f"dim, alpha, {', '.join(one for one in known if one not in ('preset', 'train_norm'))}."
            )
        else:
            changes[name] = value
    if changes.get("algo", method.algo) != method.algo:
        method = Lycoris(preset=method.preset, train_norm=method.train_norm)
    size = int(configuration.get("dim", rank.rank))
    alpha = float(configuration.get("alpha", rank.alpha))
    return replace(method, **changes), Rank(size, alpha or float(size))


def _refuse_bad_number(name: str, value: Any) -> None:
    least = 1 if name == "dim" else 0
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or (name == "alpha" and isinstance(value, float))) or not least <= value < float("inf"):
        raise OptionError(
            f"network_args: the preset says {name} = {value!r} of some layers; "
            f"{'a whole number from 1 on' if name == 'dim' else 'a number from 0 on'} is wanted."
        )


def _fits(value: Any, kind: type) -> bool:
    return type(value) is kind or (kind is float and type(value) is int)


def _ways(plan: LycorisPlan) -> list[tuple[Lycoris, Rank]]:
    """All methods and ranks that a plan may use."""
    maps: tuple[Mapping[str, Configuration], ...] = (plan.preset.module_algo_map, plan.preset.name_algo_map)
    own = [(plan.method, plan.rank), *([(plan.method, plan.large)] if plan.preset.enable_conv else [])]
    return [*own, *(configured(plan.method, plan.rank, each) for one in maps for each in one.values())]


def _refuse_uneven_blocks(plan: LycorisPlan) -> None:
    for method, rank in _ways(plan):
        if method.algo == "dylora" and rank.rank % method.block_size:
            raise OptionError(
                f"network_args: DyLoRA trains {method.block_size} ranks at a time, which rank {rank.rank} is no "
                "multiple of. Change block_size (in networks.dylora: unit) or the rank."
            )
