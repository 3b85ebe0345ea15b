"""settings.toml: read strictly, written so that what a user put there by hand stays."""

from __future__ import annotations

import csv
import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from train_tools.errors import OptionValueError, StorageError
from train_tools.files import storage_error, write_text
from train_tools.model.settings import Occasion, Setting, SettingKind, UserSettings, WhichCheckpoints
from train_tools.settings.toml_lines import inline, line_of, with_value

FORMAT = 1
E = TypeVar("E", bound=StrEnum)

HELP: Mapping[str, str] = {
    "copies.folder": "where a finished run's checkpoints are copied to, as a WebUI's models/Lora; empty = nowhere",
    "copies.checkpoints": "which of them",
    "news.when": "what is made known",
    "news.desktop": "shows it on this machine's desktop",
    "news.webhook": "sends it to the webhook, once an address is set",
    "machine.keep_awake": "keeps this machine from falling asleep while jobs wait or run",
    "models.folders": "where base models lie; a WebUI's own folder stands for its models/Stable-diffusion",
    "captions.endpoint": "a program that describes pictures, spoken to as OpenAI's: its address up to /v1",
    "captions.model": "which of its models; empty = the one it has",
    "webui.url": "the WebUI that may render previews; it has to be started with --api",
    "webui.lora_folder": "its folder for LoRAs, as this machine sees it; empty = where it says itself",
    "webui.user": "who it is asked as, where it was started with --api-auth",
    "webui.timeout_s": "how long it may take without coming on; the first picture loads the model",
    "webui.unload": "asks it to free the card before each training",
    "webui.lease": "inside a WebUI: frees the card, and lets Generate there wait while something is trained",
    "webui.give_way": "stops the queue while somebody waits or generates there, and lets it go on afterwards",
    "scores.clip": "the CLIP model that looks at previews: a repository or a folder; empty = the usual one",
    "scores.dino": "the DINOv2 model that looks at previews, in the same way",
    "scores.tagger": "the tagger that looks at previews, alone or as wd-v3=MODEL",
    "page.folders": "where the page may pick paths, besides your home, the outputs and the base models",
}
"""Every setting in the order they are shown, with what it does."""
FOLDERS = ("copies.folder", "models.folders", "webui.lora_folder", "page.folders")

_HEAD = f"""\
# What Train Tools does after a training and by night, for all projects of this folder.
# What is deleted here has its default. A webhook's address is a secret and is kept elsewhere.
format = {FORMAT}
"""


def read_settings(path: Path) -> UserSettings:
    """The settings in a file; the default of whatever it doesn't say. Raises StorageError with line and key."""
    text = _text(path)
    record = _record(text, path)
    settings = UserSettings()
    for key in HELP:
        table, name = _parts(key)
        if name not in _table(record, table, path):
            continue
        written = record[table][name]
        try:
            settings = _with(settings, key, written)
        except OptionValueError as error:
            at = line_of(text, table, name)
            raise StorageError(
                f"{path}{f', line {at}' if at else ''}: {error} Mend the line, or delete it to take the default."
            ) from error
    return settings


