from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.follow_ups.web import site
from tests.test_cli import ROOT, Say, command_line

URL = "https://hooks.example/T0/sEcReT?token=pSsT"


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.delenv("TRAIN_TOOLS_WEBHOOK", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return command_line(tmp_path)


def settings_file(folder: Path) -> Path:
    return folder / "outputs" / "train_tools" / "settings.toml"


def test_settings_are_set_and_shown(say, tmp_path):
    lora = tmp_path / "it's [Lora]"
    lora.mkdir()
    said = say("settings", "news.when=run_failed, queue_empty", f"copies.folder={lora}", "--json")
    assert said.json == {"news.when": ["run_failed", "queue_empty"], "copies.folder": str(lora)}
    assert say("settings", "news.when").out.count("run_failed,queue_empty") == 1
    assert str(lora) in say("settings").out


def test_looking_writes_nothing(say, tmp_path):
    assert say("settings", "--json").json["machine.keep_awake"] is True
    assert not settings_file(tmp_path).exists()


def test_a_wrong_word_is_told_and_nothing_is_changed(say, tmp_path):
    for word, says in (
        ("news.dekstop=true", "Did you mean news.desktop?"),
        ("news.desktop=perhaps", "true or false"),
    ):
        said = say("settings", "machine.keep_awake=false", word)
        assert (said.code, says in said.err) == (1, True)
    assert say("settings", "nothing").code == 1
    assert not settings_file(tmp_path).exists()


def test_a_secret_can_be_given_without_being_an_argument_and_is_shown_as_little_as_possible(tmp_path):
    command = [sys.executable, "-m", "train_tools", "--outputs", str(tmp_path / "outputs"), "settings"]
    environment = {
        **os.environ,
        "TRAIN_TOOLS_STATE": str(tmp_path / "state"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "sd_scripts"))),
        "COLUMNS": "200",
    }
    environment.pop("TRAIN_TOOLS_WEBHOOK", None)
    said = subprocess.run(
        [*command, "webhook_address=-"],
        input=f"{URL}\n",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "https://hooks.example/..." in said.stdout
    assert "sEcReT" not in said.stdout + said.stderr
    assert URL in (tmp_path / "state" / "secrets.toml").read_text()
    assert not settings_file(tmp_path).exists()
    forgotten = subprocess.run(
        [*command, "webhook_address="], env=environment, capture_output=True, text=True, check=True
    )
    assert "hooks.example" not in forgotten.stdout


def test_what_means_nothing_is_noted(say, tmp_path):
    settings_file(tmp_path).parent.mkdir(parents=True)
    settings_file(tmp_path).write_text("[news]\ndekstop = true\n")
    assert "news.dekstop in settings.toml means nothing" in say("settings").out


def test_a_versions_previews_are_switched(say):
    say("project", "create", "cat")
    say("version", "create", "cat", "v1")
    assert say("version", "previews", "cat", "v1").out == "Previews are rendered after each training.\n"
    assert "when asked for" in say("version", "previews", "cat", "v1", "--only-when-asked").out
    assert "when asked for" in say("version", "previews", "cat", "v1").out


def test_news_can_be_tried_before_the_night(say, tmp_path):
    assert "No way is open" in say("settings", "--try-news").out
    with site() as web:
        say("settings", f"webhook_address={web.address}/sEcReT")
        told = say("settings", "--try-news")
        assert (told.code, told.out) == (0, "127.0.0.1 was told.\n")
        assert b"this is a test" in web.got[0][3]
        web.answers = [500]
        refused = say("settings", "--try-news")
        assert (refused.code, len(web.got)) == (1, 2)
        assert refused.out == "The webhook was not told: 127.0.0.1 answered 500 (Internal Server Error).\n"
