"""In the place of our service where only the way to it is looked at: small_service.py ... --port N.

`echo` tells what arrived, `away` leads elsewhere, `ticks` is a stream of events of which the next comes when
`next` is asked for, `open` says how many streams are open.
"""

import hashlib
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/train-tools"
TOKEN = os.environ["TRAIN_TOOLS_TOKEN"]
turn = threading.Condition()
streams: dict[int, int] = {}
"""How many events each open stream is still to send."""


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        inside = self.path.partition("?")[0].removeprefix(f"{PREFIX}/")
        if self.headers.get("x-train-tools-token") != TOKEN:
            self.say(b"token missing", status=401)
        elif inside in ("", "islands/icon.svg"):
            self.say(b"<html><h1>a small service</h1></html>", "text/html")
        elif inside == "away":
            self.say(b"", status=303, location=f"http://127.0.0.1:{self.server.server_address[1]}{PREFIX}/echo")
        elif inside == "ticks":
            self.tick()
        elif inside == "next":
            with turn:
                streams.update({stream: events + 1 for stream, events in streams.items()})
                turn.notify_all()
            self.say(b"{}")
        elif inside == "open":
            self.say(json.dumps(len(streams)).encode())
        else:
            self.echo()

    def do_POST(self) -> None:
        self.echo()

    def echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}}
        told |= {"command": sys.argv, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        self.say(json.dumps(told).encode())

    def say(self, content: bytes, type_: str = "application/json", status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-type": type_, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def tick(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        streams[id(self)] = 1
        try:
            while not self.is_left():
                with turn:
                    due, streams[id(self)] = streams[id(self)], 0
                    if not due:
                        turn.wait(0.05)
                for _ in range(due):
                    self.wfile.write(b"data: " + b"tick " * 300 + b"\n\n")
                    self.wfile.flush()
        except OSError:
            pass
        finally:
            del streams[id(self)]
            self.close_connection = True

    def is_left(self) -> bool:
        """Whether the other side has closed the connection."""
        import select
        import socket

        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""


if __name__ == "__main__":
    port = int(sys.argv[sys.argv.index("--port") + 1])
    print(f"Train Tools is at http://127.0.0.1:{port}{PREFIX}/?token={TOKEN}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Answers).serve_forever()
