"""The care for the service, with a small one in its place: set up, found again, started again; whom it lets in;
and that the WebUI stays as it was."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.webui.conftest import WebUI, free_port

Start = Callable[..., WebUI]


def test_what_was_not_set_up_waits_for_a_word_and_shows_how_far_it_is(webui_for: Start, extension: Path) -> None:
    (extension / ".venv" / "train-tools.json").unlink()
    (extension / ".venv").rmdir()
    (extension / "hold-2").touch()
    webui = webui_for()
    assert webui.status()["phase"] == "new"
    page = webui.ask("/train-tools/", headers={"accept": "text/html"})
    assert page.status_code == 502
    assert "Set up" in page.text
    webui.ask("/train-tools/-/start", "POST")
    webui.until(lambda: webui.status()["step"] == 2)
    assert webui.status()["title"] == "PyTorch"
    (extension / "hold-2").unlink()
    webui.wait_for("ready")
    assert "Train Tools is at" in webui.status()["log"]
    assert "token=..." in webui.status()["log"]


def test_a_set_up_that_fails_says_why_and_can_be_tried_again(webui_for: Start, extension: Path) -> None:
    (extension / ".venv" / "train-tools.json").unlink()
    (extension / ".venv").rmdir()
    (extension / "fail-2").touch()
    webui = webui_for()
    webui.ask("/train-tools/-/start", "POST")
    assert "no space left" in webui.wait_for("failed")["log"]
    (extension / "fail-2").unlink()
    webui.ask("/train-tools/-/start", "POST")
    webui.wait_for("ready")


def test_a_set_up_is_cancelled(webui_for: Start, extension: Path) -> None:
    (extension / ".venv" / "train-tools.json").unlink()
    (extension / ".venv").rmdir()
    (extension / "hold-1").touch()
    webui = webui_for()
    webui.ask("/train-tools/-/start", "POST")
    webui.wait_for("starting")
    webui.ask("/train-tools/-/cancel", "POST")
    webui.wait_for("failed")


def test_reload_ui_and_a_restart_find_the_service_that_runs(webui_for: Start) -> None:
    webui = webui_for()
    webui.wait_for("ready")
    before = webui.service_state.read_text()
    webui.reload()
    webui.wait_for("ready")
    assert webui.service_state.read_text() == before
    webui.stop()
    again = webui_for()
    assert again.wait_for("ready")
    assert again.service_state.read_text() == before


def test_a_service_that_died_is_said_and_started_again(webui_for: Start) -> None:
    webui = webui_for()
    webui.wait_for("ready")
    os.kill(_pid(webui), signal.SIGKILL)
    webui.wait_for("stopped")
    assert webui.ask("/train-tools/echo").status_code == 502
    webui.ask("/train-tools/-/start", "POST")
    webui.wait_for("ready")
    assert webui.ask("/train-tools/echo").status_code == 200


def test_only_who_is_logged_in_to_the_webui_comes_in(webui_for: Start) -> None:
    webui = webui_for("--auth", "me:secret")
    for path in ("/train-tools/", "/train-tools/-/status", "/train-tools/echo"):
        assert webui.ask(path).status_code == 401
    cookies = webui.ask("/login", "POST", data={"username": "me", "password": "secret"}).cookies
    known = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    webui.until(lambda: webui.ask("/train-tools/echo", headers=known).status_code == 200)
    assert webui.ask("/train-tools/echo", headers={"cookie": "access-token=guess"}).status_code == 401


def test_a_page_of_another_site_is_refused(webui: WebUI) -> None:
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert webui.ask("/train-tools/-/cancel", "POST", headers=headers).status_code == 403
    assert webui.ask("/train-tools/-/status", headers={"origin": webui.address}).json()["phase"] == "ready"


def test_a_webui_open_to_others_without_a_login_keeps_it_shut(webui_for: Start, extension: Path) -> None:
    webui = webui_for("--exposed")
    refused = webui.ask("/train-tools/-/start", "POST")
    assert refused.status_code == 403
    assert "--gradio-auth" in refused.json()["error"]["message"]
    assert not (extension / ".webui").exists()


def test_nothing_of_the_webuis_environment_is_changed(webui_for: Start, host_python: Path) -> None:
    def listed() -> list[tuple[str, int]]:
        """All that pip would list, with the lists of their files."""
        files = host_python.parent.parent.rglob("*.dist-info/*")
        return sorted((str(file), file.stat().st_mtime_ns) for file in files)

    before = listed()
    webui_for().wait_for("ready")
    assert listed() == before


@pytest.mark.parametrize("broken", ["scripts/train_tools_tab.py", "webui_shim/routes.py", "preload.py"])
def test_a_broken_extension_leaves_the_webui_as_it_is(webui_for: Start, extension: Path, broken: str) -> None:
    (extension / broken).write_text("raise RuntimeError('broken on purpose')\n")
    webui = webui_for()
    assert webui.ask("/").status_code == 200
    assert "broken on purpose" in "".join(webui.said)


def test_the_port_and_the_outputs_folder_are_those_asked_for(webui_for: Start, tmp_path: Path) -> None:
    port, outputs = free_port(), tmp_path / "my outputs"
    webui = webui_for("--train-tools-port", str(port), "--train-tools-dir", str(outputs))
    webui.wait_for("ready")
    assert f'"port": {port}' in webui.service_state.read_text()
    assert str(outputs) in webui.ask("/train-tools/started").json()["command"]


def test_without_autostart_it_waits_for_its_tab(webui_for: Start) -> None:
    webui = webui_for("--train-tools-no-autostart")
    assert webui.status()["phase"] == "stopped"


def _pid(webui: WebUI) -> int:
    return json.loads(webui.service_state.read_text())["pid"]
