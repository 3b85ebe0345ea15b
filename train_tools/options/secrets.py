"""Names of options and variables whose values are nobody's business: they go by environment, never into a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_SECRET = re.compile(r"(^|_)(api_?key|access_?key|auth|credentials?|passw(or)?d|secret|token)$", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether the name says so: `huggingface_token`, `WANDB_API_KEY`; not `class_tokens` or `max_token_length`."""
    return _SECRET.search(name) is not None


def without_secrets(values: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in values.items() if not is_secret(name)}
