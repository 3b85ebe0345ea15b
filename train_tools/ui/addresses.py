"""Addresses of places in the page, such as `/train-tools/p/cat/v1/checkpoints`: all are the one page, which reads
them itself. And pages of one island alone, `/train-tools/alone/checkpoints?project=cat&version=v1`."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from train_tools.ui.beneath import outer_path
from train_tools.ui.screens import ISLANDS, SCREENS


class Addresses:
    """Leads each address of a place to the page at `prefix`, whose relative references start there then."""

    def __init__(self, app: ASGIApp, *, prefix: str, head: str) -> None:
        self.app = app
        self.prefix = prefix
        self.head = head

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope.get("path", "").removeprefix(f"{self.prefix}/")
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
        elif inside.startswith("alone/"):
            await self._alone(inside.removeprefix("alone/"), Request(scope), receive, send)
        elif inside == "" or inside in SCREENS or inside.startswith("p/"):
            page = {**scope, "path": f"{self.prefix}/", "raw_path": f"{self.prefix}/".encode()}
            await self.app(page, receive, headed(send, base_tag(scope, self.prefix), self.head))
        else:
            await self.app(scope, receive, send)

    async def _alone(self, screen: str, request: Request, receive: Receive, send: Send) -> None:
        if screen in ISLANDS:
            head = base_tag(request.scope, self.prefix) + self.head
            await HTMLResponse(alone_page(ISLANDS[screen], head))(request.scope, receive, send)
        else:
            await self.app(request.scope, receive, send)


def alone_page(tag: str, head: str) -> str:
    """A page that holds one island; `head` is what every page of ours loads."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Train Tools</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>'
        f'<body class="tt-alone"><main><{tag}></{tag}></main></body></html>'
    )


def base_tag(scope: Scope, prefix: str) -> str:
    """Lets relative references lead below the prefix, wherever that lies for the browser."""
    return f'<base href="{outer_path(scope)}{prefix}/">'


def headed(send: Send, base: str, head: str) -> Send:
    """`send` with more in the page's head: `base` before all else, so that relative references, also those that
    scripts make, lead below the prefix; `head` behind Gradio's own, so that our styles have the last word."""
    held: list[Message] = []

    async def headed_send(message: Message) -> None:
        held.append(message)
        if message["type"] != "http.response.body" or message.get("more_body"):
            return
        start, *pieces = held
        body = b"".join(piece.get("body", b"") for piece in pieces)
        body = body.replace(b"<head>", f"<head>{base}".encode(), 1).replace(
            b"</head>", f"{head}</head>".encode(), 1
        )
        headers = MutableHeaders(raw=start["headers"])
        headers["content-length"] = str(len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return headed_send
