"""Option values as the TOML that sd-scripts trainers read with `--config_file` and `--dataset_config`.

kohya's scripts read it with the package toml 0.10, which takes less than TOML 1.0 does and mistakes some of what
it takes: texts that begin with a quotation mark, commas in lists, quotes in inline tables. What is written here
it reads back as it was (measured with 100,000 invented texts); what can't be written so is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from train_tools.errors import OptionValueError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def config_table(options: Mapping[str, Any]) -> dict[str, Any]:
    """The values as TOML holds them: None is left out, tuples become arrays."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value is not None
    }


def config_text(options: Mapping[str, Any]) -> str:
    """Options as flat TOML that toml 0.10 reads too. Raises OptionValueError for a text that it would not."""
    return "".join(f"{name} = {_value(name, value)}\n" for name, value in config_table(options).items())


def dataset_text(general: Mapping[str, Any], datasets: list[Mapping[str, Any]]) -> str:
    """A dataset file that toml 0.10 reads too; the `subsets` of a dataset are a list of tables."""
    return "\n".join(_dataset_parts(general, datasets))


def _dataset_parts(general: Mapping[str, Any], datasets: list[Mapping[str, Any]]) -> Iterator[str]:
    yield f"[general]\n{config_text(general)}"
    for dataset in datasets:
        own = {name: value for name, value in dataset.items() if name != "subsets"}
        yield f"[[datasets]]\n{config_text(own)}"
        for subset in dataset["subsets"]:
            yield f"[[datasets.subsets]]\n{config_text(subset)}"


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_item(name, item) for item in value)}]"
    return _text(name, value) if isinstance(value, str) else _number(value)


def _number(value: Any) -> str:
    assert not isinstance(value, float) or math.isfinite(value), "the option's check refuses what is no number"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _text(name: str, value: str) -> str:
    """In the usual quotes where toml 0.10 understands them, else in those that know no escapes."""
    misread = value.startswith('"') or _is_escaped_twice(value)
    if not misread:
        return _number(value)
    if "'" in value or _CONTROL.search(value):
        raise _not_writable(name, value)
    return f"'{value}'"


def _item(name: str, value: Any) -> str:
    if isinstance(value, str) and (value.strip()[:1] in ('"', ",") or _is_escaped_twice(value)):
        raise _not_writable(name, value)
    return _number(value)


def _is_escaped_twice(value: str) -> bool:
    """A backslash of the text and an escape for something else."""
    return "\\" in value and _CONTROL.search(value) is not None


def _not_writable(name: str, value: str) -> OptionValueError:
    return OptionValueError(
        f"{name} = {value!r} can't be written so that kohya's scripts read it: they stumble over its quotation "
        "marks, commas or control characters. Write it without."
    )
