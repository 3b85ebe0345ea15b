"""Islands: elements in the Gradio page that modules in `static` bring to life."""

from __future__ import annotations

import json
import re
from typing import Any

import gradio as gr

_FACT = re.compile('data-fact="([0-9a-f]*)"')


def markup(tag: str, fact: object = None) -> str:
    """An island's element. What it is told travels as hex of JSON, so that no name can ever be markup."""
    told = json.dumps(fact, ensure_ascii=False).encode("utf-8", "surrogatepass").hex()
    return f'<{tag} data-fact="{told}"></{tag}>'


def fact_of(markup: str) -> Any:
    """What an island's element was told."""
    told = _FACT.search(markup)
    assert told is not None, "this is no island's element"
    return json.loads(bytes.fromhex(told[1]))


def island(tag: str, fact: object = None) -> gr.Markdown:
    """The component that holds an island.

    Markdown and not HTML: Gradio evaluates the templates of `gr.HTML` as code, which the security policy forbids.
    """
    return gr.Markdown(markup(tag, fact), sanitize_html=False, latex_delimiters=[], elem_classes="tt-island")
