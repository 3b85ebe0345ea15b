"""Islands: elements in the Gradio page, or on a page of their own, that modules in `static` bring to life."""

from __future__ import annotations

import gradio as gr


def island(tag: str) -> gr.Markdown:
    """The component that holds an island, told nothing: where the page is, its address says.

    Markdown and not HTML: Gradio evaluates the templates of `gr.HTML` as code, which the security policy forbids.
    """
    return gr.Markdown(f"<{tag}></{tag}>", sanitize_html=False, latex_delimiters=[], elem_classes="tt-island")
