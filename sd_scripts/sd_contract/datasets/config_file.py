"""The dataset file (`--dataset_config`), TOML or JSON: its keys, where each may stand, which values it takes.

A value is looked for in the subset, its dataset, `[general]`, the settings. Types are exact: 1 is not true,
and 1 is not 1.0 where sd-scripts wants a number with a point."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from sd_contract.datasets.description import (
    Dataset,
    DatasetConfig,
    Subset,
    dataset_defaults,
    dotted,
    refuse_what_excludes,
    subset_defaults,
)
from sd_contract.errors import DatasetError
from sd_contract.options.settings import Settings

Described = TypeVar("Described", Dataset, Subset)
Level = Literal["general", "dataset", "subset"]
ANYWHERE: tuple[Level, ...] = ("general", "dataset", "subset")
UPPER: tuple[Level, ...] = ("general", "dataset")
SUBSET: tuple[Level, ...] = ("subset",)


@dataclass(frozen=True)
class Kind:
    """A type of value, in words and as a check."""

    wanted: str
    fits: Callable[[object], bool]


WHOLE = Kind("a whole number", lambda value: type(value) is int)
TRUTH = Kind("true or false", lambda value: type(value) is bool)
TEXT = Kind("a text in quotes", lambda value: type(value) is str)
NUMBER = Kind("a number", lambda value: type(value) in (int, float))
POINT = Kind("a number with a point", lambda value: type(value) is float)
TABLE = Kind("a table", lambda value: type(value) is dict)
RANGE = Kind("[number, number], both with a point", lambda value: _is_pair(value, float))
SIZE = Kind("a whole number or [width, height]", lambda value: type(value) is int or _is_pair(value, int))


def _is_pair(value: object, of: type) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(item) is of for item in value)


KEYS: Mapping[str, tuple[Kind, tuple[Level, ...]]] = {
    "resolution": (SIZE, UPPER),
    "dynamic_crop_resolution": (SIZE, UPPER),
    "batch_size": (WHOLE, UPPER),
    "enable_bucket": (TRUTH, UPPER),
    "min_bucket_reso": (WHOLE, UPPER),
    "max_bucket_reso": (WHOLE, UPPER),
    "bucket_reso_steps": (WHOLE, UPPER),
    "bucket_no_upscale": (TRUTH, UPPER),
    "network_multiplier": (POINT, UPPER),
    "validation_split": (POINT, UPPER),
    "validation_seed": (WHOLE, UPPER),
    "resize_interpolation": (TEXT, ANYWHERE),
    "num_repeats": (WHOLE, ANYWHERE),
    "shuffle_caption": (TRUTH, ANYWHERE),
    "enable_wildcard": (TRUTH, ANYWHERE),
    "color_aug": (TRUTH, ANYWHERE),
    "flip_aug": (TRUTH, ANYWHERE),
    "random_crop": (TRUTH, ANYWHERE),
    "dynamic_crop": (TRUTH, ANYWHERE),
    "dynamic_crop_zoom": (NUMBER, ANYWHERE),
    "cache_info": (TRUTH, ANYWHERE),
    "keep_tokens": (WHOLE, ANYWHERE),
    "token_warmup_min": (WHOLE, ANYWHERE),
    "token_warmup_step": (NUMBER, ANYWHERE),
    "keep_tokens_separator": (TEXT, ANYWHERE),
    "secondary_separator": (TEXT, ANYWHERE),
    "caption_separator": (TEXT, ANYWHERE),
    "caption_prefix": (TEXT, ANYWHERE),
    "caption_suffix": (TEXT, ANYWHERE),
    "caption_dropout_rate": (NUMBER, ANYWHERE),
    "caption_tag_dropout_rate": (NUMBER, ANYWHERE),
    "caption_dropout_every_n_epochs": (WHOLE, ANYWHERE),
    "face_crop_aug_range": (RANGE, ANYWHERE),
    "custom_attributes": (TABLE, ANYWHERE),
    "caption_extension": (TEXT, ANYWHERE),
    "class_tokens": (TEXT, ANYWHERE),
    "image_dir": (TEXT, SUBSET),
    "is_reg": (TRUTH, SUBSET),
    "alpha_mask": (TRUTH, SUBSET),
    "metadata_file": (TEXT, SUBSET),
    "conditioning_data_dir": (TEXT, SUBSET),
}
WITHOUT_EFFECT = ("cache_info",)
ATTRIBUTES = ("diff_output_preservation",)
"""What custom_attributes may hold: true or false each."""
NOT_WITH_METADATA = ("is_reg", "class_tokens", "caption_extension", "conditioning_data_dir")
PATHS = ("image_dir", "metadata_file", "conditioning_data_dir")


def read_dataset_config(path: Path, settings: Settings) -> DatasetConfig:
    """The datasets that a TOML or JSON file describes. DatasetError names the file, the place and the key."""
    try:
        table = _parsed(path)
    except OSError as error:
        raise DatasetError(f"dataset file {path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is not {_format_of(path)}: {error}.") from error
    config = dataset_config_from(table, settings, where=str(path))
    options = settings.dataset
    ignored = [name for name in ("train_data_dir", "reg_data_dir", "in_json") if getattr(options, name)]
    warnings = tuple(f"{name} is ignored: {path} names the images." for name in ignored)
    return replace(config, warnings=config.warnings + warnings)


def dataset_config_from(table: Mapping[str, Any], settings: Settings, where: str) -> DatasetConfig:
    """The datasets that the parsed content of a dataset file describes; `where` names it in errors."""
    for key in table:
        if key not in ("general", "datasets"):
            raise DatasetError(f"{where}: {key!r} can't stand at the top; allowed: [general] and [[datasets]].")
    general = _checked(_table(table.get("general", {}), f"{where}: [general]"), "general", where)
    tables = _tables(table.get("datasets"), f"{where}: [[datasets]]")
    config = DatasetConfig(
        datasets=tuple(_dataset(entry, general, settings, where, place) for place, entry in enumerate(tables))
    )
    refuse_what_excludes(config, settings)
    return config


def to_toml(config: DatasetConfig) -> dict[str, Any]:
    """The content of a dataset file that reads back as `config`, ready for a TOML writer."""
    return {
        "datasets": [
            {**_written(dataset), "subsets": [_written(subset) for subset in dataset.subsets]}
            for dataset in config.datasets
        ]
    }


def _parsed(path: Path) -> Mapping[str, Any]:
    text = path.read_text(encoding="utf-8")
    table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    return _table(table, str(path))


def _format_of(path: Path) -> str:
    return "JSON" if path.suffix == ".json" else "TOML"


def _dataset(
    table: Mapping[str, Any], general: Mapping[str, Any], settings: Settings, where: str, place: int
) -> Dataset:
    name = f"{where}: datasets[{place}]"
    own = _checked({key: value for key, value in table.items() if key != "subsets"}, "dataset", name)
    inherited = {**general, **own}
    subsets = tuple(
        _subset(entry, inherited, settings, f"{name}.subsets[{number}]")
        for number, entry in enumerate(_tables(table.get("subsets"), f"{name}.subsets"))
    )
    values = {**dataset_defaults(settings), **_fields_of(Dataset, inherited), "subsets": subsets}
    crop = values["dynamic_crop_resolution"]
    values["resolution"] = _size(values["resolution"] or crop, name)
    values["dynamic_crop_resolution"] = _size(crop, name) if crop else None
    return _made(Dataset, values, name)


def _subset(table: Mapping[str, Any], inherited: Mapping[str, Any], settings: Settings, name: str) -> Subset:
    own = _checked(table, "subset", name)
    defaults = subset_defaults(settings, is_reg=own.get("is_reg", False))
    said = {**inherited, **own}
    values = {**defaults, **_fields_of(Subset, said), **said.get("custom_attributes", {})}
    if own.get("metadata_file"):
        for key in NOT_WITH_METADATA:
            if key in own:
                raise DatasetError(f"{name}: {key!r} can't stand beside metadata_file, which names the captions.")
        values |= {"conditioning_data_dir": None, "is_reg": False}
        values.setdefault("image_dir", str(Path(own["metadata_file"]).parent))
    if not values.get("image_dir"):
        raise DatasetError(f"{name}: image_dir is missing. Name the folder of the images.")
    for key in PATHS:
        values[key] = Path(values[key]) if values.get(key) else None
    values["caption_extension"] = dotted(values["caption_extension"])
    faces = values["face_crop_aug_range"]
    values["face_crop_aug_range"] = tuple(faces) if faces else None
    return _made(Subset, values, name)


def _made(cls: type[Described], values: Mapping[str, Any], name: str) -> Described:
    try:
        return cls(**values)
    except DatasetError as error:
        raise DatasetError(f"{name}: {error}") from error


def _fields_of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(cls)}
    return {key: value for key, value in values.items() if key in known}


def _checked(table: Mapping[str, Any], level: Level, name: str) -> dict[str, Any]:
    for key, value in table.items():
        _check_key(key, level, name)
        _check_value(key, value, name)
    return {key: value for key, value in table.items() if key not in WITHOUT_EFFECT}


def _check_key(key: str, level: Level, name: str) -> None:
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"Allowed: {', '.join(KEYS)}."
        raise DatasetError(f"{name}: unknown key {key!r}. {advice}")
    levels = KEYS[key][1]
    if level not in levels:
        raise DatasetError(f"{name}: {key!r} can't stand in a {level}. Move it to the {' or '.join(levels)}.")


def _check_value(key: str, value: object, name: str) -> None:
    kind = KEYS[key][0]
    if not kind.fits(value):
        raise DatasetError(f"{name}: {key} = {value!r}: {kind.wanted} is wanted.")
    if key != "custom_attributes" or not isinstance(value, dict):
        return
    for attribute, wanted in value.items():
        if attribute not in ATTRIBUTES or not TRUTH.fits(wanted):
            raise DatasetError(
                f"{name}: custom_attributes: {attribute} = {wanted!r} means nothing. Allowed: "
                f"{', '.join(ATTRIBUTES)}, true or false."
            )


def _size(value: int | list[int] | tuple[int, int] | None, name: str) -> tuple[int, int]:
    if value is None:
        raise DatasetError(f"{name}: resolution is missing. Give it here, in [general], or as an option.")
    if isinstance(value, int):
        return value, value
    width, height = value
    return width, height


def _table(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(f"{name} must be a table of keys.")
    return value


def _tables(value: object, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise DatasetError(f"{name} is missing or empty. At least one is needed.")
    return [_table(entry, name) for entry in value]


def _written(described: Dataset | Subset) -> dict[str, Any]:
    """The values of all keys but the subsets, as TOML holds them; None can't be written."""
    values = {key: value for key, value in vars(described).items() if value is not None and key != "subsets"}
    if values.get("metadata_file"):
        values = {key: value for key, value in values.items() if key not in NOT_WITH_METADATA}
    plain = {tuple: list, Path: str}
    attributes = {key: values.pop(key) for key in ATTRIBUTES if key in values}
    if any(attributes.values()):
        values["custom_attributes"] = attributes
    for key, value in values.items():
        values[key] = next((to(value) for kind, to in plain.items() if isinstance(value, kind)), value)
    return values
