"""The gate in front of every route, Gradio's included: who may ask (token), from where (Host, Origin), and what a
browser may do with the answer (headers). Knows no resource.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from train_tools.server.door import LOGIN, LOGOUT, Door
from train_tools.server.wording import PREFIX, words_page

API = f"{PREFIX}/api/v1"
SERVER_NAME = "train-tools"
"""The Server header of every answer; by it another start recognises us on a taken port."""
TOKEN_HEADER = "x-train-tools-token"
COOKIE_LIFE_S = 365 * 24 * 3600

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)

_HEADERS = {
    "server": SERVER_NAME,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who gets in."""

    token: str
    port: int
    bound_host: str = "127.0.0.1"
    hosts: frozenset[str] = frozenset()
    """Further names under which the service is reached: a proxy's or a tunnel's."""
    password: str = ""
    """Hash of the password that opens too; empty = the token alone does."""

    def __post_init__(self) -> None:
        assert len(self.token) >= 16, "a token shorter than 16 characters can be guessed"

    @property
    def cookie(self) -> str:
        """Browsers keep one jar for all ports of a host, so the port is in the name."""
        return f"train_tools_{self.port}"

    def opens(self, given: str | None) -> bool:
        """Whether `given` is the token; takes the same time for every wrong one."""
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def answers_to(self, host: str) -> bool:
        """Whether a Host header may name us. A foreign name that leads here is a DNS rebinding attack; an address
        can't be rebound, so all of them are allowed once the service listens on all of them."""
        name = host_name(host)
        if name in _LOOPBACK_NAMES or name == self.bound_host.lower() or name in self.hosts:
            return True
        return self.bound_host in EVERY_ADDRESS and _is_address(name)


class Gate:
    """Lets a request through to `app` or answers it in words, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access
        cookie = f"{access.cookie}_session"
        self.door = Door(kept=access.password, token=access.token, cookie=cookie) if access.password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(Request(_readable_page(scope)), receive, sealed(send))
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        answer = (
            self._wrong_host(request)
            or self._foreign_origin(request)
            or self._outside(request)
            or self._at_the_door(request)
            or self._token_in_address(request)
            or self._no_token(request)
            or self.app
        )
        await answer(request.scope, receive, send)

    def _wrong_host(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self.access.answers_to(host):
            return None
        return refusal(
            request,
            403,
            "HostNotAllowed",
            f"Train Tools was asked under the name {host!r}, which it does not know. Use the address it printed "
            "at its start, or start it with this name allowed (--allow-host NAME).",
        )

    def _foreign_origin(self, request: Request) -> Response | None:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site")
        foreign = origin is not None and not same_origin(origin, request.headers.get("host", ""))
        if request.method not in _SAFE_METHODS:
            foreign = foreign or site in ("cross-site", "same-site")
        if not foreign:
            return None
        return refusal(
            request,
            403,
            "OriginNotAllowed",
            f"A page of another site ({origin or site}) asked for something here. Train Tools answers its own "
            "pages only.",
        )

    def _outside(self, request: Request) -> Response | None:
        """`/` and the prefix without its slash lead to the page; nothing else lies outside of the prefix.
        Browsers ask for `/favicon.ico` beside every answer that is no page of ours, and complain."""
        path = request.scope["path"]
        if path == "/favicon.ico":
            return Response(status_code=204)
        if path in ("/", PREFIX):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{PREFIX}/{query}", 307)
        if not path.startswith(f"{PREFIX}/"):
            return refusal(request, 404, "NotFound", f"There is nothing here. Train Tools lies at {PREFIX}/.")
        return None

    def _at_the_door(self, request: Request) -> ASGIApp | None:
        return self.door if request.scope["path"] in (LOGIN, LOGOUT) else None

    def _token_in_address(self, request: Request) -> Response | None:
        """The token in an address is taken once, into a cookie that no script can read."""
        given = request.query_params.get("token")
        if given is None or request.method not in _SAFE_METHODS or not self.access.opens(given):
            return None
        rest = urlencode([pair for pair in parse_qsl(request.url.query, True) if pair[0] != "token"])
        answer = RedirectResponse(quote(request.scope["path"]) + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(
            self.access.cookie,
            self.access.token,
            max_age=COOKIE_LIFE_S,
            path=PREFIX,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _no_token(self, request: Request) -> Response | None:
        if any(self.access.opens(given) for given in self._tokens_of(request)):
            return None
        if self.door and self.door.knows(request):
            return None
        if self.door and request.method in _SAFE_METHODS and not request.scope["path"].startswith(f"{API}/"):
            place = request.scope["path"] + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{LOGIN}?{urlencode({'next': place})}", 303)
        return refusal(request, 401, "TokenMissing", _TOKEN_WORDS, page=_token_page())

    def _tokens_of(self, request: HTTPConnection) -> Iterable[str]:
        if cookie := request.cookies.get(self.access.cookie):
            yield cookie
        if header := request.headers.get(TOKEN_HEADER):
            yield header
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            yield credentials.strip()


def host_name(host: str) -> str:
    """The name of a Host header without its port, in lower case: `[::1]:7870` -> `::1`."""
    host = host.strip().lower().rstrip(".")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names the host and port of a Host header. `null` and foreign schemes never do.

    The scheme is not compared: a proxy in front of us may speak https for us.
    """
    try:
        asked, own = urlsplit(origin), urlsplit(f"//{host}")
        default = _DEFAULT_PORTS.get(asked.scheme)
        if default is None or not asked.hostname:
            return False
        return (asked.hostname, asked.port or default) == (own.hostname, own.port or default)
    except ValueError:
        return False


