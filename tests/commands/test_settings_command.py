from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_cli import ROOT, Say, command_line

URL = "https://hooks.example/T0/sEcReT?token=pSsT"


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    monkeypatch.delenv("TRAIN_TOOLS_WEBHOOK", raising=False)
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
