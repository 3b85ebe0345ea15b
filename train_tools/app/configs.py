"""Settings as files, taken over into a version and given out for other trainers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from train_tools.app.engines import Engines
from train_tools.app.readings import Readings
from train_tools.app.versions import Versions
from train_tools.configs.export import export_run
from train_tools.configs.files import import_file, import_text
from train_tools.configs.foreign.lora_file import FindBase, nowhere
from train_tools.errors import OptionValueError
from train_tools.grids.cells import Cell, cells_of
from train_tools.grids.expressions import taken_over
from train_tools.grids.labels import is_left_out
from train_tools.model.config import ConfigChange, ExportedConfig, ImportedConfig
from train_tools.model.draft import Draft
from train_tools.model.grid import BUNDLED, Grid, Rules
from train_tools.model.project import VersionSettings
from train_tools.options.table import OptionTable

BASE_MODEL = "pretrained_model_name_or_path"
KEPT = (
    *(BASE_MODEL, "tokenizer_cache_dir", "script"),
    *("ae", "byt5", "clip_g", "clip_l", "gemma2", "llm_adapter_path", "qwen3", "t5_tokenizer_path", "t5xxl"),
    "text_encoder",
)
"""What a version keeps when a file takes the place of its options: the base model, of flow models in several
files, and what else lies on this machine and another's file can't say."""
MOST_EXPORTED = 1_000


class Configs:
    """Reads, takes over and gives out settings. `find_base` knows base models by what a LoRA file says of
    them."""

    def __init__(
        self, versions: Versions, engines: Engines, readings: Readings, find_base: FindBase = nowhere
    ) -> None:
        self._versions = versions
        self._readings = readings
        self._engines = engines
        self._find_base = find_base

    def trainer_of(self, project: str, version: str) -> str:
        """The trainer that a version's options are for."""
        return self._versions.settings(project, version).engine

    def read(self, path: Path, trainer: str = BUNDLED) -> ImportedConfig:
        """What a file of settings, or a LoRA file, would set, as options of a trainer; a file of Train Tools may
        name another one. Changes nothing. Raises NotFoundError for a trainer that isn't here."""
        table = self._engines.options(trainer)
        return import_file(path.expanduser().absolute(), table, self._find_base, self._options_of)

    def read_text(self, name: str, text: str, trainer: str = BUNDLED) -> ImportedConfig:
        """The same for a file of that name that is not on this machine's disk; of a LoRA file, for its header."""
        return import_text(name, text, self._engines.options(trainer), self._find_base, self._options_of)

    def take_over(self, project: str, version: str, config: ImportedConfig) -> ConfigChange:
        """Puts a file's options and axes in the place of the version's, and the trainer that they are for: what it
        does not say is as its program does without. Only the choice of the base model stays, unless the file makes
        one."""
        stored = self._versions.settings(project, version)
        kept = {name: value for name, value in stored.options.items() if name in KEPT}
        if config.engine != stored.engine:
            kept, _, _ = taken_over(self._engines.options(config.engine), kept, {})
        changed = replace(
            stored,
            options={**kept, **config.options},
            axes=config.axes,
            rules=Rules(),
            engine=config.engine,
        )
        self._versions.save_settings(project, version, changed)
        return change_of(stored, changed)

    def export(
        self, project: str, version: str, asked: Draft | Mapping[str, str] | None = None
    ) -> tuple[ExportedConfig, ...]:
        """A config file for kohya's sd-scripts of each run that the version's options would make, with what is
        asked for over them."""
        grid = self._readings.typed(project, version, Draft.of(asked))
        table = self._engines.options(grid.engine)
        wanted = (cell for cell in cells_of(table, grid) if not is_left_out(grid, cell))
        cells = list(islice(wanted, MOST_EXPORTED + 1))
        if len(cells) > MOST_EXPORTED:
            raise OptionValueError(
                f"This grid has more than {MOST_EXPORTED:,} runs; so many files are of no use. Take values out."
            )
        names = _names(f"{project}-{version}", len(cells))
        return tuple(
            self._exported(project, version, grid, cell, name) for cell, name in zip(cells, names, strict=True)
        )

    def _options_of(self, trainer: str) -> OptionTable | None:
        return self._engines.options(trainer) if trainer in self._engines else None

    def _exported(self, project: str, version: str, grid: Grid, cell: Cell, name: str) -> ExportedConfig:
        source = str(cell.get("dataset") or version)
        size = self._versions.settings(project, source).preparation
        options = {"resolution": f"{size.width_px},{size.height_px}", **cell}
        varied = ", ".join(f"{axis} = {cell[axis]}" for axis in grid.axes if axis in cell)
        trainer = self._engines[grid.engine]
        return export_run(
            trainer.options,
            trainer.completed(options),
            self._versions.paths(project, source),
            name,
            f"{name}: {varied}" if varied else name,
        )


def _names(stem: str, count: int) -> Iterable[str]:
    return [stem] if count == 1 else [f"{stem}-{number:03}" for number in range(1, count + 1)]


def change_of(before: VersionSettings, after: VersionSettings) -> ConfigChange:
    """What differs between a version's settings, and what somebody should know who goes on to train."""
    return ConfigChange(before=_all_of(before), after=_all_of(after), notes=tuple(_doubts(before, after)))


def _all_of(settings: VersionSettings) -> dict[str, Any]:
    """Every option with its value or, of an axis, its values."""
    return {**settings.options, **{name: list(values) for name, values in settings.axes.items()}}


def _doubts(before: VersionSettings, after: VersionSettings) -> Iterable[str]:
    size, options = after.preparation, after.options
    wanted = options.get("resolution")
    if isinstance(wanted, str) and _both_sides(wanted) != f"{size.width_px},{size.height_px}":
        yield (
            f"resolution is {wanted} now, but the version's images are prepared as {size.width_px} x "
            f"{size.height_px}. Prepare them in that size, or take the option out."
        )
    if (size.width_px, size.height_px) != (before.preparation.width_px, before.preparation.height_px):
        yield (
            f"The size of the training images is {size.width_px} x {size.height_px} now: prepare them anew, if "
            "there are any."
        )
    if after.engine != before.engine:
        yield f"The trainer is {after.engine} now; it was {before.engine}."
    if before.rules not in (Rules(), after.rules):
        yield "The rules of the version's last grid were taken out with its axes."
    if options.get("cache_text_encoder_outputs") and options.get("shuffle_caption"):
        yield (
            "cache_text_encoder_outputs encodes captions beforehand, so shuffle_caption can't be set beside it. "
            "Take one of them out."
        )
    if BASE_MODEL not in _all_of(after):
        yield "No base model is chosen yet: give one with --base-model FILE."


def _both_sides(resolution: str) -> str:
    sides = [side.strip() for side in resolution.split(",")]
    return ",".join(sides * 2 if len(sides) == 1 else sides)