def content_policy(script_hashes: Iterable[str] = ()) -> str:
    """The Content-Security-Policy. See doc/security.md for what had to be loosened for Gradio, and why."""
    scripts = " ".join(["'self'", *(f"'sha256-{digest}'" for digest in script_hashes)])
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


def sealed(send: Send) -> Send:
    """`send` with our headers on every answer. An HTML page is held back until it is whole, so that the inline
    scripts the server itself wrote are allowed by their hashes and no other ever is."""
    held: list[Message] = []

    async def sealed_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            _seal(headers)
            if headers.get("content-type", "").startswith("text/html"):
                held.append(message)
                return
        elif held and message["type"] == "http.response.body":
            held.append(message)
            if message.get("more_body"):
                return
            start, *pieces = held
            held.clear()
            body = b"".join(piece.get("body", b"") for piece in pieces)
            MutableHeaders(raw=start["headers"])["content-security-policy"] = content_policy(script_hashes(body))
            await send(start)
            await send({"type": "http.response.body", "body": body})
            return
        await send(message)

    return sealed_send


def script_hashes(page: bytes) -> list[str]:
    """The sha256 of each inline script, as a Content-Security-Policy spells it."""
    scripts = dict.fromkeys(_INLINE_SCRIPT.findall(page))
    return [base64.b64encode(hashlib.sha256(script).digest()).decode("ascii") for script in scripts]


def refusal(request: HTTPConnection, status: int, kind: str, sentence: str, page: str | None = None) -> Response:
    """An answer in words: JSON for the API, a small page for people."""
    if request.scope["path"].startswith(f"{PREFIX}/api/"):
        return JSONResponse({"error": {"type": kind, "message": sentence}}, status)
    return HTMLResponse(page or words_page("Train Tools", html.escape(sentence)), status)


def _seal(headers: MutableHeaders) -> None:
    for name in [name for name in headers if name.startswith("access-control-")]:
        del headers[name]
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["content-security-policy"] = content_policy()
    headers.setdefault("cache-control", "no-cache" if "etag" in headers else "no-store")


def _readable_page(scope: Scope) -> dict[str, Any]:
    """The request without Accept-Encoding when it is for a page: scripts in a compressed page can't be hashed."""
    if not scope["path"].endswith("/"):
        return dict(scope)
    kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
    return {**scope, "headers": kept}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


_TOKEN_WORDS = (
    "The token is missing or not the right one. Open the link that Train Tools printed at its start; programs "
    "send it as `Authorization: Bearer TOKEN`."
)


def _token_page() -> str:
    return words_page(
        "Train Tools needs its token",
        "Open the link that was printed where Train Tools was started: it ends in <code>?token=…</code>. "
        "It is needed once for each browser. Or paste the token here:</p>"
        '<form method="get"><label>Token <input name="token" type="password" autocomplete="off" required></label> '
        "<button>Open</button></form><p>The token keeps other users and web pages of this machine out.",
    )
