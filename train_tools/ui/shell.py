"""The shell: header, tabs and theme. Each screen is a module or an island of its own."""

from __future__ import annotations

import gradio as gr

from train_tools.app import App
from train_tools.ui import dataset, place
from train_tools.ui.islands import island

SYSTEM_FONTS = ("system-ui", "sans-serif")
SYSTEM_MONO = ("ui-monospace", "monospace")


def build_shell(app: App) -> gr.Blocks:
    shell = gr.Blocks(title="Train Tools", analytics_enabled=False, fill_width=True)
    with shell:
        here = place.header(app)
        with gr.Tabs(elem_id="screens"):
            with gr.Tab("Dataset", id="dataset"):
                dataset.screen(app, here)
            with gr.Tab("Train", id="train"):
                island("tt-train")
            with gr.Tab("Queue", id="queue"):
                island("tt-queue")
            with gr.Tab("Previews", id="previews"):
                island("tt-previews")
        place.on_opening(app, shell, here)
    return shell


def theme() -> gr.Theme:
    """Gradio's own look in our colour. Fonts are the system's: nothing is fetched."""
    return gr.themes.Default(
        primary_hue="indigo",
        secondary_hue="indigo",
        neutral_hue="slate",
        radius_size="sm",
        font=SYSTEM_FONTS,
        font_mono=SYSTEM_MONO,
    )
