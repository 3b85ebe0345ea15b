"""The page as a user meets it: the real command, a real browser, and nothing from outside of this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from train_tools.app import App, open_app
from train_tools.jobs.lease import Lease, worker_lease

ROOT = Path(__file__).parents[2]
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 20_000

expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class House:
    """A running service, its address with the token, and the app that shares its folder."""

    app: App
    address: str

    @property
    def page(self) -> str:
        return self.address.partition("?")[0]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Started by the command line on a free port. This process holds the worker's lease: nothing is trained."""
    folder = tmp_path_factory.mktemp("a house")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
        environment.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "sd_scripts")]))
        app = open_app(folder / "outputs")
        lease = Lease.take(worker_lease(app.queue.id))
        assert lease is not None
        command = [
            sys.executable,
            "-m",
            "train_tools",
            "--outputs",
            str(folder / "outputs"),
            "serve",
            "--port",
            "0",
        ]
        service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        yield House(app=app, address=_address_in(service))
        service.terminate()
        service.communicate(timeout=30)
        lease.release()


def _address_in(service: subprocess.Popen[str]) -> str:
    assert service.stdout is not None
    said = []
    for line in service.stdout:
        said.append(line)
        if found := re.search(r"http://\S+", line):
            return found[0]
    raise AssertionError("".join(said))


@pytest.fixture(scope="session")
def chrome(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def page(chrome: Browser, house: House) -> Iterator[Page]:
    """A fresh browser with the page open. Fails when a request would leave the machine, or when a script or the
    security policy complains."""
    complaints: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((house.page, "data:", "blob:")):
            complaints.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and "status of" not in message.text:
            complaints.append(message.text)

    context = chrome.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce", locale="en-US")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(house.address)
    page.get_by_role("tab", name="Dataset").wait_for()
    yield page
    context.close()
    assert not complaints