def change_settings(path: Path, changes: Mapping[str, Any]) -> UserSettings:
    """Sets values by `table.name`, all or none; what else is in the file stays. Returns the settings.

    Raises OptionValueError for a key that there isn't or a value that it can't have.
    """
    settings = read_settings(path)  # a file that can't be read is not written over
    text = _text(path) or _first_text()
    for key, value in changes.items():
        settings = _with(settings, key, value)
        text = with_value(text, *_parts(key), _plain(_value_of(settings, key)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error
    write_text(path, text)
    return settings


def typed(key: str, text: str) -> Any:
    """A value as somebody typed it, as the file would hold it. Raises OptionValueError."""
    return _kind(key).parse(text.strip())


def listed(settings: UserSettings) -> tuple[Setting, ...]:
    """Every setting with its value, for people."""
    defaults = UserSettings()
    return tuple(
        Setting(
            key=key,
            kind=_form_of(key),
            value=_plain(_value_of(settings, key)),
            default=_plain(_value_of(defaults, key)),
            allowed=_kind(key).allowed,
            choices=_kind(key).choices,
            help=help_,
        )
        for key, help_ in HELP.items()
    )


def unknown_keys(path: Path) -> tuple[str, ...]:
    """What stands in the file and means nothing to us: a typing error, or of a newer version."""
    record = _record(_text(path), path)
    tables = {table: values for table, values in record.items() if isinstance(values, dict)}
    loose = [key for key in record if key not in tables and key != "format"]
    return (
        *loose,
        *(f"{table}.{key}" for table in tables for key in tables[table] if f"{table}.{key}" not in HELP),
    )


def no_such_setting(key: str, there_are: Collection[str]) -> OptionValueError:
    near = difflib.get_close_matches(key, there_are, n=1)
    others = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(there_are)}."
    return OptionValueError(f"There is no setting {key!r}. {others}")


@dataclass(frozen=True)
class _Kind:
    """A type of setting: its form, what is allowed in words, our value of a TOML value (None = not allowed), the
    TOML value of a typed text."""

    form: SettingKind
    allowed: str
    made: Callable[[Any], Any]
    parse: Callable[[str], Any]
    choices: tuple[str, ...] = ()


def _choices(kind: type[E]) -> str:
    return ", ".join(f'"{each}"' for each in kind)


def _one_of(kind: type[E]) -> _Kind:
    return _Kind(
        SettingKind.CHOICE,
        f"one of {_choices(kind)}",
        lambda value: kind(value) if value in list(kind) else None,
        str,
        tuple(kind),
    )


def _some_of(kind: type[E]) -> _Kind:
    def made(value: Any) -> tuple[E, ...] | None:
        fits = isinstance(value, list | tuple) and all(item in list(kind) for item in value)
        return tuple(dict.fromkeys(kind(item) for item in value)) if fits else None

    return _Kind(
        SettingKind.CHOICES,
        f"a list of {_choices(kind)}",
        made,
        lambda text: [item.strip() for item in text.split(",") if item.strip()],
        tuple(kind),
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _whole_number(text: str) -> int | str:
    """What is no number is left as it is: it is refused with what is allowed."""
    try:
        return int(text)
    except ValueError:
        return text


def _items_typed(text: str) -> list[str]:
    """Items with commas between; one in quotes may hold a comma."""
    (items,) = csv.reader([text.replace("\n", " ")], skipinitialspace=True)
    return [item.strip() for item in items if item.strip()]


_TRUTHS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}
_KINDS: Mapping[str, _Kind] = {
    "str": _Kind(
        SettingKind.TEXT, "a text in quotes", lambda value: value if isinstance(value, str) else None, str
    ),
    "int": _Kind(
        SettingKind.NUMBER,
        "a whole number",
        lambda value: value if isinstance(value, int) and not isinstance(value, bool) else None,
        _whole_number,
    ),
    "bool": _Kind(
        SettingKind.SWITCH,
        "true or false",
        lambda value: value if isinstance(value, bool) else None,
        lambda text: _TRUTHS.get(text.lower(), text),
    ),
    "WhichCheckpoints": _one_of(WhichCheckpoints),
    "tuple[Occasion, ...]": _some_of(Occasion),
    "tuple[str, ...]": _Kind(
        SettingKind.TEXTS,
        "a list of texts in quotes",
        lambda value: tuple(dict.fromkeys(value)) if _are_texts(value) else None,
        _items_typed,
    ),
}


def _kind(key: str) -> _Kind:
    if key not in HELP:
        raise no_such_setting(key, HELP)
    table, name = _parts(key)
    types = {field.name: str(field.type) for field in fields(getattr(UserSettings(), table))}
    return _KINDS[types[name]]


def _form_of(key: str) -> SettingKind:
    form = _kind(key).form
    if key not in FOLDERS:
        return form
    return SettingKind.FOLDERS if form is SettingKind.TEXTS else SettingKind.FOLDER


def _with(settings: UserSettings, key: str, value: Any) -> UserSettings:
    """The settings with one changed. Raises OptionValueError."""
    kind = _kind(key)
    table, name = _parts(key)
    made = kind.made(value)
    if made is None:
        raise OptionValueError(f"{key} = {_shown(value)} can't be used: it has to be {kind.allowed}.")
    return replace(settings, **{table: replace(getattr(settings, table), **{name: made})})


def _value_of(settings: UserSettings, key: str) -> Any:
    table, name = _parts(key)
    return getattr(getattr(settings, table), name)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _shown(value: Any) -> str:
    try:
        return inline(value)
    except TypeError:
        return repr(value)


def _parts(key: str) -> tuple[str, str]:
    table, _, name = key.partition(".")
    return table, name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is not UTF-8 text: {error}. Save it as UTF-8, or put it aside.") from error


def _record(text: str, path: Path) -> dict[str, Any]:
    try:
        record = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StorageError(f"{path} is not valid TOML: {error}. Mend the line, or put the file aside.") from error
    written = record.get("format", FORMAT)
    if not isinstance(written, int) or isinstance(written, bool) or written > FORMAT:
        raise StorageError(
            f"{path} has format {written!r}; this Train Tools reads formats up to {FORMAT}. Use the newer Train "
            "Tools that wrote it, or put the file aside."
        )
    return record


def _table(record: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    table = record.get(name, {})
    if not isinstance(table, dict):
        raise StorageError(f"{path}: {name} = {_shown(table)} is not a table. Write [{name}] above its lines.")
    return table


def _first_text() -> str:
    """The file as it is first made: every setting with its default and what it does."""
    text = _HEAD
    table = ""
    for setting in listed(UserSettings()):
        if _parts(setting.key)[0] != table:
            table = _parts(setting.key)[0]
            text += f"\n[{table}]\n"
        text += f"# {setting.help}; {setting.allowed}\n{_parts(setting.key)[1]} = {inline(setting.value)}\n"
    return text
