"""One exchange with a WebUI at a time, and what is wrong with it in words. Knows statuses, no pictures.

Connections are not kept: after an error the WebUIs close them, and the next request would fail for no reason of
its own. Redirects are not followed, and no proxy of the environment is used.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from train_tools.errors import TrainToolsError

API = "/sdapi/v1"
CONNECT_S = 10.0
ANSWER_S = 60.0
"""For everything but a picture; loading a model makes a WebUI deaf for a while."""
LONGEST_ANSWER = 512_000_000
TOKEN_HEADER = "x-train-tools-token"
SHOWN = 300
"""How much of an answer is repeated."""
REFUSED = frozenset({401, 403})


class WebuiError(TrainToolsError):
    """No picture can be had from this WebUI as things are."""


class LostConnectionError(WebuiError):
    """The connection ended before the answer did: what was asked for may have been done."""


class FailedError(WebuiError):
    """The WebUI answered that it failed. `words` are its own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"The WebUI failed ({status}){f': {words}' if words else ''}.")
        self.status = status
        self.words = words


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a WebUI is, and how one gets in."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    """Of the bridge into the WebUI that has started us; empty for another's API."""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine, as far as its address tells."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


class Client:
    def __init__(self, door: Door, *, answer_s: float = ANSWER_S) -> None:
        self.door = door
        self._answer_s = answer_s
        self._http = httpx.Client(
            auth=(door.user, door.password) if door.user else None,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            headers={"Connection": "close", **({TOKEN_HEADER: door.token} if door.token else {})},
        )

    def get(self, path: str) -> Any:
        """The answer as a value. Asked a second time when the connection was lost. Raises WebuiError."""
        try:
            return self._ask("GET", path)
        except LostConnectionError:
            return self._ask("GET", path)

    def found(self, path: str) -> Any | None:
        """As `get`, but None where the WebUI has no such address, or can't answer there."""
        try:
            return self.get(path)
        except FailedError:
            return None

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, answer_s: float | None = None) -> Any:
        """Asked once. Raises WebuiError; of these LostConnectionError when it may have been done."""
        return self._ask("POST", path, body or {}, answer_s)

    def _ask(self, method: str, path: str, body: Any = None, answer_s: float | None = None) -> Any:
        wait_s = self._answer_s if answer_s is None else answer_s
        deadline = time.monotonic() + wait_s
        try:
            with self._http.stream(
                method,
                f"{self.door.url}{path}",
                json=body,
                timeout=httpx.Timeout(wait_s, connect=CONNECT_S),
            ) as answer:
                pieces, length = [], 0
                for piece in answer.iter_bytes():
                    pieces.append(piece)
                    length += len(piece)
                    if time.monotonic() > deadline:
                        raise self._too_slow(wait_s)
                    if length > LONGEST_ANSWER:
                        raise WebuiError(f"{self.door.url} answers more than pictures can be.")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise WebuiError(self._nobody_there(error)) from error
        except httpx.TimeoutException as error:
            raise self._too_slow(wait_s) from error
        except httpx.HTTPError as error:
            raise LostConnectionError(
                f"{self.door.url} closed the connection before it had answered ({_reason(error)}). Its console "
                "may say why; is that a WebUI?"
            ) from error
        return self._judged(answer, b"".join(pieces), path)

    def _nobody_there(self, error: httpx.HTTPError) -> str:
        if self.door.token:
            return f"The WebUI that Train Tools is a tab of does not run now ({_reason(error)}). Start it again."
        return (
            f"No WebUI answers at {self.door.url} ({_reason(error)}). Start it with --api, or say where it is: "
            "`train-tools settings webui.url=ADDRESS`."
        )

    def _too_slow(self, wait_s: float) -> WebuiError:
        return WebuiError(
            f"{self.door.url} did not answer within {wait_s:g} s. Look into the WebUI's console, or restart it."
        )

    def _judged(self, answer: httpx.Response, content: bytes, path: str) -> Any:
        status = answer.status_code
        if status in REFUSED:
            raise WebuiError(self._refused(status))
        if 300 <= status < 400:
            where = urlsplit(answer.headers.get("location", ""))
            led = f"{where.scheme}://{where.netloc}" if where.netloc else where.path
            raise WebuiError(
                f"{self.door.url} leads elsewhere, to {led or 'nowhere'}: that is not followed. Give the WebUI's "
                "own address: `train-tools settings webui.url=ADDRESS`."
            )
        if status >= 400:
            raise FailedError(status, _said(content))
        if not content:
            return None  # SD.Next's 204
        try:
            return json.loads(content)
        except ValueError as error:
            raise WebuiError(
                f"{self.door.url} answers at {path}, but not as a WebUI does. Is another program there? Say where "
                "the WebUI is: `train-tools settings webui.url=ADDRESS`."
            ) from error

    def _refused(self, status: int) -> str:
        if self.door.token:
            return "The WebUI does not know this Train Tools any more: start the WebUI again, then this job."
        ways = "`train-tools settings webui.user=NAME webui_password=-`"
        if self.door.user:
            problem = f"refuses the user {self.door.user!r} or the password ({status})"
        else:
            problem = f"wants a user and a password ({status}), those of its --api-auth"
        return f"{self.door.url} {problem}. Set them: {ways}."


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _said(content: bytes) -> str:
    """What an answer tells of an error, in one line: each family has its own form, some none."""
    text = content.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except ValueError:
        told = text
    if isinstance(told, Mapping):
        words = [str(told[name]) for name in ("error", "errors", "message", "detail") if told.get(name)]
        told = ": ".join(dict.fromkeys(words))
    return " ".join(str(told).split())[:SHOWN]
