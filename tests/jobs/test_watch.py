from __future__ import annotations

import os
import sys

import pytest

from tests.jobs.script_job import script_job, script_worker, work


class Diary:
    """A Watch that writes down what it was told; it keeps an idle worker for `patience` ticks."""

    def __init__(self, patience: int = 0) -> None:
        self.told: list[str] = []
        self.patience = patience

    def _note(self, word: str) -> None:
        if self.told[-1:] != [word]:
            self.told.append(word)

    def busy(self) -> None:
        self._note("busy")

    def idle(self) -> bool:
        self._note("idle")
        self.patience -= 1
        return self.patience < 0

    def ended(self) -> None:
        self._note("ended")


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_a_watch_is_told_of_work_of_rest_and_of_the_end(outputs, queue):
    diary = Diary()
    queue.add([script_job("a"), script_job("b")])
    assert work(outputs, watch=diary)
    assert diary.told == ["busy", "idle", "ended"]


def test_a_worker_stays_as_long_as_its_watch_wants_and_works_meanwhile(outputs, queue):
    class Late(Diary):
        def idle(self) -> bool:
            if not super().idle():
                queue.add([script_job("late")])
                return False
            return True

    diary = Late(patience=1)
    assert work(outputs, watch=diary)
    assert diary.told == ["idle", "busy", "idle", "ended"]
    assert [job.state for job in queue.jobs()] == ["done"]


def test_a_paused_queue_is_rest(outputs, queue):
    diary = Diary()
    queue.add([script_job("a")])
    queue.pause_all()
    assert script_worker(outputs, queue, watch=diary).run(until=lambda: True)
    assert diary.told == ["idle", "ended"]


def test_a_watch_hears_of_an_end_that_was_an_error(outputs, queue):
    def fails() -> bool:
        raise RuntimeError("who asks is wrong")

    diary = Diary()
    with pytest.raises(RuntimeError, match="who asks"):
        script_worker(outputs, queue, watch=diary).run(until=fails)
    assert diary.told[-1] == "ended"
