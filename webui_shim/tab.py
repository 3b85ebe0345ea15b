"""The tab: the app's page in a frame, which javascript/train_tools.js fills when the tab is first shown."""

from __future__ import annotations

TITLE, ELEMENT = "Train Tools", "train_tools"
ADDRESS = "./train-tools/"
"""Relative, so that it holds below whatever path the WebUI is reached under."""
FRAME = (
    '<div style="text-align:right;font-size:.85em;margin:0 0 .25em">'
    f'<a href="{ADDRESS}" target="_blank" rel="noopener">Open in a new tab</a></div>'
    f'<iframe id="train_tools_frame" title="{TITLE}" data-src="{ADDRESS}" '
    'style="width:100%;height:85vh;min-height:30em;border:0"></iframe>'
)


def tab() -> list[tuple[object, str, str]]:
    import gradio as gr

    with gr.Blocks(analytics_enabled=False) as page:
        gr.HTML(FRAME)
    return [(page, TITLE, ELEMENT)]
