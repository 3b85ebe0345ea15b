"""A web server as a webhook may find it: what it answers is decided by the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """`answers` are the status codes of the next requests, the last one for all further; a text is sent as it is,
    "hang" answers nothing until the site is closed, "drip" a byte now and then."""

    port: int
    answers: list[int | str] = field(default_factory=lambda: [200])
    location: str = "/"
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, headers and body of each request."""
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def site() -> Iterator[Site]:
    """Served on a free port as long as the block lasts."""
    served = Site(port=0)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            served.got.append((self.command, self.path, dict(self.headers), body))
            self.answer(served.answers[0] if len(served.answers) == 1 else served.answers.pop(0))

        def do_GET(self) -> None:
            self.do_POST()

        def answer(self, answer: int | str) -> None:
            if answer == "hang":
                served.closed.wait()
            elif answer == "drip":
                while not served.closed.wait(0.05):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX: "[:1])
            elif isinstance(answer, str):
                self.wfile.write(answer.encode())
            else:
                self.send_response(answer)
                self.send_header("location", served.location)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, *words: object) -> None:
            """Says nothing."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *words: object) -> None:
            """The other side has gone."""

    with Quiet(("127.0.0.1", 0), Answers) as server:
        served.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            served.closed.set()
            server.shutdown()
            thread.join()
