"""A service on a free port, with one project, as programs and browsers meet it."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image

from train_tools.app import App, open_app
from train_tools.model.preparation import Preparation
from train_tools.server.application import guarded
from train_tools.server.password import hashed
from train_tools.server.security import API, Access, Gate
from train_tools.server.service import listening

TOKEN = "a-token-for-tests-only"
PASSWORD = "correct horse battery"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An app with the project "zorb", whose version "v1" has two originals, prepared."""
    app = open_app(tmp_path / "outputs")
    app.create_project("zorb")
    app.create_version("zorb", "v1")
    source = tmp_path / "source"
    source.mkdir()
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200))):
        Image.new("RGB", (80, 72), colour).save(source / f"{name}.png")
        (source / f"{name}.txt").write_text(f"a {name} wall")
    stored = app.versions.settings("zorb", "v1")
    app.versions.save_settings(
        "zorb", "v1", replace(stored, preparation=Preparation(width_px=64, height_px=64, mirrored_copies=False))
    )
    app.versions.import_images("zorb", "v1", [source])
    app.versions.prepare("zorb", "v1")
    return app


@contextlib.contextmanager
def served(app: App, password: str = "") -> Iterator[tuple[Gate, str]]:
    """The running service and its address; `password` is the hash of one that opens it."""
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        gate = guarded(app, Access(token=TOKEN, port=port, password=password))
        service = uvicorn.Server(uvicorn.Config(gate, log_level="critical", server_header=False))
        thread = threading.Thread(target=service.run, kwargs={"sockets": [listener]})
        thread.start()
        while not service.started:
            time.sleep(0.01)
        yield gate, f"http://127.0.0.1:{port}"
        service.should_exit = True
        thread.join()


@pytest.fixture
def gate(app: App) -> Iterator[tuple[Gate, str]]:
    with served(app) as gate:
        yield gate


@pytest.fixture
def stranger(gate: tuple[Gate, str]) -> Iterator[httpx.Client]:
    """Asks without a token and follows no redirect."""
    with httpx.Client(base_url=gate[1]) as client:
        yield client


@pytest.fixture
def api(gate: tuple[Gate, str]) -> Iterator[httpx.Client]:
    """Asks the API with the token."""
    with httpx.Client(base_url=gate[1] + API, headers={"X-Train-Tools-Token": TOKEN}) as client:
        yield client


@pytest.fixture
def visitor(app: App) -> Iterator[httpx.Client]:
    """A browser without the token, at a page that the password of `PASSWORD` opens."""
    with served(app, hashed(PASSWORD)) as (_, address), httpx.Client(base_url=address) as client:
        yield client
