"""The tab: the app's page in a frame, which javascript/train_tools.js fills when the tab is first shown."""

from __future__ import annotations

TITLE, ELEMENT = "Train Tools", "train_tools"
ADDRESS = "./train-tools/"
"""Relative, so that it holds below whatever path the WebUI is reached under."""
FRAME = (
    f'<div id="train_tools_bar"><a href="{ADDRESS}" target="_blank" rel="noopener">Open in a new tab</a></div>'
    f'<iframe id="train_tools_frame" title="{TITLE}" data-src="{ADDRESS}"></iframe>'
)
"""Its looks are in style.css, its address is given by javascript/train_tools.js."""


def tab() -> list[tuple[object, str, str]]:
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as page:
        gr.HTML(FRAME)
    return [(page, TITLE, ELEMENT)]
