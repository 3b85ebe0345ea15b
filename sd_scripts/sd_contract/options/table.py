"""The one table of options: what each is called, which values it takes, how a value is checked or read from
text."""

from __future__ import annotations

import difflib
import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Literal, cast

from sd_contract.errors import OptionError
from sd_contract.options.groups import GROUPS

OptionType = Literal["bool", "int", "float", "str", "int_or_float", "strings", "floats"]
Value = bool | int | float | str | tuple[str, ...] | tuple[float, ...] | None

WANTED = {
    "bool": "true or false, without quotes",
    "int": "a whole number, without quotes",
    "float": "a number, without quotes",
    "str": "a text in quotes",
    "int_or_float": "a number, without quotes",
    "strings": "a list of texts",
    "floats": "a number or a list of numbers",
}


@dataclass(frozen=True, kw_only=True)
class OptionSpec:
    """One option of a trainer. `choices` is empty where any value of the type will do."""

    name: str
    type: OptionType
    default: Value
    choices: tuple[str | int, ...] = ()
    help: str = ""
    group: str = ""
    minimum: float | None = None
    aliases: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Other spellings of choices."""
    classes: bool = False
    """It may name a class as well, which is code."""
    prose: bool = False
    """Its texts are sentences: typed as they are, with | between them, or each in quotes."""


def _options() -> tuple[OptionSpec, ...]:
    return tuple(
        OptionSpec(
            name=one.name,
            type=one.metadata["kind"],
            default=cast(Value, one.default),
            choices=one.metadata["choices"],
            help=one.metadata["help"],
            group=group,
            minimum=one.metadata["minimum"],
            aliases=one.metadata["aliases"],
            classes=one.metadata["classes"],
            prose=one.metadata["prose"],
        )
        for group, cls in GROUPS.items()
        for one in fields(cls)
    )


OPTIONS: tuple[OptionSpec, ...] = _options()
_BY_NAME: Mapping[str, OptionSpec] = {spec.name: spec for spec in OPTIONS}
QUOTES = ("'", '"')
ON_COMMAND_LINE = ("config_file", "output_config", "allow_code")
"""Options that mean nothing inside a file; the last is ours."""


@cache
def kohya_options() -> Mapping[str, OptionSpec]:
    """Every option of kohya's train_network.py and sdxl_train_network.py by name: more than the bundled engine
    supports. Without help."""
    table = json.loads(Path(__file__).with_name("kohya_options.json").read_text(encoding="utf-8"))
    return {
        name: OptionSpec(
            name=name,
            type=kind,
            default=tuple(default) if isinstance(default, list) else default,
            choices=tuple(choices),
        )
        for name, kind, default, choices in (*table["train_network"], *table["sdxl_train_network"])
    }


def supported(name: str) -> bool:
    return name in _BY_NAME


def option(name: str, where: str = "") -> OptionSpec:
    """The option of that name; OptionError when it is unknown or not supported. `where` names the
    source."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in ON_COMMAND_LINE:
        raise OptionError(f"{_prefix(where)}option {name!r} has a meaning only on the trainer's command line.")
    if name in kohya_options():
        raise OptionError(
            f"{_prefix(where)}option {name!r} is not supported by the bundled engine. "
            "sd_scripts/README.md says why. Remove it, or train with kohya's sd-scripts."
        )
    raise OptionError(f"{_prefix(where)}unknown option {name!r}. {_advice(name)}")


def check(name: str, value: object, where: str = "") -> Value:
    """The canonical form of a typed value. OptionError when the option does not take it; nothing is coerced
    except whole numbers where a number is wanted, and one number where a list of numbers is."""
    return checked(option(name, where), value, where)


def checked(spec: OptionSpec, value: object, where: str = "") -> Value:
    """`check` for an option that need not be in the table."""
    if value is None and spec.default is None:
        return None
    canonical = _CANONICAL[spec.type](value)
    if canonical is None:
        raise OptionError(f"{_prefix(where)}{spec.name} = {_written(value)}: {WANTED[spec.type]} is wanted.")
    _check_minimum(spec, canonical, where)
    return _choice(spec, canonical, where) if spec.choices else canonical


