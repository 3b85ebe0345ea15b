"""Who generates in a WebUI, by what its own pages ask it."""

import pytest

from train_tools.model.settings import UserSettings
from train_tools.renderers.webui_http.client import API
from train_tools.renderers.webui_http.traffic import HostTraffic, waits, works

THEIRS, OURS = "task(abc123)", "task(train-tools-0123)"


class Asked:
    """A WebUI that gives one answer; None as one that has no such address."""

    def __init__(self, pending: object = None, progress: object = None) -> None:
        self.answers = {"/internal/pending-tasks": pending, f"{API}/progress?skip_current_image=true": progress}

    def found(self, path: str) -> object:
        return self.answers[path]


@pytest.mark.parametrize(
    ("tasks", "waiting"), [([], False), ([OURS], False), ([THEIRS], True), ([OURS, THEIRS], True)]
)
def test_whoever_is_in_the_queue_waits_but_our_previews(tasks: list[str], waiting: bool) -> None:
    assert waits(Asked({"size": len(tasks), "tasks": tasks})) is waiting


@pytest.mark.parametrize(
    ("state", "working"),
    [
        ({"job": THEIRS, "job_count": 1}, True),
        ({"job": OURS, "job_count": 1}, False),
        ({"job": "", "job_count": 0}, False),
        (None, False),
    ],
)
def test_a_picture_in_the_making_counts_unless_it_is_a_preview_of_ours(state: object, working: bool) -> None:
    assert works(Asked(progress={"state": state})) is working


@pytest.mark.parametrize("answer", [None, [], "", {}])
def test_a_webui_that_does_not_tell_has_nobody(answer: object) -> None:
    assert not waits(Asked(pending=answer))
    assert not works(Asked(progress=answer))


def test_alone_there_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAIN_TOOLS_WEBUI", raising=False)
    assert not HostTraffic(UserSettings).somebody_generates()
