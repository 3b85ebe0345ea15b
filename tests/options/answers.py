"""What parsers of kohya's scripts answered: recorded from checkouts of three years, with the help left out."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from train_tools.options.discovery import ParsedOption

RECORD = Path(__file__).with_name("kohya_answers.json")
OLDEST, MIDDLE, NEWEST = "633bb8d3 2023-08", "63337d9f 2025-02", "48d368fa 2026-02"


@cache
def answers(commit: str) -> dict[str, tuple[ParsedOption, ...]]:
    """By script. Of all scripts but the first only what differs is recorded."""
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))[commit]
    first = {entry[0]: entry for entry in recorded["train_network"]}
    return {
        script: tuple(map(_option, {**first, **{entry[0]: entry for entry in entries}}.values()))
        for script, entries in recorded.items()
    }


def _option(entry: list) -> ParsedOption:
    name, action, type_, nargs, default, choices = entry
    return ParsedOption(
        name=name,
        action=action,
        type=type_,
        nargs=nargs,
        default=default,
        choices=tuple(choices) if choices is not None else None,
        help="",
    )
