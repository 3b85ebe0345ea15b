"""Which of Gradio's own routes exist here. It brings about seventy: uploads, files, a proxy, code editing,
monitoring ... The page needs a handful; a route that isn't there needs no guarding."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = ("", "config", "theme.css")
OPEN_BELOW = ("assets/", "static/", "gradio_api/run/", "gradio_api/startup-events")


class Surface:
    """Lets through what is ours (`ours`, paths below the prefix) and what of Gradio's the page needs; else 404."""

    def __init__(self, app: ASGIApp, *, prefix: str, ours: tuple[str, ...]) -> None:
        self.app = app
        self.prefix = prefix
        self.below = (*OPEN_BELOW, *ours)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._exists(scope["path"]):
            await PlainTextResponse("There is nothing at this address.", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _exists(self, path: str) -> bool:
        inside = path.removeprefix(self.prefix).removeprefix("/")
        return inside in OPEN or inside.startswith(self.below)
