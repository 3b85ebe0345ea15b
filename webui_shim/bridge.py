"""The WebUI's own API for our service alone, whether the WebUI was started with it or not: below a path of its
own, for programs of this machine that know the token. What is asked and answered is what the public API has."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import threading
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from .lease import Lease, leases_at_work

PREFIX = "/train-tools-bridge"
TOKEN_HEADER = "x-train-tools-token"
LEASE = "/-/lease"
TAKING_S = 15.0
KEPT = ("type", "asgi", "http_version", "server", "client", "scheme", "method", "query_string", "state")
"""Of a request's scope; the rest is what the WebUI's routing has made of it."""


class Bridge:
    """An ASGI application. `app` is the WebUI's own. `make_api` makes its API on an application apart: seconds, so
    only when it is first wanted. `credentials` are what the API asks for, as NAME:PASSWORD."""

    def __init__(
        self, app: Any, *, token: str, make_api: Callable[[], Any], queue_lock: Any, credentials: str = ""
    ) -> None:
        self.app = app
        self.token = token
        self.queue_lock = queue_lock
        self.credentials = credentials
        self._make_api = make_api
        self._api: Any = None
        self._making = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        inside = scope["path"][scope["path"].index(PREFIX) + len(PREFIX) :]
        if not (of_this_machine(scope) and self._knows_the_token(request)):
            await JSONResponse({"detail": "This is for Train Tools alone."}, 403)(scope, receive, send)
        elif inside == LEASE:
            await (await self._lease(request))(scope, receive, send)
        else:
            asked = self._asked(scope, inside)
            target = await in_thread(self._answering, scope["method"], inside)
            await target(asked, receive, send)

    def _knows_the_token(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), self.token.encode())

    def _asked(self, scope: Any, inside: str) -> dict[str, Any]:
        headers = [pair for pair in scope["headers"] if pair[0] not in (b"authorization", TOKEN_HEADER.encode())]
        if self.credentials:
            headers.append((b"authorization", b"Basic " + b64encode(self.credentials.encode())))
        kept = {name: scope[name] for name in KEPT if name in scope}
        return {**kept, "headers": headers, "path": inside, "raw_path": inside.encode(), "root_path": ""}

    def _answering(self, method: str, inside: str) -> Any:
        """The WebUI itself where it has what is asked for, as one with `--api` has all; else its API apart."""
        if not inside.startswith("/sdapi/") or has_route(self.app, method, inside):
            return self.app
        with self._making:
            if self._api is None:
                self._api = self._make_api()
        return self._api

    async def _lease(self, request: Request) -> Response:
        """Holds the WebUI's queue as long as the file that the request names is locked. Answers whether it is held
        by now; a picture that is being made is waited for."""
        file = Path((await request.json())["file"])
        lease = leases_at_work().get(file) or Lease(
            file, self.queue_lock, enter=self._poster("unload-checkpoint"), leave=self._poster("reload-checkpoint")
        )
        lease.begin()
        return JSONResponse({"taken": await in_thread(lease.taken.wait, TAKING_S)})

    def _poster(self, what: str) -> Callable[[], None]:
        """Asks the WebUI for something of its API, from a thread without a loop. Not all can do all of it."""
        path = f"/sdapi/v1/{what}"

        async def post() -> None:
            inside = httpx.ASGITransport(app=self._answering("POST", path), raise_app_exceptions=False)
            auth = httpx.BasicAuth(*self.credentials.split(":", 1)) if self.credentials else None
            async with httpx.AsyncClient(transport=inside, base_url="http://inside", auth=auth) as client:
                await client.post(path, timeout=None)

        return lambda: asyncio.run(post())


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


def has_route(app: Any, method: str, path: str) -> bool:
    """Whether it answers there itself; what is mounted below it is a page."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    routes = (route for route in app.router.routes if hasattr(route, "methods"))
    return any(route.matches(scope)[0] is Match.FULL for route in routes)


def of_this_machine(scope: Any) -> bool:
    """Whether the other side is this machine, also where the WebUI listens at its address in the network."""
    client, server = (scope.get(side) or ("", 0) for side in ("client", "server"))
    try:
        return ipaddress.ip_address(client[0]).is_loopback or client[0] == server[0]
    except ValueError:
        return False
