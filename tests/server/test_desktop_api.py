"""A folder is shown to whoever sits before the machine; others are told its path. Nothing outside is."""

from __future__ import annotations

import httpx
import pytest

from tests.machine.stand_ins import StandIns
from tests.renderers.scene import write_lora
from train_tools.app import App

AT = "/projects/zorb/versions/v1/show"


@pytest.fixture
def file_manager(tmp_path, monkeypatch) -> StandIns:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("DISPLAY", ":0")
    stand_ins = StandIns(folder)
    stand_ins.put("xdg-open")
    return stand_ins


def test_versions_runs_and_checkpoints_are_shown(api: httpx.Client, app: App, file_manager: StandIns) -> None:
    paths = app.versions.paths("zorb", "v1")
    lora = write_lora_in(app, "my run")
    for what, folder in (("", paths.folder), ("my run", lora.parent), ("my run/cat", lora.parent)):
        told = api.post(AT, json={"what": what}).json()
        assert (told.get("shown"), told.get("reason")) == (True, ""), told
        assert told["path"] == str(lora if what.endswith("cat") else folder)
        assert file_manager.calls("xdg-open")[-1] == [str(folder)]


def test_whoever_asks_through_a_proxy_is_told_the_path(
    api: httpx.Client, app: App, file_manager: StandIns
) -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        told = api.post(AT, json={}, headers={header: "for=10.0.0.7"}).json()
        assert told["shown"] is False
        assert told["path"] == str(app.versions.paths("zorb", "v1").folder)
        assert "copy the path" in told["reason"]
    assert file_manager.calls("xdg-open") == []


def test_without_a_display_the_path_is_told(api: httpx.Client, file_manager: StandIns, monkeypatch) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    told = api.post(AT, json={}).json()
    assert (told["shown"], "no desktop" in told["reason"]) == (False, True)


def test_nothing_outside_is_shown(api: httpx.Client, app: App, file_manager: StandIns, tmp_path) -> None:
    for what in ("../..", "/etc", "no such", "..", "my run/../.."):
        assert api.post(AT, json={"what": what}).status_code == 404
    trains = app.versions.paths("zorb", "v1").trains
    trains.mkdir(exist_ok=True)
    (trains / "linked").symlink_to(tmp_path)
    assert api.post(AT, json={"what": "linked"}).status_code == 404
    assert file_manager.calls("xdg-open") == []


def write_lora_in(app: App, run: str):
    folder = app.versions.paths("zorb", "v1").run(run).folder
    folder.mkdir(parents=True)
    (folder / "run.toml").touch()
    return write_lora(folder / "cat.safetensors")
