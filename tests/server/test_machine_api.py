from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from tests.machine.stand_ins import StandIns
from train_tools.app import App
from train_tools.model.job import NewJob

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="stand-ins for Linux's programs")


@pytest.fixture(autouse=True)
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Nothing real can be reached."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    return StandIns(folder)


def then(answer: httpx.Response) -> tuple[str, int | None, str]:
    assert answer.status_code == 200, answer.text
    return tuple(answer.json().values())


def ask(api: httpx.Client, what: str) -> httpx.Response:
    return api.put("/queue/then", json={"then": what})


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_a_shutdown_is_asked_for_and_revoked(api: httpx.Client, app: App, stand_ins: StandIns) -> None:
    stand_ins.put("systemctl")
    app.jobs.queue.add([NewJob(kind="train", title="a", folder="a")])
    assert then(api.get("/queue/then")) == ("nothing", None, "")
    assert then(ask(api, "shut_down")) == ("shut_down", None, "")
    assert then(api.get("/queue/then")) == ("shut_down", None, "")
    assert not app.machine.is_to_be_shut_down_now()
    app.jobs.cancel(1)
    assert app.machine.is_to_be_shut_down_now()
    assert then(ask(api, "nothing")) == ("nothing", None, "")
    assert not app.machine.is_to_be_shut_down_now()
    assert stand_ins.calls("systemctl") == []


def test_the_countdown_is_shown(api: httpx.Client, app: App, stand_ins: StandIns) -> None:
    stand_ins.put("systemctl")
    app.jobs.queue.add([NewJob(kind="train", title="a", folder="a")])
    ask(api, "shut_down")
    app.jobs.cancel(1)
    night = app.machine.watch(lambda text: None)
    assert not night.idle()
    what, left, _ = then(api.get("/queue/then"))
    assert (what, 0 < left <= 60) == ("shut_down", True)
    ask(api, "nothing")
    assert night.idle()
    assert stand_ins.calls("systemctl") == []


def test_a_queue_that_somebody_paused_is_not_done(api: httpx.Client, app: App, stand_ins: StandIns) -> None:
    stand_ins.put("systemctl")
    app.jobs.queue.add([NewJob(kind="train", title="a", folder="a")])
    ask(api, "shut_down")
    app.jobs.pause_all()
    app.jobs.cancel(1)
    assert not app.machine.is_to_be_shut_down_now()
    assert app.machine.watch(lambda text: None).idle()
    app.jobs.resume_all()
    assert app.machine.is_to_be_shut_down_now()


def test_a_queue_that_is_done_already_is_not_waited_for(api: httpx.Client, stand_ins: StandIns) -> None:
    stand_ins.put("systemctl")
    assert "Nothing waits or runs" in refused(ask(api, "shut_down"), 409)
    assert then(api.get("/queue/then"))[0] == "nothing"


def test_a_machine_without_a_program_for_it_is_told(api: httpx.Client, app: App) -> None:
    app.jobs.queue.add([NewJob(kind="train", title="a", folder="a")])
    assert "has no program" in refused(ask(api, "shut_down"), 400)
    assert refused(ask(api, "explode"), 422)
