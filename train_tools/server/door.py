"""Where a browser without a token comes in: a page that asks for the password, and the way out."""

from __future__ import annotations

import html
import time
from urllib.parse import parse_qs

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from train_tools.server.password import SESSION_S, Attempts, Sessions, fits
from train_tools.server.wording import PREFIX, words_page

LOGIN, LOGOUT = f"{PREFIX}/login", f"{PREFIX}/logout"
LONGEST_FORM = 8192


class Door:
    """`kept` is the password's hash; `cookie` the name a session goes by."""

    def __init__(self, *, kept: str, token: str, cookie: str) -> None:
        self.kept = kept
        self.cookie = cookie
        self.sessions = Sessions(token=token, kept=kept)
        self.attempts = Attempts()

    def knows(self, request: Request) -> bool:
        """Whether this browser has signed in."""
        return self.sessions.holds(request.cookies.get(self.cookie, ""))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method == "POST":
            answer = self._gone() if scope["path"] == LOGOUT else await self._tried(request)
        else:
            answer = HTMLResponse(_page(_inside(request.query_params.get("next"))))
        await answer(scope, receive, send)

    async def _tried(self, request: Request) -> Response:
        form = parse_qs((await _body(request)).decode("utf-8", "replace"), keep_blank_values=True)
        place = _inside(form.get("next", [""])[0])
        address = request.client.host if request.client else ""
        wait = self.attempts.wait_s(address, time.monotonic())
        if wait:
            words = f"Too many wrong passwords. Wait {wait} seconds."
            return HTMLResponse(_page(place, words), 429, {"Retry-After": str(wait)})
        self.attempts.failed(
            address, time.monotonic()
        )  # counted before it is looked at: guesses at once are guesses
        if not await to_thread.run_sync(fits, form.get("password", [""])[0], self.kept):
            return HTMLResponse(_page(place, "That is not the password."), 401)
        self.attempts.forgiven(address)
        return self._signed_in(request, place)

    def _signed_in(self, request: Request, place: str) -> Response:
        answer = RedirectResponse(place, 303)
        answer.set_cookie(
            self.cookie,
            self.sessions.opened(),
            max_age=SESSION_S,
            path=PREFIX,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    def _gone(self) -> Response:
        answer = RedirectResponse(LOGIN, 303)
        answer.delete_cookie(self.cookie, path=PREFIX)
        return answer


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            return b""
    return body


def _inside(place: str | None) -> str:
    """An address of ours to go to after signing in, whatever was asked for."""
    if place and place.startswith(f"{PREFIX}/") and place.isprintable() and "\\" not in place:
        return place
    return f"{PREFIX}/"


def _page(place: str, refused: str = "") -> str:
    return words_page(
        "Train Tools",
        (f'<strong role="alert">{html.escape(refused)}</strong></p><p>' if refused else "")
        + f'</p><form method="post" action="{LOGIN}">'
        f'<input type="hidden" name="next" value="{html.escape(place)}"><label>Password '
        '<input name="password" type="password" autocomplete="current-password" required autofocus></label> '
        "<button>Sign in</button></form><p>",
    )
