"""Mounts the page, its islands' files and as little of Gradio as it needs below one prefix."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from train_tools.ui.addresses import Addresses
from train_tools.ui.beneath import Beneath
from train_tools.ui.surface import Surface

PREFIX = "/train-tools"
STATIC = Path(__file__).with_name("static")
"""Plain ES modules and style sheets; no build step."""
HEAD = (
    '<script src="islands/base/first.js"></script>'
    '<link rel="stylesheet" href="islands/base/tokens.css">'
    '<link rel="stylesheet" href="islands/page.css">'
    '<script type="module" src="islands/train-tools.js"></script>'
    '<link rel="icon" type="image/svg+xml" href="islands/icon.svg">'
)
"""What every page of ours loads, from where its base is. In the page itself, not through Gradio, which would add
it only once it runs."""


def mount_page(server: FastAPI) -> None:
    """Adds the page at `/train-tools/` to a server that has the API already. Imports Gradio: seconds."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read on import; without it Gradio calls home
    import gradio as gr

    from train_tools.ui.shell import build_shell
    from train_tools.ui.theme import theme

    server.mount(f"{PREFIX}/islands", StaticFiles(directory=STATIC), name="islands")
    gr.mount_gradio_app(
        server,
        build_shell(),
        path=PREFIX,
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        theme=theme(),
    )
    server.add_middleware(Beneath)
    server.add_middleware(Surface, prefix=PREFIX, ours=("islands/", "api/v1/"))
    server.add_middleware(Addresses, prefix=PREFIX, head=HEAD)
