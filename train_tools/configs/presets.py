"""Presets: those that come with Train Tools, made of parts, and those a user keeps in the outputs folder. A
user's has the tables of a version.toml, so that one file can be either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from train_tools.configs.own import ENGINE, TRAINER
from train_tools.errors import AlreadyExistsError, NotFoundError, StorageError, TrainToolsError
from train_tools.files import read_toml, storage_error, write_toml
from train_tools.model.grid import BUNDLED
from train_tools.model.names import checked_name
from train_tools.model.paths import DEFAULTS, OutputsPaths
from train_tools.model.preset import Preset
from train_tools.model.project import VersionSettings
from train_tools.projects.records import read_record
from train_tools.projects.settings import settings_in, settings_tables
from train_tools.projects.template import template_folder

PARTS = "parts.toml"
SUFFIX = ".toml"
WHY, FAMILY = "why", "family"


class Presets:
    """The presets of an outputs folder. Names are looked up whatever their case."""

    def __init__(self, outputs: OutputsPaths) -> None:
        self._outputs = outputs

    def all(self) -> tuple[Preset, ...]:
        """The user's own first, then those that came along. A broken one is listed with its problem."""
        return (*self._own(), *shipped_presets())

    def find(self, name: str) -> Preset:
        """Raises NotFoundError with what there is, StorageError for one whose file can't be read."""
        found = {preset.name.casefold(): preset for preset in reversed(self.all())}.get(name.casefold())
        if found is None:
            own = ", ".join(preset.name for preset in self._own()) or "none of your own"
            raise NotFoundError(
                f"There is no preset {name!r}. There are {own}, and those that came along: "
                f"{', '.join(preset.name for preset in shipped_presets())}."
            )
        if found.problem:
            raise StorageError(found.problem)
        return found

    def save(self, name: str, settings: VersionSettings, why: str = "", *, replacing: bool = False) -> Preset:
        """Keeps a version's settings under a name. Raises AlreadyExistsError unless one of the user's own is to be
        replaced."""
        file = self._file(name)
        if any(preset.name.casefold() == name.casefold() for preset in shipped_presets()):
            raise AlreadyExistsError(f"A preset {name!r} came with Train Tools. Choose another name.")
        taken = next((own for own in self._own() if own.name.casefold() == file.stem.casefold()), None)
        if taken is not None and not replacing:
            raise AlreadyExistsError(f"There is a preset {taken.name!r} already. Replace it with --replace.")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(file, error) from error
        file = self._file(taken.name) if taken else file
        trainer = {} if settings.engine == BUNDLED else {TRAINER: {ENGINE: settings.engine}}
        write_toml(file, {"format": 1, WHY: why, **trainer, **settings_tables(settings)})
        return self.find(file.stem)

    def delete(self, name: str) -> None:
        """Raises NotFoundError when there is none of the user's own of that name."""
        own = {preset.name.casefold(): preset.name for preset in self._own()}
        if name.casefold() not in own:
            came_along = any(preset.name.casefold() == name.casefold() for preset in shipped_presets())
            raise NotFoundError(
                f"The preset {name!r} came with Train Tools and can't be deleted."
                if came_along
                else f"There is no preset {name!r} of your own. There are: {', '.join(own.values()) or 'none'}."
            )
        file = self._file(own[name.casefold()])
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(file, error) from error

    def _file(self, name: str) -> Path:
        return self._outputs.presets / f"{checked_name(name, 'preset name')}{SUFFIX}"

    def _own(self) -> tuple[Preset, ...]:
        folder = self._outputs.presets
        files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
        found = [_of_file(file, shipped=False) for file in files if not file.name.startswith(".")]
        return tuple(sorted(found, key=lambda preset: (preset.name != DEFAULTS, preset.name.casefold())))


def shipped_presets() -> tuple[Preset, ...]:
    """One for each family, subject and amount of memory; then what guides and other programs begin with."""
    folder = template_folder() / "presets"
    guides = sorted((folder / "guides").glob(f"*{SUFFIX}"))
    return (*_composed(read_toml(folder / PARTS)), *(_of_file(file, shipped=True) for file in guides))


def _composed(parts: Mapping[str, Any]) -> Iterator[Preset]:
    for family, of_family in parts["family"].items():
        for subject, of_subject in parts["subject"].items():
            for memory_gb, of_memory in parts["memory"][family].items():
                layers = (
                    parts["every"],
                    of_family,
                    of_subject,
                    {"options": of_subject.get(family, {})},
                    of_memory,
                )
                yield Preset(
                    name=f"{family}-{subject}-{memory_gb}gb",
                    why=_sentence(layer[WHY] for layer in layers if WHY in layer),
                    options=_merged(layers),
                    size_px=_size(layers),
                    family=family,
                    shipped=True,
                )


def _sentence(clauses: Iterable[str]) -> str:
    return f"{'; '.join(clauses)}."


def _merged(layers: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for layer in layers:
        options |= layer.get("options", {})
        for name in layer.get("without", ()):
            options.pop(name, None)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


def _size(layers: tuple[Mapping[str, Any], ...]) -> tuple[int, int]:
    sizes = [(layer["width_px"], layer["height_px"]) for layer in layers if "width_px" in layer]
    width, height = sizes[-1]
    return width, height


def _of_file(file: Path, *, shipped: bool) -> Preset:
    nameless = Preset(name=file.stem, shipped=shipped)
    try:
        record = read_record(file)
        settings = settings_in(record, file)
    except TrainToolsError as error:
        return replace(nameless, problem=str(error))
    size = settings.preparation
    return replace(
        nameless,
        why=str(record.get(WHY, "")),
        engine="" if settings.engine == BUNDLED else settings.engine,
        family=str(record.get(FAMILY, "")),
        options=settings.options,
        axes=settings.axes,
        rules=settings.rules,
        size_px=(size.width_px, size.height_px) if "preparation" in record else None,
    )
