"""Presets, and what becomes of a version that takes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from train_tools.app.configs import BASE_MODEL, KEPT, change_of
from train_tools.app.engines import Engines
from train_tools.app.versions import Versions
from train_tools.configs.presets import Presets
from train_tools.grids.expressions import grid_of, taken_over
from train_tools.model.config import ConfigChange
from train_tools.model.grid import BUNDLED
from train_tools.model.preset import Preset
from train_tools.model.project import VersionSettings

KEPT_BESIDE = (
    *KEPT,
    *("vae", "v_parameterization", "clip_skip", "shuffle_caption", "keep_tokens", "keep_tokens_separator"),
    *("sample_prompts", "training_comment"),
)
"""What belongs to the base model or to this very training, and stays unless the preset says it."""
ABOUT_THE_FILE = "metadata_"
"""Options that begin so stay too."""


class PresetShelf:
    """Lists, takes, keeps and deletes presets. `family_of` says what family a base model is of; "" if it can't."""

    def __init__(
        self, presets: Presets, versions: Versions, engines: Engines, family_of: Callable[[str], str]
    ) -> None:
        self._presets = presets
        self._family_of = family_of
        self._versions = versions
        self._engines = engines

    def all(self) -> tuple[Preset, ...]:
        return self._presets.all()

    def find(self, name: str) -> Preset:
        return self._presets.find(name)

    def apply(self, project: str, version: str, name: str, *, over: bool = False) -> ConfigChange:
        """Puts a preset's options, axes and size in the place of the version's; `over` keeps those of the
        version's that the preset doesn't say. Its trainer too, where it names one that is here; options that the
        trainer does not take are left out, which is said. Raises OptionValueError for a preset that can't be
        trained."""
        stored = self._versions.settings(project, version)
        preset, notes = self._for_trainer_of(stored, self._presets.find(name))
        table = self._engines.options(preset.engine)
        grid_of(table, preset.options, preset.axes, {}, preset.rules)
        if preset.engine != stored.engine:
            options, axes, _ = taken_over(table, stored.options, stored.axes)
            stored_for_it = replace(stored, options=options, axes=axes, engine=preset.engine)
        else:
            stored_for_it = stored
        changed = _taking(stored_for_it, preset, over=over)
        self._versions.save_settings(project, version, changed)
        if preset.size_px is not None:
            width, height = preset.size_px
            size = replace(stored.preparation, width_px=width, height_px=height)
            self._versions.change_preparation(project, version, size)
        change = change_of(stored, self._versions.settings(project, version))
        return replace(change, notes=(*notes, *self._other_family(preset, changed), *change.notes))

    def save(self, project: str, version: str, name: str, why: str = "", *, replacing: bool = False) -> Preset:
        """Keeps a version's settings: options, axes and rules, how its images are prepared, its previews."""
        return self.keep(self._versions.settings(project, version), name, why, replacing=replacing)

    def keep(self, settings: VersionSettings, name: str, why: str = "", *, replacing: bool = False) -> Preset:
        return self._presets.save(name, settings, why, replacing=replacing)

    def delete(self, name: str) -> None:
        self._presets.delete(name)

    def _for_trainer_of(self, stored: VersionSettings, preset: Preset) -> tuple[Preset, tuple[str, ...]]:
        """The preset for the trainer that it names, else for the version's, and what that one does not take."""
        meant = preset.engine or BUNDLED
        if meant == stored.engine or (preset.engine and preset.engine in self._engines):
            return replace(preset, engine=meant), ()
        table = self._engines.options(stored.engine)
        options, axes, notes = taken_over(table, preset.options, preset.axes)
        gone = f"The preset is for the trainer {meant!r}, which isn't here; the version's is {stored.engine!r}."
        return (
            replace(preset, options=options, axes=axes, engine=stored.engine),
            notes if meant in self._engines else (gone, *notes),
        )

    def _other_family(self, preset: Preset, settings: VersionSettings) -> tuple[str, ...]:
        base = settings.options.get(BASE_MODEL)
        family = self._family_of(base) if preset.family and isinstance(base, str) else ""
        if family in ("", preset.family):
            return ()
        return (
            f"The preset is for {preset.family} models, but {base} is one of {family}. Choose another of the two.",
        )


def _taking(stored: VersionSettings, preset: Preset, *, over: bool) -> VersionSettings:
    if over:
        said = {*preset.options, *preset.axes}
        options = {name: value for name, value in stored.options.items() if name not in said}
        axes = {name: values for name, values in stored.axes.items() if name not in said}
        return replace(stored, options={**options, **preset.options}, axes={**axes, **preset.axes})
    kept = _belonging(stored.options, {*preset.options, *preset.axes})
    return replace(stored, options={**kept, **preset.options}, axes=preset.axes, rules=preset.rules)


def _belonging(options: Mapping[str, Any], said: set[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in options.items()
        if name not in said and (name in KEPT_BESIDE or name.startswith(ABOUT_THE_FILE))
    }
