"""What new versions begin with, and the demo: the data in `projects_template`, which is read, never imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_tools.errors import StorageError
from train_tools.model.project import VersionSettings
from train_tools.projects.records import read_record
from train_tools.projects.settings import settings_in


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A small concept with its own base model, and the grid that teaches it."""

    project: str
    version: str
    dataset: Path
    """The folder to import."""
    base_model: Path
    settings: VersionSettings

    @property
    def axes(self) -> Mapping[str, tuple[Any, ...]]:
        return self.settings.axes


def template_folder() -> Path:
    """`projects_template` beside the package. Raises StorageError when it was not installed with it."""
    folder = Path(__file__).resolve().parents[2] / "projects_template"
    if not folder.is_dir():
        raise StorageError(
            f"The folder {folder} is missing. It comes with Train Tools: install it again, or copy it there."
        )
    return folder


def new_version_record(defaults: Path | None = None) -> dict[str, Any]:
    """What a new version.toml holds: the user's `defaults` where there are some, else the template's. Raises
    StorageError when they can't be read."""
    if defaults is not None and defaults.is_file():
        record = read_record(defaults)
        settings_in(record, defaults)
        return {name: value for name, value in record.items() if name not in ("why", "family")}
    return read_record(template_folder() / "version" / "version.toml")


def read_demo() -> Demo:
    """The demo as demo.toml describes it; its paths are relative to that file."""
    path = template_folder() / "demo" / "demo.toml"
    record = read_record(path)
    missing = [key for key in ("project", "version", "dataset", "base_model") if not record.get(key)]
    if missing:
        raise StorageError(f"{path} lacks {', '.join(missing)}. It comes with Train Tools: install it again.")
    return Demo(
        project=record["project"],
        version=record["version"],
        dataset=path.parent / record["dataset"],
        base_model=path.parent / record["base_model"],
        settings=settings_in(record, path),
    )
