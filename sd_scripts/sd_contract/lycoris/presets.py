"""Which layers of a model a network of LyCORIS changes, and how: its presets, as they are meant, and files of
the same kind. Knows layers by the names and classes that sd-scripts' own networks give them."""

from __future__ import annotations

import difflib
import fnmatch
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sd_contract.errors import OptionError

Configuration = Mapping[str, Any]
"""What a map says of the layers it names: `algo`, `dim`, `alpha` and arguments of the network."""
TRANSFORMER, CONVOLUTIONS = ("Transformer2DModel",), ("ResnetBlock2D", "Downsample2D", "Upsample2D")
ATTENTION = ("Attention",)
TEXT = ("CLIPAttention", "CLIPMLP")
OTHER_CLASSES = {"CrossAttention": "Attention", "SelfAttention": "Attention", "CLIPSdpaAttention": "CLIPAttention"}
"""What layers are called in sd-scripts, or were in earlier libraries, and what they are called here."""
ON_INPUT = {"train_on_input": True}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Which layers are changed: those inside modules of these classes, and those of these names, which are
    patterns (regular expressions, or with `use_fnmatch` as of files) that match from the beginning of a path.

    The maps change how: for the layers inside modules of a class, of several the innermost; for layers by name."""

    enable_conv: bool = True
    """Whether convolutions wider than one pixel are changed."""
    unet_target_module: tuple[str, ...] = ()
    unet_target_name: tuple[str, ...] = ()
    text_encoder_target_module: tuple[str, ...] = ()
    text_encoder_target_name: tuple[str, ...] = ()
    module_algo_map: Mapping[str, Configuration] = field(default_factory=dict)
    name_algo_map: Mapping[str, Configuration] = field(default_factory=dict)
    use_fnmatch: bool = False
    exclude_name: tuple[str, ...] = ()

    def matches(self, pattern: str, path: str) -> bool:
        if self.use_fnmatch:
            return fnmatch.fnmatchcase(path, pattern)
        return pattern == path or re.match(pattern, path) is not None

    def names_one(self, patterns: tuple[str, ...], path: str) -> bool:
        return any(self.matches(pattern, path) for pattern in patterns)


PRESETS: Mapping[str, Preset] = {
    "full": Preset(
        unet_target_module=TRANSFORMER + CONVOLUTIONS,
        unet_target_name=("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2"),
        text_encoder_target_module=TEXT,
    ),
    "full-lin": Preset(
        enable_conv=False,
        unet_target_module=(*TRANSFORMER, "ResnetBlock2D"),
        unet_target_name=("time_embedding.linear_1", "time_embedding.linear_2"),
        text_encoder_target_module=TEXT,
    ),
    "attn-mlp": Preset(enable_conv=False, unet_target_module=TRANSFORMER, text_encoder_target_module=TEXT),
    "attn-only": Preset(
        enable_conv=False, unet_target_module=ATTENTION, text_encoder_target_module=("CLIPAttention",)
    ),
    "unet-only": Preset(
        unet_target_module=TRANSFORMER + CONVOLUTIONS,
        unet_target_name=("conv_in", "conv_out", "time_embedding.linear_1", "time_embedding.linear_2"),
    ),
    "unet-transformer-only": Preset(enable_conv=False, unet_target_module=TRANSFORMER),
    "unet-convblock-only": Preset(unet_target_module=CONVOLUTIONS, unet_target_name=("conv_in", "conv_out")),
    "ia3": Preset(
        enable_conv=False,
        unet_target_name=(r".*\.to_[kv]$", r".*\.ff\.net\.2$"),
        text_encoder_target_name=(r".*\.[kv]_proj$", r".*\.mlp\.fc2$"),
        name_algo_map={r".*\.ff\.net\.2$": ON_INPUT, r".*\.mlp\.fc2$": ON_INPUT},
    ),
    "locon": Preset(unet_target_module=TRANSFORMER + CONVOLUTIONS, text_encoder_target_module=TEXT),
}
"""LyCORIS' presets, and `locon`: the layers of networks.lora with convolutions. SDXL has none of the layers named
outside the blocks, since sd-scripts calls them otherwise there."""


def preset_of(text: str) -> Preset:
    """The preset of a name, or that a TOML file describes. OptionError when there is none."""
    if text in PRESETS:
        return PRESETS[text]
    if not text.endswith(".toml"):
        near = difflib.get_close_matches(text, PRESETS, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(PRESETS)}, or name a TOML file."
        raise OptionError(f'network_args: "preset={text}" can\'t be used. {advice}')
    return read_preset(Path(text))


def read_preset(path: Path) -> Preset:
    """OptionError when the file can't be read, or holds what a preset does not."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"preset {path} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"preset {path} is not TOML: {error}.") from error
    preset = Preset(**{key: _checked(key, value, path) for key, value in table.items()})
    _refuse_bad_patterns(preset, path)
    return preset


def own_class(name: str) -> str:
    return OTHER_CLASSES.get(name, name)


def _checked(key: str, value: Any, path: Path) -> Any:
    kinds = {spec.name: spec.type for spec in fields(Preset)}
    if key not in kinds:
        near = difflib.get_close_matches(key, kinds, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"Keys are {', '.join(kinds)}."
        raise OptionError(f"preset {path}: {key!r} is no key of a preset. {advice}")
    if key in ("enable_conv", "use_fnmatch"):
        return _fitting(key, value, isinstance(value, bool), "true or false", path)
    if key.endswith("_map"):
        tables = isinstance(value, dict) and all(isinstance(inner, dict) for inner in value.values())
        _fitting(key, value, tables, "a table of tables", path)
        return {own_class(name) if key == "module_algo_map" else name: inner for name, inner in value.items()}
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return tuple(map(own_class, _fitting(key, value, texts, "a list of names", path)))


def _fitting(key: str, value: Any, fits: bool, wanted: str, path: Path) -> Any:
    if not fits:
        raise OptionError(f"preset {path}: {key} = {value!r}: {wanted} is wanted.")
    return value


def _refuse_bad_patterns(preset: Preset, path: Path) -> None:
    if preset.use_fnmatch:
        return
    patterns = (*preset.unet_target_name, *preset.text_encoder_target_name, *preset.exclude_name)
    for pattern in (*patterns, *preset.name_algo_map):
        try:
            re.compile(pattern)
        except re.error as error:
            raise OptionError(
                f"preset {path}: {pattern!r} is no regular expression ({error}). "
                "Put a backslash before signs that stand for themselves, or set use_fnmatch = true."
            ) from error
