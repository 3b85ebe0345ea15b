"""Our service as a process beside the WebUI: started through launch.py, found again by a state file after "Reload
UI" or a restart of the WebUI, and asked whether it answers. Knows nothing of pages and of HTTP's ways to it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .presence import show_presence
from .processes import alive, birth

PREFIX = "/train-tools"
TOKEN_HEADER = "x-train-tools-token"
LEAKING = ("PYTHON", "GRADIO_", "SD_WEBUI", "LD_PRELOAD", "VIRTUAL_ENV", "COMMANDLINE_ARGS", "CONDA_")
"""Beginnings of the names of variables that would make our Python another's, or our page the WebUI's."""
HOST_VARIABLE = "TRAIN_TOOLS_WEBUI"
ANSWER_PATIENCE_S = 2.0
LOG_SHOWN = 20_000


@dataclass(frozen=True)
class Started:
    """What the state file holds of a service that was started. `born` tells its process from a later one that was
    given the same number; `answered`: it has once been ready."""

    pid: int
    born: str
    port: int
    secret: str
    answered: bool = False
    format: int = 1


class Service:
    """One for each outputs folder; the state file says which process it is, so nothing is remembered in here."""

    def __init__(self, *, extension: Path, outputs: Path, port: int = 0) -> None:
        self.extension = extension
        self.outputs = outputs
        self.port = port
        self.folder = extension / ".webui"
        name = hashlib.sha256(str(outputs).encode()).hexdigest()[:8]
        self.state_file = self.folder / f"{name}.json"
        self.log_file = self.folder / f"{name}.log"
        self.host_file = self.folder / f"{name}.host"
        """What the service is told of the WebUI."""
        self._starting = threading.Lock()

    def bridge_token(self) -> str:
        """Opens the bridge; the same for each WebUI on these outputs, one after the other, since the service and
        its jobs may outlive them."""
        try:
            return str(json.loads(self.host_file.read_text(encoding="utf-8"))["token"])
        except (OSError, ValueError, KeyError, TypeError):
            return secrets.token_urlsafe(32)

    def accompany(self, about: dict[str, Any]) -> None:
        """Tells the service about the WebUI, and lets it see that it lives, from now on. Raises OSError."""
        self.folder.mkdir(exist_ok=True)
        write_private(self.host_file, about)
        show_presence(self.host_file.with_suffix(".lock"))

    @property
    def is_set_up(self) -> bool:
        return (self.extension / ".venv" / "train-tools.json").exists()

    def started(self) -> Started | None:
        """What was started last, alive or not."""
        try:
            found = json.loads(self.state_file.read_text(encoding="utf-8"))
            return Started(**found) if found["format"] == 1 else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def living(self) -> Started | None:
        """The service that runs now, whichever WebUI started it."""
        started = self.started()
        return started if started and alive(started.pid, started.born) else None

    def start(self) -> Started:
        """The living service, or a new one: still being set up, maybe. Raises OSError."""
        with self._starting:
            return self.living() or self._start()

    def stop(self) -> None:
        """Ends it, or its set-up; what is trained goes on. Without effect when there is none."""
        living = self.living()
        if living is None:
            return
        if os.name == "posix":
            os.killpg(living.pid, signal.SIGTERM)
        else:
            subprocess.run(["taskkill", "/PID", str(living.pid), "/T", "/F"], capture_output=True, check=False)

    def answers(self, started: Started) -> bool:
        """Whether it serves its page by now."""
        connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=ANSWER_PATIENCE_S)
        try:
            connection.request("GET", f"{PREFIX}/islands/icon.svg", headers={TOKEN_HEADER: started.secret})
            ready = connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if ready and not started.answered:
            self._remember(replace(started, answered=True))
        return ready

    def log(self) -> str:
        """The end of what set-up and service printed, without the secret."""
        try:
            with self.log_file.open("rb") as file:
                file.seek(max(0, self.log_file.stat().st_size - LOG_SHOWN))
                said = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        started = self.started()
        return said.replace(started.secret, "...") if started else said

    def _start(self) -> Started:
        self.folder.mkdir(exist_ok=True)
        secret = secrets.token_urlsafe(32)
        port = self.port or free_port()
        launch = [sys.executable, "-I", str(self.extension / "launch.py")]
        serve = ["--outputs", str(self.outputs), "serve", "--port", str(port)]
        with private(self.log_file) as log:
            process = subprocess.Popen(
                [*launch, *serve],
                cwd=self.extension,
                env=own_environment()
                | {"TRAIN_TOOLS_TOKEN": secret, HOST_VARIABLE: str(self.host_file), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **apart(),
            )
        started = Started(pid=process.pid, born=birth(process.pid), port=port, secret=secret)
        self._remember(started)
        return started

    def _remember(self, started: Started) -> None:
        write_private(self.state_file, asdict(started))


def own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(LEAKING)}


def apart() -> dict:
    """How a process is started that outlives the WebUI and does not get its Ctrl+C."""
    if os.name == "posix":
        return {"start_new_session": True}
    return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}


def write_private(file: Path, content: dict[str, Any]) -> None:
    """Whole or not at all, readable by this user alone."""
    unfinished = file.with_name(f"{file.name}.tmp")
    with private(unfinished) as opened:
        opened.write(json.dumps(content).encode())
    unfinished.replace(file)


def private(file: Path):
    """Opened to be written anew, readable by this user alone."""
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]
