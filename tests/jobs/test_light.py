"""Light jobs have slots of their own: they neither wait for the others nor hold them up."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import pytest

from tests.jobs.script_job import SLOT, ScriptJob, script_job
from train_tools.jobs.queue import Kinds, Queue
from train_tools.jobs.slots import LIGHT_SLOTS, Slot
from train_tools.jobs.worker import Worker
from train_tools.model.job import NewJob

WAITS_FOR = """
import time
from pathlib import Path
Path("here").touch()
while not Path("../{other}/here").exists(): time.sleep(0.02)
"""


class LightJob(ScriptJob):
    name = "light"


@pytest.fixture(autouse=True)
def import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def light_job(title: str, script: str = "", **subject: object) -> NewJob:
    return NewJob(kind="light", title=title, folder=f"jobs/{title}", subject={"script": script, **subject})


def work(outputs, queue: Queue, slots: Sequence[Slot] = (SLOT,)) -> None:
    worker = Worker(outputs.folder, queue, [ScriptJob(), LightJob()], slots=slots, light=["light"])
    assert worker.run(until=lambda: not queue.waiting())


def test_a_light_job_runs_beside_one_that_has_the_only_slot(outputs, queue):
    """Each waits until the other has begun."""
    queue.add(
        [
            script_job("night", WAITS_FOR.format(other="import")),
            script_job("next", ""),
            light_job("import", WAITS_FOR.format(other="night")),
        ]
    )
    slots = {job.title: "" for job in queue.jobs()}
    work(outputs, queue)
    assert {job.title: job.state.value for job in queue.jobs()} == dict.fromkeys(slots, "done")


def test_a_light_job_that_takes_long_holds_up_neither_the_next_training_nor_another_light_one(outputs, queue):
    """The slow one ends when the others have begun."""
    script = WAITS_FOR.format(other="training") + WAITS_FOR.format(other="second")
    queue.add([light_job("webhook", script), script_job("training", "open('here', 'w')")])
    queue.add([light_job("second", "open('here', 'w')")])
    work(outputs, queue)
    assert [job.state.value for job in queue.jobs()] == ["done"] * 3


def test_a_slot_is_given_the_jobs_it_is_for(queue):
    queue.add([script_job("night"), light_job("import")])
    light, heavy = Kinds(frozenset({"light"})), Kinds(frozenset({"light"}), excluded=True)
    assert (queue.waiting(), queue.waiting(light), queue.waiting(heavy)) == (2, 1, 1)
    assert queue.claim("light", "here", light).title == "import"
    assert queue.claim("light", "here", light) is None
    assert queue.claim("cpu", "here", heavy).title == "night"


def test_a_training_that_is_to_start_later_keeps_no_light_job_waiting(outputs, queue):
    later, _ = queue.add([script_job("night"), light_job("import")])
    queue.schedule(later, 32_000_000_000.0)
    worker = Worker(outputs.folder, queue, [ScriptJob(), LightJob()], slots=[SLOT], light=["light"])
    assert worker.run(until=lambda: queue.waiting(Kinds(frozenset({"light"}))) == 0)
    assert {job.title: job.state.value for job in queue.jobs()} == {"night": "queued", "import": "done"}


def test_without_light_kinds_all_jobs_have_their_turn_in_the_slots(outputs, queue):
    queue.add([light_job("import")])
    worker = Worker(outputs.folder, queue, [ScriptJob(), LightJob()], slots=[SLOT])
    assert worker.run(until=lambda: not queue.waiting())
    assert [job.state.value for job in queue.jobs()] == ["done"]


def test_light_slots_that_another_folder_uses_are_waited_for_visibly(outputs, queue, keep, tmp_path):
    held = [keep(slot.take(tmp_path / f"{slot.name}.lock")) for slot in LIGHT_SLOTS]
    queue.add([light_job("import"), script_job("training")])
    said: list[str] = []

    def let_go(sentence: str) -> None:
        said.append(sentence)
        for lease in held:
            lease.release()

    worker = Worker(outputs.folder, queue, [ScriptJob(), LightJob()], slots=[SLOT], light=["light"], say=let_go)
    assert worker.run(until=lambda: not queue.waiting())
    assert any("Another outputs folder" in sentence for sentence in said)
    assert [job.state.value for job in queue.jobs()] == ["done"] * 2
