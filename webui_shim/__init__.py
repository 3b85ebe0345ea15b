"""The part of Train Tools that runs inside a WebUI, with its Python (3.10-3.13) and its Gradio (3.41-5): the tab,
the reverse proxy behind it, and the care for the service. It uses the standard library and what every WebUI has
(starlette, httpx; gradio in tab.py alone); it never imports `train_tools`, and installs nothing."""

from __future__ import annotations


def hook_in() -> None:
    """Hands our callbacks to the WebUI."""
    from modules import script_callbacks

    from .host import find_host
    from .routes import attach
    from .service import Service
    from .tab import tab

    host = find_host()
    service = Service(extension=host.extension, outputs=host.outputs, port=host.port)

    def app_started(demo: object, app: object) -> None:
        if demo is not None:  # without a page (--nowebui) there is no tab
            attach(demo, app, service, host)

    script_callbacks.on_ui_tabs(tab)
    script_callbacks.on_app_started(app_started)
