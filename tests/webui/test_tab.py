"""The tab with our real service behind it: shown in a browser, and what becomes of it when the WebUI ends."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.end_to_end.conftest import DEMO, POCKET, CommandLine
from tests.webui.conftest import WebUI

Start = Callable[..., WebUI]


@pytest.mark.browser
def test_the_tab_shows_the_app_once_it_is_opened(whole_webui_for: Start, chrome: Browser) -> None:
    webui = whole_webui_for()
    webui.wait_for("ready")
    asked: list[str] = []
    with chrome.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(webui.address)
        page.get_by_text("Generate").wait_for()
        assert not [url for url in asked if "train-tools" in url]
        page.get_by_text("Train Tools", exact=True).last.click()
        app = page.frame_locator("#train_tools_frame")
        expect(app.get_by_role("link", name="Dataset")).to_be_visible(timeout=30_000)
        frame = page.locator("#train_tools_frame").get_attribute("src")
        assert frame and frame.startswith("./train-tools/?theme=light")
        if place := os.environ.get("TRAIN_TOOLS_SCREENSHOTS"):
            page.screenshot(path=f"{place}/tab.png")
        for _ in range(2):
            assert page.evaluate("trainToolsHost.txt2img('<lora:zorb:1>')")
        expect(page.locator("#txt2img_prompt textarea")).to_be_visible()
        expect(page.locator("#txt2img_prompt textarea")).to_have_value("a cat, <lora:zorb:1>")


def test_a_training_outlives_a_killed_webui_and_the_next_one_finds_it(
    whole_webui_for: Start, tmp_path: Path
) -> None:
    command_line = CommandLine(tmp_path / "data" / "outputs", tmp_path / "state")
    _queue_a_long_training(command_line)
    try:
        _outlives(whole_webui_for, command_line.outputs)
    finally:
        command_line.run("cancel", "1")


def _outlives(whole_webui_for: Start, outputs: Path) -> None:
    webui = whole_webui_for()
    webui.wait_for("ready")
    before = webui.service_state.read_text()
    webui.until(lambda: _job(outputs)[0] == "running" and _job(outputs)[1] > 2)
    webui.stop()
    step = _job(outputs)[1]
    again = whole_webui_for()
    again.until(lambda: _job(outputs)[1] > step)
    assert again.wait_for("ready")
    assert again.service_state.read_text() == before
    again.until(lambda: "Train Tools went on meanwhile" in "".join(again.said))
    [job] = again.ask("/train-tools/api/v1/jobs").json()["jobs"]
    assert again.ask(f"/train-tools/api/v1/jobs/{job['id']}/cancel", "POST").status_code == 200
    again.until(lambda: _job(outputs)[0] == "cancelled")


def _queue_a_long_training(command_line: CommandLine) -> None:
    size = ("--width", "64", "--height", "64", "--repeats", "1")
    command_line.make_version("zorb", [DEMO / "dataset"], *size)
    options = ("max_train_epochs=5000", "network_dim=2")
    settings = [word for option in options for word in ("--set", option)]
    command_line.ok("submit", "zorb", "v1", "--base-model", str(POCKET), *settings)


def _job(outputs: Path) -> tuple[str, int]:
    """State and step of the one job."""
    with closing(sqlite3.connect(outputs / "train_tools" / "queue.sqlite3")) as queue:
        return queue.execute("SELECT state, step FROM job").fetchone()
