"""A server on loopback that gives out one file, well or badly: what it is told to do, it does."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = Path(__file__).with_name("loopback.pem")
"""Of 127.0.0.1, with its key; signed by itself and trusted by nobody but these tests."""


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


@dataclass
class Depot:
    """`content` at every address below `/file`; elsewhere nothing."""

    content: bytes
    etag: str = '"one"'
    ranges: bool = True
    """Whether parts can be had."""
    break_after: list[int] = field(default_factory=list)
    """After how many bytes each of the next answers breaks off."""
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str = ""
    """Where `/moved` leads."""
    status: int = 0
    """Instead of any file."""
    says_size: bool = True
    held: threading.Event = field(default_factory=threading.Event)
    """Answers wait for it after their first piece."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, Range and Authorization of each request."""
    address: str = ""

    def __post_init__(self) -> None:
        self.held.set()


class _Handler(BaseHTTPRequestHandler):
    depot: Depot

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        depot = self.depot
        wanted = self.headers.get("Range", "")
        depot.asked.append((self.path, wanted, self.headers.get("Authorization", "")))
        if self.path.startswith("/moved"):
            self._head(302, {"Location": depot.redirect, "Content-Length": "0"})
        elif depot.status or not self.path.startswith("/file"):
            self._head(depot.status or 404, {"Content-Length": "0"})
        else:
            self._give(wanted)

    def _give(self, wanted: str) -> None:
        depot, whole = self.depot, len(self.depot.content)
        begin, end, status = 0, whole, 200
        if_range = self.headers.get("If-Range", depot.etag)
        if wanted and depot.ranges and if_range == depot.etag:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end, status = int(first), int(last) + 1 if last else whole, 206
        head = {"Content-Type": "application/octet-stream", "ETag": depot.etag, **depot.headers}
        if status == 206:
            head["Content-Range"] = f"bytes {begin}-{end - 1}/{whole}"
        if depot.says_size:
            head["Content-Length"] = str(end - begin)
        self._head(status, head)
        piece = depot.content[begin:end]
        if end - begin > 1 and depot.break_after:
            piece = piece[: depot.break_after.pop(0)]
        half = len(piece) // 2
        try:
            self.wfile.write(piece[:half])
            self.wfile.flush()
            depot.held.wait(timeout=30)
            self.wfile.write(piece[half:])
        except OSError:
            pass  # the asker has gone
        self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def giving(depot: Depot, *, tls: bool = False) -> Iterator[Depot]:
    """The depot while it is open; its address ends with a slash."""
    handler = type("Handler", (_Handler,), {"depot": depot})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    depot.address = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/"
    try:
        yield depot
    finally:
        depot.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
