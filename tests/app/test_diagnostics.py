from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sd_contract.attempt import Attempt
from tests.app.conftest import submit
from train_tools.app import App
from train_tools.model.finding import Finding, Level, Section
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import AttemptPaths, RunPaths

PLANTED = {
    name: f"Planted{number}-zq9wX7"
    for number, name in enumerate(
        ("environment", "file", "webhook", "page", "hub", "log", "option", "message", "settings", "proxy", "deep")
    )
}
FOUND = (
    Section(
        title="Settings",
        findings=(Finding(check="settings", level=Level.WARNING, message="кот [bold]", cure="Look twice."),),
    ),
)


@pytest.fixture
def failed(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """An app with a failed run; there are secrets wherever one may lie."""
    home = tmp_path / "home" / "jane"
    (home / ".cache" / "huggingface").mkdir(parents=True)
    (home / ".cache" / "huggingface" / "token").write_text(PLANTED["hub"])
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("HF_HOME", "HF_TOKEN_PATH", "TRAIN_TOOLS_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "jane-doe")
    monkeypatch.setenv("HF_TOKEN", PLANTED["environment"])
    monkeypatch.setenv("PYTHON_PROXY", f"http://me:{PLANTED['proxy']}@proxy.example.org:3128")
    app.settings.set_webhook(f"https://news.example.org/{PLANTED['webhook']}?key={PLANTED['file']}")
    (app.state_folder / "token").write_text(PLANTED["page"])
    with app.outputs.settings.open("a", encoding="utf-8") as settings:
        settings.write(f"api_key = '{PLANTED['settings']}'\n")
    (number,) = submit(app)
    job = app.jobs.queue.claim("cpu", "here")
    fill(app, RunPaths(app.outputs.folder / job.folder), job.attempt)
    message = f"it said token={PLANTED['message']}"
    app.jobs.queue.finish(number, job.attempt, Verdict(state=JobState.FAILED, message=message))
    return app


def fill(app: App, run: RunPaths, attempt: int) -> None:
    paths = AttemptPaths.of(run.folder, attempt)
    paths.folder.mkdir(parents=True)
    lines = [
        f"--huggingface_token {PLANTED['log']} /home/jane/train/1.png",
        f"environment: {PLANTED['environment']} {PLANTED['hub']} {PLANTED['page']} {PLANTED['file']}",
        f"posting to https://news.example.org/{PLANTED['webhook']}",
        "CUDA out of memory",
    ]
    paths.log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    Attempt(paths.folder).events.write_text(json.dumps({"text": json.dumps({"api_key": PLANTED["deep"]})}) + "\n")
    with run.record.open("a", encoding="utf-8") as record:
        record.write(f'\n[more]\nwandb_api_key = "{PLANTED["option"]}"\n')


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        yield from ((name, archive.read(name)) for name in archive.namelist())


@pytest.fixture
def bundle(failed: App, tmp_path: Path) -> dict[str, bytes]:
    failed.diagnostics.write(tmp_path / "for a helper.zip", FOUND)
    return dict(members((tmp_path / "for a helper.zip").read_bytes()))


def test_nothing_secret_is_in_any_file_of_it(bundle):
    found = [(name, what) for name in bundle for what in PLANTED if PLANTED[what].encode() in bundle[name]]
    assert found == []
    assert [name for name, content in bundle.items() if b"jane" in content] == []


def test_what_is_planted_would_be_found(failed, tmp_path, monkeypatch):
    monkeypatch.setattr("train_tools.app.diagnostics.redaction_here", lambda secrets: lambda text: text)
    monkeypatch.setattr("train_tools.app.diagnostics.without_secrets_in", lambda value: value)
    failed.diagnostics.write(tmp_path / "bare.zip", FOUND)
    everything = b"".join(content for _, content in members((tmp_path / "bare.zip").read_bytes()))
    found = {what for what in PLANTED if PLANTED[what].encode() in everything}
    assert found == set(PLANTED) - {"settings"}  # a setting that there isn't is not listed


def test_it_holds_what_a_helper_needs(bundle):
    assert {
        "README.txt",
        "findings.txt",
        "findings.json",
        "environments.json",
        "trainers.json",
        "settings.json",
        "environment.json",
        "queue.json",
        "failures/job-1/job.json",
        "failures/job-1/run.log",
        "failures/job-1/events.jsonl",
        "failures/job-1/run.toml",
    } <= set(bundle)
    assert b"CUDA out of memory" in bundle["failures/job-1/run.log"]
    assert "  warning кот [bold]\n          Look twice." in bundle["findings.txt"].decode()
    assert json.loads(bundle["environment.json"])["HF_TOKEN"] == "<secret>"
    assert json.loads(bundle["environments.json"])[0]["packages"]["torch"]
    assert json.loads(bundle["queue.json"])["jobs"][0]["state"] == "failed"
    settings = {setting["key"]: setting["value"] for setting in json.loads(bundle["settings.json"])}
    assert settings["webhook_address"] == "https://news.example.org/..."


def test_every_json_in_it_can_be_read(bundle):
    assert all(json.loads(content) for name, content in bundle.items() if name.endswith(".json"))
    assert all(json.loads(line) for line in bundle["failures/job-1/events.jsonl"].splitlines())


def test_the_rest_of_a_secret_that_the_end_of_a_log_begins_with_is_left_out(failed, tmp_path):
    job = failed.jobs.get(1)
    log = AttemptPaths.of(failed.outputs.folder / job.folder, job.attempt).log
    secret = "Sq7" * 70_000
    log.write_text(f"token={secret}\nthe end\n")
    failed.diagnostics.write(tmp_path / "b.zip", FOUND)
    assert dict(members((tmp_path / "b.zip").read_bytes()))["failures/job-1/run.log"] == b"the end\n"


def test_what_can_not_be_read_is_told_in_it(failed, tmp_path):
    failed.outputs.settings.write_text("[machine]\nkeep_awake = 3\n")
    failed.jobs.queue.close()
    del failed.jobs._queues.queue
    failed.outputs.queue.write_bytes(b"no database" * 1000)
    failed.diagnostics.write(tmp_path / "b.zip", FOUND)
    bundle = dict(members((tmp_path / "b.zip").read_bytes()))
    assert "line 2" in json.loads(bundle["settings.json"])["problem"]
    assert "is damaged" in json.loads(bundle["queue.json"])["problem"]
    failed.outputs.queue.unlink()


def test_an_app_in_which_nothing_happened_has_one_too(app, tmp_path):
    app.diagnostics.write(tmp_path / "b.zip", FOUND)
    assert "queue.json" in dict(members((tmp_path / "b.zip").read_bytes()))
