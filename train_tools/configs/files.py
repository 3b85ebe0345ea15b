"""Which program a file of settings is of, told by its keys; read with limits, and never run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import parse_header, read_header
from train_tools.configs.foreign.kohya_ss import import_kohya_ss, is_kohya_ss
from train_tools.configs.foreign.lora_file import FindBase, import_lora_file, nowhere
from train_tools.configs.foreign.one_trainer import import_one_trainer, is_one_trainer
from train_tools.configs.foreign.sd_scripts import import_sd_scripts, is_sd_scripts
from train_tools.configs.foreign.train_train import import_train_train, is_train_train
from train_tools.configs.intake import TableOf, nobody
from train_tools.configs.own import import_own, is_own
from train_tools.errors import NotFoundError, OptionValueError, StorageError
from train_tools.model.config import ImportedConfig
from train_tools.options.table import OptionTable

LARGEST_BYTES = 10_000_000
LORA_SUFFIX = ".safetensors"
HEADER_METADATA = "__metadata__"
READABLE = (
    "Known are files of Train Tools, config files of sd-scripts (.toml, .json), configs of kohya_ss, presets of "
    "OneTrainer and TrainTrain (.json), and LoRA files (.safetensors)"
)
FORMATS: tuple[
    tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any], OptionTable], ImportedConfig]], ...
] = (
    (is_one_trainer, import_one_trainer),
    (is_train_train, import_train_train),
    (is_kohya_ss, import_kohya_ss),
    (is_sd_scripts, import_sd_scripts),
)
"""How each format is told and read; the first that knows its keys takes the file."""


def import_file(
    path: Path, table: OptionTable, find_base: FindBase = nowhere, table_of: TableOf = nobody
) -> ImportedConfig:
    """What a file of settings, or a LoRA file, says, as options of `table`; a file of ours may name another
    trainer, which `table_of` may know. Raises NotFoundError, OptionValueError or StorageError."""
    if path.suffix.lower() == LORA_SUFFIX:
        try:
            return import_lora_file(str(path), read_header(path), table, find_base, content=path)
        except CheckpointError as error:
            raise OptionValueError(str(error)) from error
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise OptionValueError(f"{path} is too large for a file of settings. {READABLE}.")
        return import_text(path.name, path.read_text(encoding="utf-8-sig"), table, table_of=table_of)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}.") from error
    except UnicodeDecodeError as error:
        raise OptionValueError(f"{path} is no UTF-8 text, so it holds no settings. {READABLE}.") from error
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error


def import_text(
    name: str, text: str, table: OptionTable, find_base: FindBase = nowhere, table_of: TableOf = nobody
) -> ImportedConfig:
    """What the text of a file of that name says; of a LoRA file, the text of its header. Raises OptionValueError
    when it is of no format we know."""
    said, notes = _table(name, text)
    if isinstance(said.get(HEADER_METADATA), dict):
        return _import_header(name, text, table, find_base)
    if is_own(said):
        return import_own(said, name, table, table_of)
    for is_it, imported in FORMATS:
        if is_it(said):
            config = imported(said, table)
            return replace(config, notes=(*notes, *config.notes))
    raise OptionValueError(f"{name} holds no settings of a training that are known here. {READABLE}.")


def _import_header(name: str, text: str, table: OptionTable, find_base: FindBase) -> ImportedConfig:
    try:
        header = parse_header(text.encode("utf-8", "replace"), Path(name))
    except CheckpointError as error:
        raise OptionValueError(str(error)) from error
    return import_lora_file(name, header, table, find_base)


def _table(name: str, text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The file's table, and what is strange about it."""
    text = text.removeprefix("\ufeff")
    twice: list[str] = []
    try:
        if name.lower().endswith(".json") or text.lstrip().startswith("{"):
            table = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, twice))
        else:
            table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise OptionValueError(f"{name} can't be read: {error}. Mend it, or export it anew.") from error
    if not isinstance(table, dict):
        raise OptionValueError(f"{name} holds a list and no settings. {READABLE}.")
    return table, tuple(f"{key} stands in the file more than once; the last one counts." for key in twice)


def _unique(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen and key not in twice:
            twice.append(key)
        seen[key] = value
    return seen
