"""Gradio's look in our colours (static/base/tokens.css). Fonts are the system's: nothing is fetched."""

from __future__ import annotations

import gradio as gr

FONTS = ("system-ui", "sans-serif")
MONO = ("ui-monospace", "monospace")
COLOURS = {
    "body_background_fill": "ground",
    "body_text_color": "text",
    "body_text_color_subdued": "quiet",
    "background_fill_primary": "ground",
    "background_fill_secondary": "surface",
    "block_background_fill": "ground",
    "block_label_background_fill": "ground",
    "block_label_text_color": "quiet",
    "block_title_text_color": "text",
    "block_info_text_color": "quiet",
    "border_color_primary": "line",
    "block_border_color": "line",
    "input_background_fill": "ground",
    "input_border_color": "line",
    "input_placeholder_color": "quiet",
    "color_accent": "accent",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent",
    "button_primary_text_color": "on-accent",
    "button_secondary_background_fill": "surface",
    "button_secondary_text_color": "text",
    "link_text_color": "accent-text",
}


def theme() -> gr.Theme:
    made = gr.themes.Default(radius_size="sm", font=FONTS, font_mono=MONO)
    settable = set(vars(made))
    light = {name: f"var(--tt-{token})" for name, token in COLOURS.items()}
    dark = {f"{name}_dark": value for name, value in light.items() if f"{name}_dark" in settable}
    return made.set(**light, **dark)
