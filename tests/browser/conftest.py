"""The page as a user meets it: the real command, a real browser, and nothing from outside of this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.machine.stand_ins import StandIns
from train_tools.app import App, open_app
from train_tools.jobs.lease import Lease, worker_lease

ROOT = Path(__file__).parents[2]
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class House:
    """A running service, its address with the token, and the app that shares its folder."""

    app: App
    service: subprocess.Popen[str]
    address: str

    @classmethod
    def opened(cls, app: App, port: int = 0) -> "House":
        """Started by its command, as a user does."""
        command = [sys.executable, "-m", "train_tools", "--outputs", str(app.outputs.folder)]
        service = subprocess.Popen([*command, "serve", "--port", str(port)], stdout=subprocess.PIPE, text=True)
        assert service.stdout is not None
        found = re.search(r"http://\S+", service.stdout.readline())
        assert found, "the service did not say its address"
        return cls(app=app, service=service, address=found[0])

    @property
    def page(self) -> str:
        return self.address.partition("?")[0]

    def close(self) -> None:
        self.service.terminate()
        self.service.communicate(timeout=30)

    def restart(self) -> None:
        """On the same port, as if it had been stopped under an open page."""
        port = urlsplit(self.address).port
        self.close()
        assert port is not None
        self.service = House.opened(self.app, port).service


def powerless(folder: Path) -> Path:
    """Programs that come before the system's own on PATH, so that nothing can shut the tester's machine down."""
    folder.mkdir()
    for name in ("systemctl", "shutdown", "osascript"):
        StandIns(folder).put(name)
    return folder


@contextmanager
def housed(folder: Path) -> Iterator[House]:
    """A service with outputs and a user's state of its own below a folder."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
        environment.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "sd_scripts")]))
        environment.setenv("PATH", f"{powerless(folder / 'bin')}{os.pathsep}{os.environ['PATH']}")
        house = House.opened(open_app(folder / "outputs"))
        try:
            yield house
        finally:
            house.close()


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """This process holds the worker's lease, so that nothing is trained."""
    with housed(tmp_path_factory.mktemp("a house")) as house:
        lease = Lease.take(worker_lease(house.app.jobs.queue.id))
        assert lease is not None
        yield house
        lease.release()


@pytest.fixture
def page(chrome: Browser, house: House) -> Iterator[Page]:
    """A fresh browser with the page open. Fails when a request would leave the machine, or when a script or the
    security policy complains."""
    complaints: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((house.page, "data:", "blob:")):
            complaints.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    context = chrome.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(house.address)
    page.get_by_role("link", name="Dataset").wait_for()
    yield page
    context.close()
    assert not complaints
