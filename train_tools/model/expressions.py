"""Values as people type them: what the grid's parser reads back as the same values."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from train_tools.model.grid import Formula


def typed(values: Sequence[Any]) -> str:
    """Values and formulas as a list that reads back as the same."""
    return ", ".join(str(value) if isinstance(value, Formula) else _item(_word(value)) for value in values)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        words = [_word(part) for part in value]
        if len(words) > 1 and any(isinstance(part, str) and "=" not in part for part in value):
            return " ".join(f"'{word}'" if shlex.quote(word) == word else shlex.quote(word) for word in words)
        return shlex.join(words)
    return str(value)


def _item(word: str) -> str:
    plain = word.strip() == word and word and not set(word) & set(',"') and not word.startswith("=")
    return word if plain else '"' + word.replace('"', '""') + '"'
