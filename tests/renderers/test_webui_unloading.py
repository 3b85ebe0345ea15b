"""A WebUI that is asked to free the card before a training, and to take its model back after the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from sd_contract.attempt import Attempt
from tests.renderers.scene import POCKET
from tests.renderers.webui_stand_in import stand_in_webui
from train_tools.jobs.kind import Exit, Launch
from train_tools.model.job import Job, JobState, Verdict
from train_tools.model.settings import UserSettings, WebuiSettings
from train_tools.renderers.webui_http.unloading import WithWebuiUnloaded

JOB = Job(id=1, kind="train", title="", folder="run", subject={}, state=JobState.RUNNING, attempt=1, position=1)


class Training:
    """A kind of job that does nothing."""

    name = "train"

    def prepare(self, job, folder, attempt):
        return Launch(command=("true",), folder=folder)

    def observe(self, job, folder, attempt, event): ...

    def judge(self, job, folder, attempt, exit_, result):
        return Verdict(state=JobState.DONE)

    def follow_ups(self, job, folder, verdict):
        return ()


@pytest.fixture
def attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    (tmp_path / "attempt").mkdir()
    return Attempt(tmp_path / "attempt")


def kind(url: str, *, wanted: bool = True, more: bool = False) -> WithWebuiUnloaded:
    settings = UserSettings(webui=WebuiSettings(url=url, unload=wanted))
    return WithWebuiUnloaded(Training(), lambda: settings, lambda: more, lambda job: Path("/nowhere"))


def log_of(attempt: Attempt) -> str:
    return (attempt.folder / "run.log").read_text(encoding="utf-8")


def test_its_model_leaves_the_card_and_comes_back_after_the_last_training(tmp_path, attempt):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        for more in (True, False):
            training = kind(webui.url, more=more)
            training.prepare(JOB, tmp_path, attempt)
            assert not webui.loaded
            training.judge(JOB, tmp_path, attempt, Exit(code=0), None)
            assert webui.loaded != more
    assert "asked to take its model off the card" in log_of(attempt)


def test_one_that_renders_is_left_alone(tmp_path, attempt):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        webui.rendering.set()
        kind(webui.url).prepare(JOB, tmp_path, attempt)
        assert webui.loaded
    assert "renders something" in log_of(attempt)


def test_one_that_is_down_keeps_nobody_from_training(tmp_path, attempt):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        pass
    assert kind(webui.url).prepare(JOB, tmp_path, attempt).command == ("true",)
    assert "No WebUI answers" in log_of(attempt)


def test_nobody_is_asked_unless_it_is_wanted(tmp_path, attempt):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        training = kind(webui.url, wanted=False)
        training.prepare(JOB, tmp_path, attempt)
        training.judge(JOB, tmp_path, attempt, Exit(code=0), None)
        assert not webui.asked
    assert not (attempt.folder / "run.log").exists()
