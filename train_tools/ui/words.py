"""What Gradio's components say: from the islands' catalogues, so that each sentence is translated in one place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import gradio as gr

CATALOGUES = Path(__file__).with_name("static") / "words"


def catalogues() -> gr.I18n:
    """Each language with its sentences under keys such as `settings.language`."""
    files = CATALOGUES.glob("*.json")
    return gr.I18n(**{file.stem: dict(_flat(json.loads(file.read_text("utf-8")))) for file in files})


def _flat(section: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value)
