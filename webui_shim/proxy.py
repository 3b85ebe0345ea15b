"""The reverse proxy: a request to the WebUI below our prefix goes to the service, with its bytes as they are, and
the answer comes back as it is. What a browser of the WebUI must not hand on (its cookies, its Authorization) stays
here; what only we know (the secret) is put on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlsplit
from weakref import WeakKeyDictionary

import httpx
from starlette.requests import ClientDisconnect, Request

from .guard import asked_host
from .service import PREFIX, TOKEN_HEADER, Started

HOP_BY_HOP = {
    *(
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
    ),
    *("trailers", "transfer-encoding", "upgrade"),
}
NOT_HANDED_ON = {"host", "cookie", "authorization", "origin", "referer", "forwarded", TOKEN_HEADER}
OUR_COOKIES = "train_tools_"
CONNECT_PATIENCE_S = 10
Headers = list[tuple[bytes, bytes]]

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()


class UnreachableError(Exception):
    """The service does not answer; nothing was sent to the browser yet."""


async def forward(request: Request, send: Any, started: Started, *, subpath: str = "") -> None:
    """Answers the request with what the service says. Raises UnreachableError."""
    try:
        answer = await _client().send(_asked(request, started, subpath), stream=True)
    except ClientDisconnect:
        return
    except httpx.TransportError as error:
        raise UnreachableError(str(error)) from error
    # In a task of its own: when the browser leaves, older servers cancel the request's own scope, and a connection
    # closed in there (httpcore 0.15) stays open for good.
    relayed = asyncio.get_running_loop().create_task(_relay(answer, send, started))
    left = asyncio.get_running_loop().create_task(_leaves(request))
    try:
        await asyncio.wait({relayed, left}, return_when=asyncio.FIRST_COMPLETED)
        if relayed.done():
            relayed.result()
    finally:
        relayed.cancel()
        left.cancel()


def _client() -> httpx.AsyncClient:
    """One for each event loop: "Reload UI" brings a new one. The user's proxies are not for this machine, streams
    may be silent for long, and each open page holds connections, so none of that is limited."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_PATIENCE_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            trust_env=False,
            follow_redirects=False,
        )
    return _clients[loop]


def _asked(request: Request, started: Started, subpath: str) -> httpx.Request:
    """Built without the client, which would add headers of its own."""
    url = httpx.URL(scheme="http", host="127.0.0.1", port=started.port, raw_path=_target(request))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    headers = [
        *_handed_on(request.headers.raw),
        (b"host", f"127.0.0.1:{started.port}".encode()),
        (b"x-forwarded-host", asked_host(request, forwarded=True).encode("latin-1")),
        (b"x-forwarded-proto", _scheme(request).encode("latin-1")),
        (TOKEN_HEADER.encode(), started.secret.encode()),
    ]
    if outer := _outer_path(request) or subpath:
        headers.append((b"x-forwarded-prefix", outer.encode("latin-1")))
    return httpx.Request(request.method, url, headers=headers, content=request.stream() if has_body else None)


def _target(request: Request) -> bytes:
    """Path and query as the browser spelled them, from our prefix on."""
    path: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    path = path.partition(b"?")[0]
    path = path[path.index(PREFIX.encode()) :]
    query: bytes = request.scope["query_string"]
    return path + (b"?" + query if query else b"")


def _outer_path(request: Request) -> str:
    """What the browser has before our prefix, as far as the request shows: a proxy may have taken it away."""
    before: str = request.scope["path"].partition(PREFIX)[0]
    return before or request.headers.get("x-forwarded-prefix", "")


def _handed_on(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    kept: Headers = []
    for name, value in headers:
        plain = name.decode("latin-1").lower()
        if plain == "cookie":
            ours = [pair for pair in value.split(b";") if pair.strip().startswith(OUR_COOKIES.encode())]
            kept += [(b"cookie", b";".join(ours).strip())] if ours else []
        elif plain not in HOP_BY_HOP | NOT_HANDED_ON and not plain.startswith(("x-forwarded-", "sec-fetch-")):
            kept.append((name, value))
    return kept


def _scheme(request: Request) -> str:
    """What the browser speaks: as a proxy says, as its own page was reached, or as the WebUI was asked."""
    told = request.headers.get("x-forwarded-proto", "").split(",")[0].strip()
    if told in ("http", "https"):
        return told
    page = urlsplit(request.headers.get("origin") or request.headers.get("referer") or "")
    own_page = page.netloc.lower() == asked_host(request, forwarded=True)
    return page.scheme if own_page and page.scheme in ("http", "https") else request.url.scheme


async def _leaves(request: Request) -> None:
    """Waits until the browser has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _relay(answer: httpx.Response, send: Any, started: Started) -> None:
    try:
        await send(
            {"type": "http.response.start", "status": answer.status_code, "headers": _answered(answer, started)}
        )
        async for piece in answer.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        await answer.aclose()


def _answered(answer: httpx.Response, started: Started) -> Headers:
    """The service's headers. An event stream says that it is not compressed: a WebUI's GZip middleware would hold
    its events back until the end otherwise."""
    headers = [(name.lower(), value) for name, value in answer.headers.raw]
    headers = [(name, value) for name, value in headers if name.decode("latin-1") not in HOP_BY_HOP]
    inside = f"http://127.0.0.1:{started.port}".encode()
    headers = [(n, v[len(inside) :] if n == b"location" and v.startswith(inside) else v) for n, v in headers]
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        headers += [(b"x-accel-buffering", b"no")]
        headers += [] if "content-encoding" in answer.headers else [(b"content-encoding", b"identity")]
    return headers
