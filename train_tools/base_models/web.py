"""Asking for a file at an address that a user typed. Only http and https, redirects only to https, and a token
only to the host it belongs to."""

from __future__ import annotations

import os
import ssl
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from train_tools.errors import DownloadError

SCHEMES = ("http", "https")
REDIRECTS = (301, 302, 303, 307, 308)
MOST_REDIRECTS = 5
TIMEOUT_S = 30.0
LONGEST_ADDRESS = 4000
TOKEN_VARIABLES: Mapping[str, str] = {"huggingface.co": "HF_TOKEN", "civitai.com": "CIVITAI_TOKEN"}
"""Whose token lies in which environment variable. It is sent to that host alone, and only by https."""
FAULTS = (OSError, HTTPException)
"""What a connection can end with."""


class Reply:
    """What a server answers: its head now, the rest piece by piece."""

    def __init__(self, response: Any, host: str) -> None:
        self._response = response
        self.host = host
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def read(self, size: int) -> bytes:
        """The next bytes; b"" at the end. Raises one of FAULTS."""
        return bytes(self._response.read(size))

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *exception: object) -> None:
        self._response.close()


class Web:
    """Follows the system's proxy settings. `tokens` are by host."""

    def __init__(self, context: ssl.SSLContext | None = None, tokens: Mapping[str, str] | None = None) -> None:
        self._context = context
        self._tokens = tokens_of_environment() if tokens is None else tokens

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        """Made when it is wanted: reading the system's certificates takes its time."""
        opener = urllib.request.OpenerDirector()
        context = self._context or ssl.create_default_context()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
        ):
            opener.add_handler(handler)
        return opener

    def ask(self, address: str, headers: Mapping[str, str]) -> Reply:
        """The answer from wherever the address leads. Raises DownloadError for a redirect that isn't followed, one
        of FAULTS when nobody answers."""
        asked = host_of(address)
        for _ in range(MOST_REDIRECTS + 1):
            host = host_of(address)
            request = urllib.request.Request(address, headers={**headers, **self._secret(address, host == asked)})
            response = self._opener.open(request, timeout=TIMEOUT_S)
            if response is None:
                raise DownloadError(f"Nothing here can ask {host}.")
            if response.status not in REDIRECTS:
                return Reply(response, host)
            with response:
                address = _followed(address, response.headers.get("Location", ""))
        raise DownloadError(f"{asked} leads from one address to the next, more than {MOST_REDIRECTS} times.")

    def _secret(self, address: str, is_asked: bool) -> dict[str, str]:
        parts = urlsplit(address)
        token = self._tokens.get(parts.hostname or "") if is_asked and parts.scheme == "https" else None
        return {"Authorization": f"Bearer {token}"} if token else {}


def tokens_of_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    found = {host: environment.get(variable, "").strip() for host, variable in TOKEN_VARIABLES.items()}
    return {host: token for host, token in found.items() if token}


def checked_address(text: str) -> str:
    """The address in a text, as it travels. Raises DownloadError, which does not repeat what may be a secret."""
    try:
        address = quote(text.strip(), safe="!#$%&'()*+,/:;=?@[]~")
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except (ValueError, UnicodeError) as error:
        raise DownloadError("The address can't be read: its host or port is wrong.") from error
    if parts.scheme.lower() not in SCHEMES:
        raise DownloadError("The address can't be used: it has to begin with https:// or http://.")
    if not host or port == 0 or len(address) > LONGEST_ADDRESS:
        raise DownloadError("The address can't be used: it names no host, or is too long.")
    if parts.username is not None or parts.password is not None:
        variables = ", ".join(f"{variable} for {host}" for host, variable in TOKEN_VARIABLES.items())
        raise DownloadError(
            "The address can't be used: it holds a user name or password. Tokens are taken from the environment "
            f"({variables})."
        )
    return address


def host_of(address: str) -> str:
    """Host and, where it is said, port."""
    return urlsplit(address).netloc.rsplit("@", 1)[-1].lower()


def _followed(address: str, location: str) -> str:
    target = urljoin(address, location)
    if not location or urlsplit(target).scheme != "https":
        raise DownloadError(
            f"{host_of(address)} leads to an address that is not https, which is not followed: anybody on the way "
            "could send another file."
        )
    return checked_address(target)
