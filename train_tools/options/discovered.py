"""The option table of a checkout, from what its scripts' parsers answered: types, defaults and choices are theirs,
words and marks are ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from sd_contract.options import OPTIONS, OptionSpec
from train_tools.options.discovery import ParsedOption
from train_tools.options.option import Option
from train_tools.options.table import OptionTable, option_of
from train_tools.options.words import words_for

NOT_WRITABLE = "its values are of a kind that can't be written into a config file here"
_MINIMA = {spec.name: spec.minimum for spec in OPTIONS}
_SCALARS = {"": "str", "str": "str", "Path": "str", "int": "int", "float": "float", "int_or_float": "int_or_float"}
_LISTS = {"": "strings", "str": "strings", "float": "floats"}


def discovered_options(
    engine: str,
    scripts: Mapping[str, Sequence[ParsedOption]],
    *,
    own: Iterable[OptionSpec] = (),
    modules: Sequence[str] = (),
    allowed: Sequence[str] = (),
) -> OptionTable:
    """The options of all of a checkout's scripts. `own` are those that only we know, `modules` the network modules
    that lie in the checkout, `allowed` the code that the user said may be named."""
    found: dict[str, list[ParsedOption]] = {}
    for options in scripts.values():
        for option in options:
            found.setdefault(option.name, []).append(option)
    code = {"network_module": tuple(modules)}
    table = [option_of(spec) for spec in own]
    table += [_option(several, (*code.get(name, ()), *allowed)) for name, several in found.items()]
    return OptionTable(engine, table, partial(_unknown, engine, tuple(found)))


def specs_of(options: Sequence[ParsedOption]) -> Mapping[str, OptionSpec]:
    """The options of one script by name."""
    return {option.name: _spec(option) for option in options}


def _option(several: Sequence[ParsedOption], code: Sequence[str]) -> Option:
    """One option of all scripts that have it. Where they disagree about the default there is none here: the value
    is then part of what a run is, whichever script trains it."""
    specs = [_spec(option) for option in several]
    spec = specs[0]
    if any(other.default != spec.default for other in specs):
        spec = replace(spec, default=None)
    choices = tuple(dict.fromkeys(choice for each in specs for choice in each.choices))
    spec = replace(spec, choices=choices if all(each.choices for each in specs) else ())
    facts: dict[str, Any] = {}
    if not words_for(spec.name).help:
        facts["help"] = several[0].help.split(" / ")[0].strip()
    if _type(several[0]) is None:
        facts["refusal"] = NOT_WRITABLE
    made = option_of(spec, **facts)
    if made.code is None:
        return made
    return replace(made, code=replace(made.code, names=tuple(dict.fromkeys((*code, *made.code.names)))))


def _spec(option: ParsedOption) -> OptionSpec:
    default = option.default
    return OptionSpec(
        name=option.name,
        type=_type(option) or "str",  # type: ignore[arg-type]
        default=tuple(default) if isinstance(default, list | tuple) else default,
        choices=tuple(choice for choice in option.choices or () if choice is not None),
        minimum=_MINIMA.get(option.name),
    )


def _type(option: ParsedOption) -> str | None:
    if option.action.endswith(("StoreTrueAction", "StoreFalseAction", "BooleanOptionalAction")):
        return "bool"
    if not option.action.endswith("StoreAction"):
        return None
    kinds = _SCALARS if option.nargs in (None, "?") else _LISTS
    return kinds.get(option.type)


def _unknown(engine: str, names: Sequence[str], name: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    advice = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown option {name!r}: {engine} has no such option.{advice}"
