"""Imports with the bundled engine's options."""

from __future__ import annotations

from pathlib import Path

from train_tools.configs import files
from train_tools.configs.foreign.lora_file import FindBase, nowhere
from train_tools.model.config import ImportedConfig
from train_tools.options.bundled import bundled_options


def import_file(path: Path, find_base: FindBase = nowhere) -> ImportedConfig:
    return files.import_file(path, bundled_options(), find_base)


def import_text(name: str, text: str, find_base: FindBase = nowhere) -> ImportedConfig:
    return files.import_text(name, text, bundled_options(), find_base)
