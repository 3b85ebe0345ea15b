"""Who may reach Train Tools through the WebUI: whoever is logged in to it, from its own pages. A WebUI's login
covers none of the routes that extensions add, so this stands before all of ours."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request

LOGIN_CHECKS = ("/login_check", "/gradio_api/login_check")
REMEMBERED_S = 5.0
EXPOSED = (
    "This WebUI can be reached from other machines, and asks for no login. Train Tools reads and writes files and "
    "starts programs, so it stays shut. Start the WebUI with --gradio-auth NAME:PASSWORD (SD.Next: --auth), or, "
    "when everybody who reaches it may do all that, with --enable-insecure-extension-access (SD.Next: --insecure)."
)
NOT_LOGGED_IN = "Log in to the WebUI, then load this page again."
FOREIGN = "A page of another site asked for something here. Train Tools answers the WebUI's own pages only."


class Guard:
    """`app` is the WebUI's own; `exposed`: other machines reach it, and nobody said that they may."""

    def __init__(self, app: Any, *, exposed: bool) -> None:
        self.app = app
        self.exposed = exposed
        self._let_in: dict[str, float] = {}

    @property
    def shut(self) -> bool:
        """Whether nobody may come in, since everybody could."""
        return self.exposed and not self._has_login

    async def refusal(self, request: Request) -> tuple[int, str] | None:
        """Status and sentence for whoever may not come in."""
        if self.shut:
            return 403, EXPOSED
        if self._has_login and not await self._logged_in(request):
            return 401, NOT_LOGGED_IN
        if foreign(request):
            return 403, FOREIGN
        return None

    @property
    def _has_login(self) -> bool:
        return getattr(self.app, "auth", None) is not None

    async def _logged_in(self, request: Request) -> bool:
        """Asks the WebUI itself, in this process: the cookies' names and how they are made are its own affair."""
        cookie = request.headers.get("cookie", "")
        if not cookie:
            return False
        key, now = hashlib.sha256(cookie.encode()).hexdigest(), time.monotonic()
        self._let_in = {known: until for known, until in self._let_in.items() if until > now}
        if key not in self._let_in and await self._passes(cookie):
            self._let_in[key] = now + REMEMBERED_S
        return key in self._let_in

    async def _passes(self, cookie: str) -> bool:
        inside = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=inside, base_url="http://inside") as client:
            for path in LOGIN_CHECKS:
                answer = await client.get(path, headers={"cookie": cookie})
                if answer.status_code != 404:
                    return answer.status_code == 200
        return False


def foreign(request: Request) -> bool:
    """Whether a page of another origin asks. The scheme is not compared: TLS may end before the WebUI."""
    origin = request.headers.get("origin")
    if origin is not None:
        asked = urlsplit(origin)
        return asked.netloc.lower() not in (
            asked_host(request, forwarded=True),
            asked_host(request, forwarded=False),
        )
    if request.method in ("GET", "HEAD"):
        return False
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def asked_host(request: Request, *, forwarded: bool) -> str:
    """Host and port that the browser asked for, as a proxy before the WebUI (`forwarded`) or the request says."""
    told = request.headers.get("x-forwarded-host", "").split(",")[0].strip() if forwarded else ""
    return (told or request.headers.get("host", "")).lower()
