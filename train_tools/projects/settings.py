"""What a version remembers, read from and written to its version.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from train_tools.errors import OptionValueError, StorageError
from train_tools.model.captions import Trigger
from train_tools.model.grid import BUNDLED, stored_value, value_stored
from train_tools.model.paths import VersionPaths
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings
from train_tools.model.project import VersionSettings
from train_tools.model.rules import rules_in, rules_table
from train_tools.projects.legacy import is_legacy, legacy_settings
from train_tools.projects.records import FORMAT, change_record, read_record

Settings = TypeVar("Settings", Preparation, PreviewSettings, Trigger)


def read_settings(version: VersionPaths) -> VersionSettings:
    """The version's settings; defaults where it says nothing. Of an older layout, what its own files say.

    Raises StorageError naming the line that can't be used, or the settings' own error for a value out of range.
    """
    if is_legacy(version):
        return legacy_settings(version).settings
    return settings_in(read_record(version.record), version.record)


def write_settings(version: VersionPaths, settings: VersionSettings) -> None:
    """Replaces the settings in version.toml; what else is in the file stays."""
    record = read_record(version.record)
    tables = settings_tables(settings)
    kept = {name: _table(record, name, version.record) for name in ("preparation", "previews")}
    changes = {"format": FORMAT, **tables, **{name: {**kept[name], **tables[name]} for name in kept}}
    if settings.engine != BUNDLED or "trainer" in record:
        changes["trainer"] = {"engine": settings.engine}
    if settings.trigger != Trigger() or "trigger" in record:
        changes["trigger"] = {**_table(record, "trigger", version.record), **asdict(settings.trigger)}
    change_record(version.record, changes)


def settings_tables(settings: VersionSettings) -> dict[str, dict[str, Any]]:
    """The settings as the tables of a version.toml."""
    options = {name: value for name, value in settings.options.items() if value is not None}
    return {
        "preparation": asdict(settings.preparation),
        "options": {name: stored_value(value) for name, value in options.items()},
        "axes": {name: stored_value(values) for name, values in settings.axes.items()},
        "rules": rules_table(settings.rules),
        "previews": asdict(settings.previews),
    }


def settings_in(record: Mapping[str, Any], where: Path) -> VersionSettings:
    """The settings in a table of this shape; `where` is named when something can't be used."""
    axes = _table(record, "axes", where)
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise _not_usable(where, "axes", name, values, "a list with at least one value")
    return VersionSettings(
        preparation=_read(Preparation, record, "preparation", where, _defaults_then(record)),
        options={name: value_stored(value) for name, value in _table(record, "options", where).items()},
        axes={name: tuple(value_stored(value) for value in values) for name, values in axes.items()},
        rules=rules_in(_table(record, "rules", where), where),
        engine=_engine(record, where),
        previews=_read(PreviewSettings, record, "previews", where),
        trigger=_read(Trigger, record, "trigger", where),
    )


def changed_by(settings: PreviewSettings, changes: Mapping[str, Any]) -> PreviewSettings:
    """Preview settings with some fields in values as JSON or TOML have them. Raises OptionValueError for a field
    that there is not, or a value that it can't have."""
    types = {field.name: str(field.type) for field in fields(settings)}
    made = {}
    for name, value in changes.items():
        if name not in types:
            raise OptionValueError(f"Previews have no setting {name!r}. There are: {', '.join(types)}.")
        claim, fits, make = _TYPES[types[name]]
        if not fits(value):
            raise OptionValueError(f"{name} = {value!r} can't be used: it has to be {claim}.")
        made[name] = make(value)
    return replace(settings, **made)


def _engine(record: Mapping[str, Any], where: Path) -> str:
    name = _table(record, "trainer", where).get("engine", BUNDLED)
    if not isinstance(name, str):
        raise _not_usable(where, "trainer", "engine", name, "the name of a trainer, in quotes")
    return name


def _table(record: Mapping[str, Any], name: str, where: Path) -> dict[str, Any]:
    table = record.get(name, {})
    if not isinstance(table, dict):
        raise StorageError(f"{where}: {name} = {table!r} is not a table. Write [{name}] above its lines.")
    return table


def _defaults_then(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a key that is missing meant when the record was written, where it means something else today."""
    return {"mirrored_copies": False} if record.get("format") == 1 else {}


def _read(
    kind: type[Settings],
    record: Mapping[str, Any],
    name: str,
    where: Path,
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Settings:
    """The settings in one table. Keys that are no fields are left to whoever wrote them."""
    table = {**defaults, **_table(record, name, where)}
    values = {}
    for field in fields(kind):
        if field.name in table:
            claim, fits, made = _TYPES[str(field.type)]
            if not fits(table[field.name]):
                raise _not_usable(where, name, field.name, table[field.name], claim)
            values[field.name] = made(table[field.name])
    return kind(**values)


def _not_usable(where: Path, table: str, key: str, value: Any, claim: str) -> StorageError:
    return StorageError(
        f"{where}: {key} = {value!r} in [{table}] can't be used: it has to be {claim}. "
        "Mend the line, or delete it to take the default."
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(fits(item) for item in value)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(several, list) for several in value.values())


def _tuples(table: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(several) for name, several in table.items()}


_TYPES: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    "int": ("a whole number", _is_whole, int),
    "float": ("a number", _is_number, float),
    "bool": ("true or false", lambda value: isinstance(value, bool), bool),
    "str": ("a text in quotes", _is_text, str),
    "Mapping[str, str]": ("a table of texts", _is_texts, dict),
    "Mapping[str, tuple[Any, ...]]": ("a table of lists", _is_lists, _tuples),
    "tuple[str, ...]": ("a list of texts", _list_of(_is_text), tuple),
    "tuple[int, ...]": ("a list of whole numbers", _list_of(_is_whole), tuple),
    "tuple[float, ...]": ("a list of numbers", _list_of(_is_number), lambda value: tuple(map(float, value))),
}
"""For each type a setting can have: what is allowed in words, whether a value is, the value as we keep it."""