def parse(name: str, text: str, where: str = "") -> Value:
    """The value that a user's text means, as on the command line; a list's items are separated by spaces, those of
    sentences by |."""
    return parsed(option(name, where), text, where)


def parsed(spec: OptionSpec, text: str, where: str = "") -> Value:
    """`parse` for an option that need not be in the table."""
    if spec.prose and not text.lstrip().startswith(QUOTES):
        return checked(spec, tuple(filter(None, map(str.strip, text.split("|")))), where)
    if spec.type in ("strings", "floats"):
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise OptionError(f"{_prefix(where)}{spec.name} = {text}: a quotation mark is not closed.") from error
        return _from_words(spec, words, where)
    return _from_words(spec, [text], where)


def parse_words(name: str, words: Sequence[str], where: str = "") -> Value:
    """The value that the words after `--name` mean. OptionError when they mean none."""
    return _from_words(option(name, where), words, where)


def _from_words(spec: OptionSpec, words: Sequence[str], where: str) -> Value:
    try:
        value = _FROM_WORDS[spec.type](words)
    except ValueError as error:
        wanted = WANTED[spec.type].removesuffix(", without quotes")
        raise OptionError(f"{_prefix(where)}{spec.name} = {' '.join(words)}: {wanted} is wanted.") from error
    return checked(spec, value, where)


def _choice(spec: OptionSpec, value: Value, where: str) -> Value:
    """The choice that is meant, whatever its capitals: sd-scripts takes "adamw" for "AdamW"."""
    spellings = {**spec.aliases, **{str(choice): choice for choice in spec.choices}}
    for spelling, choice in spellings.items():
        if spelling.casefold() == str(value).casefold():
            return choice
    if value == spec.default or (spec.classes and names_class(value)):
        return value
    allowed = ", ".join(str(choice) for choice in spec.choices)
    raise OptionError(f"{_prefix(where)}{spec.name} = {_written(value)} can't be used. Allowed: {allowed}.")


def names_class(value: Value) -> bool:
    """Whether a value is the dotted name of a class."""
    return isinstance(value, str) and "." in value and all(part.isidentifier() for part in value.split("."))


def _check_minimum(spec: OptionSpec, value: Value, where: str) -> None:
    numbers = value if isinstance(value, tuple) else (value,)
    if spec.minimum is None:
        return
    if any(isinstance(number, (int, float)) and number < spec.minimum for number in numbers):
        raise OptionError(
            f"{_prefix(where)}{spec.name} = {_written(value)} is too small. {spec.minimum:g} or more is allowed."
        )


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


def _written(value: object) -> str:
    """A value as it would stand in a TOML file, near enough for an error text."""
    if isinstance(value, (bool, str, list, tuple)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _advice(name: str) -> str:
    near = difflib.get_close_matches(name, [*_BY_NAME, *kohya_options()], n=1)
    return f"Did you mean {near[0]!r}?" if near else "doc/engine.md lists the options."


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def _whole_or_number(value: object) -> int | float | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else _number(value)


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _numbers(value: object) -> tuple[float, ...] | None:
    items = value if isinstance(value, (list, tuple)) else (value,)
    numbers = [_number(item) for item in items]
    return None if None in numbers or not numbers else tuple(n for n in numbers if n is not None)


_CANONICAL: Mapping[str, Callable[[object], Value]] = {
    "bool": lambda value: value if isinstance(value, bool) else None,
    "int": _whole,
    "float": _number,
    "str": lambda value: value if isinstance(value, str) else None,
    "int_or_float": _whole_or_number,
    "strings": _texts,
    "floats": _numbers,
}


def _truth(words: Sequence[str]) -> bool:
    return {"true": True, "false": False}[words[0]] if words[0] in ("true", "false") else _fail(words[0])


def _fail(text: str) -> bool:
    raise ValueError(text)


def _any_number(words: Sequence[str]) -> int | float:
    text = words[0]
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


_FROM_WORDS: Mapping[str, Callable[[Sequence[str]], object]] = {
    "bool": _truth,
    "int": lambda words: int(words[0]),
    "float": lambda words: float(words[0]),
    "str": lambda words: words[0],
    "int_or_float": _any_number,
    "strings": list,
    "floats": lambda words: [float(word) for word in words],
}
