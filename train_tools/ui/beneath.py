"""The page below a path that a proxy before us takes away, as a WebUI's `--subpath` is: browsers need it in
addresses."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX_HEADER = b"x-forwarded-prefix"
PATH = re.compile(r"(/[\w.~-]+)+")


def outer_path(scope: Scope) -> str:
    """The path before our own prefix, as the proxy tells it; empty for most."""
    told = dict(scope["headers"]).get(PREFIX_HEADER, b"").decode("latin-1").rstrip("/")
    return told if PATH.fullmatch(told) else ""


class Beneath:
    """Tells what is inside of it the whole path, as ASGI has it: Gradio writes addresses of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outer = outer_path(scope) if scope["type"] == "http" else ""
        if outer:
            scope = {**scope, "root_path": outer, "path": outer + scope["path"]}
        await self.app(scope, receive, send)
