"""What every test may ask for: names that break careless code, and a browser."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from benchmarks.chromium import MISSING, QUIET, found_browser

AWKWARD_NAMES = [
    "two words",
    "it's & $HOME `x`",
    "проект",
    "画像",
    "night 🌙",
    "#1 [50%]",
    "x" * 200,
]


settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


def pytest_configure() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by every process a test starts
    os.environ["HF_HUB_CACHE"] = str(Path(__file__).parent / "no models")  # those of whoever tests change nothing
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=AWKWARD_NAMES, ids=lambda name: ascii(name[:20]))
def awkward_name(request: pytest.FixtureRequest) -> str:
    """A folder or file name that is legal and unpleasant."""
    return request.param


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser on PATH. Missing, it fails the test in CI and skips it elsewhere."""
    found = found_browser()
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


@pytest.fixture(scope="session")
def chrome(chromium: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        yield browser
        browser.close()
