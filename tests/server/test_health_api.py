from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.engines.kohya_checkout import lay_out
from train_tools.app import App


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TRAIN_TOOLS_GPUS", "none")


def test_findings_are_told_and_no_code_of_added_trainers_is_run(
    app: App, api: httpx.Client, tmp_path: Path
) -> None:
    folder = lay_out(tmp_path / "sd-scripts")
    app.engines.add("kohya", folder, Path(sys.executable))
    ran = tmp_path / "ran"
    (folder / "train_network.py").write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    answer = api.get("/health", timeout=120).json()
    sections = {section["title"]: section["findings"] for section in answer["sections"]}
    assert answer["level"] == "warning"
    assert {"This machine", "Trainer bundled", "Trainer kohya", "Queue"} <= set(sections)
    assert set(sections["Queue"][0]) == {"check", "level", "message", "cure"}
    assert {finding["check"] for finding in sections["Trainer kohya"]} == {"trainer", "tokenizer"}
    assert not ran.exists()


def test_the_bundle_is_a_download(api: httpx.Client) -> None:
    answer = api.get("/health/bundle", timeout=120)
    assert answer.headers["content-type"] == "application/zip"
    assert "attachment" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"README.txt", "findings.json", "settings.json"} <= set(archive.namelist())
