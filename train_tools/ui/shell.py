"""The shell: the head, and the screens below it, of which the address says which one is in sight."""

from __future__ import annotations

import gradio as gr

from train_tools.ui.islands import island
from train_tools.ui.screens import ISLANDS, SCREENS


def build_shell() -> gr.Blocks:
    shell = gr.Blocks(title="Train Tools", analytics_enabled=False, fill_width=True)
    with shell:
        island("tt-bar")
        for screen in SCREENS:
            with gr.Column(elem_id=f"screen-{screen}", elem_classes="tt-screen"):
                island(ISLANDS[screen])
    return shell
