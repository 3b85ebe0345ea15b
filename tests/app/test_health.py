from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.app.conftest import submit
from tests.engines.kohya_checkout import lay_out
from tests.jobs.nvidia_smi import UUID, NvidiaSmi
from train_tools.app import App
from train_tools.errors import NotFoundError
from train_tools.model.finding import Finding, Level, Section
from train_tools.model.job import JobState, Verdict

CARD = (UUID, "NVIDIA GeForce RTX 3090", 24576, 9000, "560.35", "8.6")


def section(app: App, title: str, **asked: bool) -> Section:
    return app.health.section(title, **asked)


def told(app: App, title: str, check: str, **asked: bool) -> Finding:
    return next(finding for finding in section(app, title, **asked).findings if finding.check == check)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaSmi:
    made = NvidiaSmi(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def checkout(app: App, tmp_path: Path) -> Path:
    folder = lay_out(tmp_path / "sd-scripts")
    app.engines.add("kohya", folder, Path(sys.executable))
    return folder


def test_everything_is_looked_at_and_says_what_is(app):
    sections = app.health.findings()
    assert [section.title for section in sections] == [
        "This machine",
        "Graphics card",
        "Trainer bundled",
        "Queue",
        "Settings",
        "Base models",
        "WebUI",
    ]
    findings = [finding for section in sections for finding in section.findings]
    assert all(finding.message.strip() for finding in findings)
    assert [finding for finding in findings if finding.level is not Level.OK and not finding.cure] == []
    assert Level.STOP not in {finding.level for finding in findings}
    with pytest.raises(NotFoundError, match="but This machine, Graphics card"):
        app.health.section("Weather")


def test_a_card_beside_a_torch_that_can_not_use_it_is_told(app, smi):
    smi.list(UUID)
    smi.cards(CARD)
    smi.holders((4_000_001, 8900, UUID, "/usr/bin/game"))
    assert "game (process 4000001)" in told(app, "Graphics card", "memory of the card").message
    assert UUID in told(app, "Graphics card", "slots").message
    torch = told(app, "Trainer bundled", "torch")
    if "+cpu" in torch.message:
        assert (torch.level, "python launch.py setup" in torch.cure) == (Level.STOP, True)


def test_cards_that_the_environment_names_wrongly_are_told(app, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_GPUS", "GPU-of-another-machine")
    last = section(app, "Graphics card").findings[-1]
    assert (last.level, "GPU-of-another-machine" in last.message) == (Level.STOP, True)


def test_code_of_a_registered_trainer_is_run_only_when_that_is_asked_for(app, checkout):
    (checkout / "train_network.py").write_text("import voluptuous_of_nowhere\n", encoding="utf-8")
    before = section(app, "Trainer kohya").findings
    assert {finding.check for finding in before} == {"trainer", "tokenizer"}
    scripts = told(app, "Trainer kohya", "scripts", with_foreign_code=True)
    assert (scripts.level, "voluptuous_of_nowhere" in scripts.message) == (Level.STOP, True)


def test_a_registered_trainer_is_tried_in_its_own_environment(app, checkout):
    found = {finding.check: finding for finding in section(app, "Trainer kohya", with_foreign_code=True).findings}
    assert found["scripts"].message.startswith("train_network, sdxl_train_network: 193 options")
    assert found["torch"].level is Level.OK
    assert found["tokenizer"].level in (Level.OK, Level.WARNING)


def test_a_trainer_whose_folder_is_gone_is_told(app, checkout):
    checkout.rename(checkout.with_name("moved"))
    gone = section(app, "Trainer kohya").findings
    assert [finding.level for finding in gone] == [Level.STOP]
    assert str(checkout) in gone[0].message


def test_compiling_is_tried_for_a_trainer_by_name(app, checkout):
    with pytest.raises(NotFoundError, match="no trainer 'nobody'"):
        app.health.compiling("nobody")


def test_jobs_that_nobody_works_off_are_told(app):
    assert told(app, "Queue", "queue").level is Level.OK
    submit(app)
    worker = told(app, "Queue", "worker")
    assert (worker.level, "train-tools work" in worker.cure) == (Level.WARNING, True)


def test_a_paused_queue_is_told_with_its_reason(app):
    submit(app)
    app.jobs.pause_all("the card is lent")
    queue = told(app, "Queue", "queue")
    assert (queue.level, "the card is lent" in queue.message) == (Level.WARNING, True)
    assert "queue resume" in queue.cure


def test_failed_jobs_are_pointed_at(app):
    (number,) = submit(app)
    job = app.jobs.queue.claim("cpu", "here")
    app.jobs.queue.finish(number, job.attempt, Verdict(state=JobState.FAILED, message="out of memory"))
    assert f"train-tools log {number}" in told(app, "Queue", "failed jobs").cure


def test_settings_that_can_not_be_read_are_told_and_the_rest_goes_on(app):
    app.outputs.settings.write_text("[machine]\nkeep_awake = 3\n", encoding="utf-8")
    (settings,) = section(app, "Settings").findings
    assert (settings.level, "line 2" in settings.message) == (Level.STOP, True)
    assert told(app, "This machine", "python").level is Level.OK


def test_settings_that_mean_nothing_and_folders_that_are_gone_are_told(app, tmp_path):
    app.outputs.settings.write_text(
        f"nonsense = 1\ncopies.folder = '{tmp_path / 'unplugged'}'\nmodels.folders = ['{tmp_path / 'away'}']\n",
        encoding="utf-8",
    )
    messages = [finding.message for finding in section(app, "Settings").findings if finding.level is Level.WARNING]
    assert any("nonsense" in message for message in messages)
    assert any("unplugged" in message for message in messages)
    assert any("away" in finding.message for finding in section(app, "Base models").findings)


def test_a_webui_that_the_settings_name_is_looked_at(app, tmp_path):
    webui = tmp_path / "webui"
    (webui / "models" / "Lora").mkdir(parents=True)
    (webui / "webui-user.sh").write_text('export COMMANDLINE_ARGS="--lowvram"\n')
    app.settings.change({"copies.folder": str(webui / "models" / "Lora")})
    (found,) = section(app, "WebUI").findings
    assert (found.level, "--lowvram" in found.message) == (Level.WARNING, True)


def test_a_damaged_list_of_trainers_is_told(app):
    app.state_folder.mkdir(parents=True, exist_ok=True)
    (app.state_folder / "engines.toml").write_text("not toml [", encoding="utf-8")
    assert Level.STOP in {finding.level for finding in section(app, "Settings").findings}
