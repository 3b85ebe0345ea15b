"""Changing one value of a TOML text that somebody wrote by hand: comments, order and empty lines stay."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

import tomli_w


def with_value(text: str, table: str, key: str, value: Any) -> str:
    """The text with `key` in `[table]` changed or added.

    Where the old value can't be found in a line of its own, everything is written anew, without comments.
    """
    record = tomllib.loads(text)
    wanted = {**record, table: {**record.get(table, {}), key: value}}
    edited = _edited(text, table, f"{key} = {inline(value)}")
    return edited if _holds(edited, wanted) else tomli_w.dumps(wanted)


def line_of(text: str, table: str, key: str) -> int | None:
    """The number of the line in which a key of a table is set, from 1; None when it isn't found."""
    lines = text.split("\n")
    begin, end = _section(lines, table)
    at = next((at for at in range(begin, end) if _sets(lines[at], key)), None)
    return None if at is None else at + 1


def inline(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    return tomli_w.dumps({"key": value}).partition("=")[2].strip()


def _edited(text: str, table: str, line: str) -> str:
    key = line.partition(" ")[0]
    lines = text.rstrip("\n").split("\n") if text.strip() else []
    begin, end = _section(lines, table)
    at = next((at for at in range(begin, end) if _sets(lines[at], key)), None)
    if at is not None:
        lines[at] = f"{line}  {remark}" if (remark := _remark(lines[at])) else line
    elif begin == end == len(lines) and not any(_opens(each, table) for each in lines):
        lines += [*([""] if lines else []), f"[{table}]", line]
    else:
        last = next((at for at in range(end, begin, -1) if lines[at - 1].strip()), begin)
        lines.insert(last, line)
    return "\n".join(lines) + "\n"


def _section(lines: list[str], table: str) -> tuple[int, int]:
    """The lines below a table's header up to the next header; an empty stretch at the end when there is none."""
    begin = next((at + 1 for at, line in enumerate(lines) if _opens(line, table)), len(lines))
    end = next((at for at in range(begin, len(lines)) if lines[at].lstrip().startswith("[")), len(lines))
    return begin, end


def _opens(line: str, table: str) -> bool:
    return re.fullmatch(rf"\s*\[\s*{re.escape(table)}\s*\]\s*(#.*)?", line) is not None


def _sets(line: str, key: str) -> bool:
    return re.match(rf"\s*{re.escape(key)}\s*=", line) is not None


def _remark(line: str) -> str:
    """The comment at the end of a line that sets a value."""
    for at in (match.start() for match in re.finditer("#", line)):
        try:
            tomllib.loads(line[:at])
        except tomllib.TOMLDecodeError:
            continue
        return line[at:]
    return ""


def _holds(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False
