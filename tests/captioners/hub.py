"""Servers on loopback: one that gives out repositories as Hugging Face does, one that describes pictures as
OpenAI's does, well or badly."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

SHA = "0123456789abcdef"


@dataclass
class Hub:
    """`files` of the one repository `repository`."""

    repository: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    wrong_sha256: bool = False
    listing: Any = None
    """Instead of the true one."""
    address: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if path.startswith(f"/api/models/{self.repository}"):
            return 200, json.dumps(self.listing or self._listing()).encode()
        folder = f"/{self.repository}/resolve/{SHA}/"
        name = unquote(path.removeprefix(folder))
        return (200, self.files[name]) if path.startswith(folder) and name in self.files else (404, b"")

    def _listing(self) -> dict[str, Any]:
        return {"sha": SHA, "siblings": [self._sibling(name, data) for name, data in self.files.items()]}

    def _sibling(self, name: str, data: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(b"other" if self.wrong_sha256 else data).hexdigest()
        return {"rfilename": name, "size": len(data), **({"lfs": {"sha256": sha256}} if len(data) > 100 else {})}


@dataclass
class Describer:
    """Answers each question by the next of `answers`, the last again and again."""

    answers: list[Callable[[Any], None]]
    questions: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""

    def reply(self, handler: Any, body: bytes) -> None:
        self.questions.append(json.loads(body))
        self.keys.append(handler.headers.get("Authorization", ""))
        self.paths.append(handler.path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(handler)


def saying(content: Any) -> Callable[[Any], None]:
    return giving_json({"choices": [{"message": {"role": "assistant", "content": content}}]})


def giving_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Callable[[Any], None]:
    return giving(json.dumps(value).encode(), status, headers)


def giving(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@contextmanager
def serving(hub: Hub | None = None, describer: Describer | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            assert hub is not None
            status, content = hub.answer(self.path)
            giving(content, status, {"ETag": '"one"'})(self)

        def do_POST(self) -> None:
            assert describer is not None
            describer.reply(self, self.rfile.read(int(self.headers["Content-Length"])))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
