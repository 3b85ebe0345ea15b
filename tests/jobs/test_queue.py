from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from itertools import count

import pytest

from train_tools.errors import JobMoveError, NotFoundError, StorageError
from train_tools.jobs.queue import Queue
from train_tools.jobs.rows.migrations import m001_jobs
from train_tools.model.job import ALLOWED_MOVES, JobState, NewJob, Verdict, Wish

DONE = Verdict(state=JobState.DONE)
AGAIN = Verdict(state=JobState.QUEUED, message="it vanished")


def new(title: str, kind: str = "train") -> NewJob:
    return NewJob(kind=kind, title=title, folder=f"projects/{title}", subject={"label": title})


def add(queue: Queue, *titles: str) -> list[int]:
    return queue.add([new(title) for title in titles])


def claimed(queue: Queue, title: str = "cat") -> tuple[int, int]:
    """A job of that title and the number of its first attempt."""
    add(queue, title)
    job = queue.claim("cpu", "here")
    return job.id, job.attempt


def titles(jobs) -> list[str]:
    return [job.title for job in jobs]


def test_jobs_are_claimed_in_the_order_they_were_added(queue):
    add(queue, "a", "b")
    add(queue, "c")
    assert [queue.claim("cpu", "here").title for _ in range(3)] == ["a", "b", "c"]
    assert queue.claim("cpu", "here") is None


def test_what_was_added_is_what_is_read(queue, awkward_name):
    [id_] = queue.add(
        [NewJob(kind="train", title=awkward_name, folder="a/b", subject={"x": [awkward_name, 1.5]}, total_steps=7)]
    )
    job = queue.get(id_)
    assert (job.title, job.subject, job.total_steps) == (awkward_name, {"x": [awkward_name, 1.5]}, 7)
    assert (job.state, job.attempt, job.wish) == (JobState.QUEUED, 0, None)


def test_jobs_that_are_added_come_after_those_that_were_tried_again(queue):
    for id_ in add(queue, "a", "b"):
        queue.cancel(id_)
        queue.retry(id_)
    add(queue, "c")
    assert [queue.claim("cpu", "here").title for _ in range(3)] == ["a", "b", "c"]


def test_a_claim_names_the_next_attempt_the_slot_and_the_host(queue):
    queue.add([NewJob(kind="train", title="cat", folder="cat", attempt=3)])
    job = queue.claim("GPU-1", "box")
    assert (job.state, job.attempt, job.slot, job.host) == (JobState.STARTING, 4, "GPU-1", "box")


CLAIM_ALL = """
import sys
from pathlib import Path
from train_tools.jobs.queue import Queue
queue = Queue(Path(sys.argv[1]))
while job := queue.claim("cpu", "here"):
    print(job.id, flush=True)
"""
END_ALL = """
import sys
from pathlib import Path
from train_tools.jobs.queue import Queue
from train_tools.model.job import JobState, NewJob, Verdict
queue = Queue(Path(sys.argv[1]))
while job := queue.claim("cpu", "here"):
    after = [NewJob(kind="after", title="", folder="")] if job.parent is None else []
    print(queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE), after), flush=True)
"""


def run_at_once(script: str, path, processes: int = 6) -> list[str]:
    """What that many processes print that run a script on one file at the same time."""
    command = [sys.executable, "-c", script, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    outputs = [process.communicate(timeout=60) for process in started]
    assert [errors for _, errors in outputs] == [""] * processes
    return [output for output, _ in outputs]


def test_six_processes_claim_four_hundred_jobs_once_each(queue):
    ids = add(queue, *(f"job {n}" for n in range(400)))
    printed = run_at_once(CLAIM_ALL, queue.path)
    assert sorted(int(line) for output in printed for line in output.split()) == ids
    assert all(queue.get(id_).attempt == 1 for id_ in ids)


def test_processes_that_end_jobs_at_once_queue_what_follows_each_of_them_once(queue):
    add(queue, *(f"job {n}" for n in range(60)))
    printed = run_at_once(END_ALL, queue.path)
    assert "".join(printed).split() == ["True"] * 120
    assert len({job.parent for job in queue.jobs() if job.parent}) == 60


def test_processes_that_create_the_file_at_once_agree_on_it(tmp_path):
    script = "import sys; from pathlib import Path; from train_tools.jobs.queue import Queue\n"
    script += "print(Queue(Path(sys.argv[1])).id)"
    assert len(set(run_at_once(script, tmp_path / "new" / "queue.sqlite3"))) == 1


def test_an_attempt_that_is_no_longer_current_changes_nothing(queue):
    id_, old = claimed(queue)
    queue.finish(id_, old, AGAIN)
    current = queue.claim("cpu", "here")
    before = queue.get(id_)
    assert not queue.start(id_, old)
    assert not queue.progress(id_, old, step=99, loss=0.5)
    assert not queue.finish(id_, old, DONE, [new("late", "preview")])
    assert queue.get(id_) == before == current
    assert titles(queue.jobs()) == ["cat"]


def test_a_finished_attempt_changes_nothing_more(queue):
    id_, attempt = claimed(queue)
    assert queue.finish(id_, attempt, DONE)
    before = queue.get(id_)
    assert not queue.progress(id_, attempt, step=5)
    assert not queue.finish(id_, attempt, Verdict(state=JobState.FAILED))
    assert not queue.start(id_, attempt)
    assert queue.get(id_) == before


def in_state(queue: Queue, state: JobState) -> tuple[int, int]:
    """A job that was brought into a state the way that workers and people do."""
    id_, attempt = claimed(queue)
    if state is not JobState.STARTING:
        queue.start(id_, attempt)
    if state not in (JobState.STARTING, JobState.RUNNING):
        queue.finish(id_, attempt, Verdict(state=state))
    assert queue.get(id_).state is state
    return id_, attempt


FINAL = [state for state in JobState if state.finished]


NO_END = [state for state in JobState if state not in ALLOWED_MOVES[JobState.RUNNING]]


@pytest.mark.parametrize("new_state", NO_END)
@pytest.mark.parametrize("old", [JobState.STARTING, JobState.RUNNING])
def test_an_attempt_ends_only_in_states_that_are_ends(queue, old, new_state):
    id_, attempt = in_state(queue, old)
    before = queue.get(id_)
    with pytest.raises(JobMoveError, match=f"is {old} and can't become {new_state}"):
        queue.finish(id_, attempt, Verdict(state=new_state), [new("after", "preview")])
    assert queue.get(id_) == before
    assert titles(queue.jobs()) == ["cat"]


@pytest.mark.parametrize("state", FINAL)
def test_a_finished_job_can_only_be_queued_again(state):
    assert ALLOWED_MOVES[state] == {JobState.QUEUED}


@pytest.mark.parametrize("state", FINAL)
def test_a_finished_job_that_is_tried_again_waits_at_the_end_and_is_clean(queue, state):
    id_, attempt = in_state(queue, state)
    add(queue, "dog")
    queue.retry(id_)
    job = queue.get(id_)
    assert (job.state, job.step, job.message, job.finished_at) == (JobState.QUEUED, 0, "", None)
    assert titles(queue.jobs()) == ["dog", "cat"]
    assert [queue.claim("cpu", "here").title for _ in range(2)] == ["dog", "cat"]
    assert queue.get(id_).attempt == attempt + 1


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.STARTING, JobState.RUNNING])
def test_a_job_that_is_not_finished_can_not_be_tried_again(queue, state):
    id_, _ = in_state(queue, state)
    with pytest.raises(JobMoveError, match=f"Job {id_} .cat. is {state}: only a finished job"):
        queue.retry(id_)


def test_a_job_ends_and_its_follow_ups_are_queued_before_what_waited_longer(queue):
    id_, attempt = claimed(queue)
    add(queue, "dog")
    assert queue.finish(id_, attempt, DONE, [new("cat previews", "preview")])
    follow_up = queue.claim("cpu", "here")
    assert (follow_up.title, follow_up.parent) == ("cat previews", id_)


def test_an_error_in_a_follow_up_leaves_the_job_as_it_was(queue):
    id_, attempt = claimed(queue)
    before = queue.get(id_)
    unwritable = NewJob(kind="preview", title="previews", folder="x", subject={"path": object()})
    with pytest.raises(TypeError):
        queue.finish(id_, attempt, DONE, [new("first", "first"), unwritable])
    assert queue.get(id_) == before
    assert titles(queue.jobs()) == ["cat"]
    assert queue.finish(id_, attempt, DONE)


def test_a_follow_up_is_queued_again_and_not_twice_when_its_parent_ends_again(queue):
    id_, attempt = claimed(queue)
    queue.finish(id_, attempt, DONE, [new("previews", "preview")])
    first = queue.claim("cpu", "here")
    queue.finish(first.id, first.attempt, DONE)
    queue.retry(id_)
    queue.claim("cpu", "here")
    queue.finish(id_, attempt + 1, DONE, [new("new previews", "preview")])
    again = queue.claim("cpu", "here")
    assert (again.id, again.attempt) == (first.id, 2)
    assert (again.title, again.subject) == ("new previews", {"label": "new previews"})
    assert len(queue.jobs()) == 2


def test_a_follow_up_that_is_running_is_left_alone_when_its_parent_ends_again(queue):
    id_, attempt = claimed(queue)
    queue.finish(id_, attempt, Verdict(state=JobState.FAILED), [new("previews", "preview")])
    running = queue.claim("cpu", "here")
    queue.retry(id_)
    queue.claim("cpu", "here")
    queue.finish(id_, attempt + 1, DONE, [new("previews", "preview")])
    assert queue.get(running.id) == running


def test_a_job_that_is_put_back_keeps_its_place(queue):
    id_, attempt = claimed(queue)
    add(queue, "dog")
    queue.finish(id_, attempt, AGAIN)
    assert (queue.get(id_).message, queue.get(id_).finished_at) == ("it vanished", None)
    assert queue.claim("cpu", "here").title == "cat"


def test_a_job_that_vanishes_is_counted_and_one_that_was_asked_to_end_is_not(queue):
    id_, attempt = claimed(queue)
    queue.finish(id_, attempt, AGAIN)
    job = queue.claim("cpu", "here")
    queue.interrupt(id_)
    queue.finish(id_, job.attempt, AGAIN)
    assert queue.losses(id_) == 1


def test_losses_are_forgiven_when_somebody_tries_a_job_again(queue):
    id_, attempt = claimed(queue)
    queue.finish(id_, attempt, AGAIN)
    queue.finish(id_, queue.claim("cpu", "here").attempt, Verdict(state=JobState.FAILED))
    queue.retry(id_)
    assert queue.losses(id_) == 0


def test_a_waiting_job_is_cancelled_at_once_and_not_claimed(queue):
    [id_] = add(queue, "cat")
    assert queue.cancel(id_).state is JobState.CANCELLED
    assert queue.get(id_).finished_at is not None
    assert queue.claim("cpu", "here") is None


def test_an_active_job_is_wished_to_end_and_its_worker_decides(queue):
    id_, _ = claimed(queue)
    assert queue.cancel(id_).wish is Wish.CANCEL
    assert queue.get(id_).state is JobState.STARTING


def test_a_wish_to_cancel_is_not_weakened_by_a_worker_that_stops(queue):
    id_, _ = claimed(queue)
    queue.cancel(id_)
    assert queue.interrupt(id_).wish is Wish.CANCEL


def test_a_cancelled_wish_does_not_reach_the_next_attempt(queue):
    id_, attempt = claimed(queue)
    queue.cancel(id_)
    queue.finish(id_, attempt, Verdict(state=JobState.CANCELLED))
    queue.retry(id_)
    assert queue.claim("cpu", "here").wish is None


@pytest.mark.parametrize("state", FINAL)
def test_a_finished_job_is_left_alone_by_cancel_and_interrupt(queue, state):
    id_, _ = in_state(queue, state)
    before = queue.get(id_)
    assert queue.cancel(id_) == before
    assert queue.interrupt(id_) == before


def test_an_interrupt_leaves_a_waiting_job_waiting(queue):
    [id_] = add(queue, "cat")
    assert queue.interrupt(id_).state is JobState.QUEUED


def test_progress_is_kept_and_the_next_attempt_begins_without_it(queue):
    id_, attempt = claimed(queue)
    assert queue.start(id_, attempt)
    assert queue.progress(id_, attempt, step=3, total_steps=8, loss=0.25, steps_started_at=5.0, first_step=2)
    assert (queue.get(id_).step, queue.get(id_).loss, queue.get(id_).progress) == (3, 0.25, 0.375)
    queue.finish(id_, attempt, AGAIN)
    job = queue.claim("cpu", "here")
    assert (job.step, job.loss, job.steps_started_at, job.first_step, job.message) == (0, None, None, 1, "")


def test_a_restored_job_is_finished_and_its_next_attempt_has_a_new_number(queue):
    found = NewJob(kind="train", title="cat", folder="cat", total_steps=10, attempt=4)
    assert queue.restore(found, Verdict(state=JobState.DONE, message="fine"), finished_at=7.0)
    [job] = queue.jobs()
    assert (job.state, job.step, job.finished_at, job.message) == (JobState.DONE, 10, 7.0, "fine")
    assert queue.claim("cpu", "here") is None
    queue.retry(job.id)
    assert queue.claim("cpu", "here").attempt == 5


def test_a_job_that_the_queue_knows_is_not_restored(queue):
    queue.add([NewJob(kind="train", title="cat", folder="cat")])
    assert not queue.restore(NewJob(kind="train", title="cat", folder="cat"), DONE, 7.0)
    assert queue.restore(NewJob(kind="preview", title="cat", folder="cat"), DONE, 7.0)
    assert [job.state for job in queue.jobs()] == [JobState.QUEUED, JobState.DONE]


def test_jobs_are_listed_as_they_run_and_then_newest_first(outputs):
    ticks = count()
    queue = Queue(outputs.queue, clock=lambda: float(next(ticks)))
    add(queue, "a", "b", "c", "d")
    for _ in range(2):
        job = queue.claim("cpu", "here")
        queue.finish(job.id, job.attempt, DONE)
    queue.claim("cpu", "here")
    assert titles(queue.jobs()) == ["c", "d", "b", "a"]
    assert titles(queue.jobs(limit=3)) == ["c", "d", "b"]
    assert titles(queue.active()) == ["c"]
    assert queue.waiting() == 1
    queue.close()


def test_unfinished_jobs_below_a_folder_are_found_and_its_namesakes_are_not(queue):
    folders = ("projects/кот_%", "projects/кот_%/v1", "projects/кот_%2", "projects/котxx/v1")
    ids = queue.add([NewJob(kind="train", title=folder, folder=folder) for folder in folders])
    assert [job.id for job in queue.below("projects/кот_%")] == ids[:2]
    queue.cancel(ids[0])
    assert [job.id for job in queue.below("projects/кот_%")] == ids[1:2]


def test_finished_jobs_below_a_folder_are_found_by_their_state(queue):
    ids = queue.add([NewJob(kind="train", title=folder, folder=folder) for folder in ("cat/a", "cat/b", "dog/a")])
    queue.cancel(ids[1])
    queue.cancel(ids[2])
    assert titles(queue.below("cat", states=(JobState.CANCELLED,))) == ["cat/b"]
    assert titles(queue.below("cat", states=tuple(JobState))) == ["cat/a", "cat/b"]


def test_the_newest_job_in_a_folder_is_found_by_kind(queue):
    first, second = queue.add([NewJob(kind="train", title=title, folder="cat") for title in ("old", "new")])
    assert queue.in_folder("cat", "train").id == second > first
    assert queue.in_folder("cat", "preview") is None


def test_a_forgotten_job_is_gone_and_its_number_is_not_given_again(queue):
    id_, attempt = claimed(queue)
    with pytest.raises(JobMoveError, match="stop it first"):
        queue.forget(id_)
    queue.finish(id_, attempt, DONE)
    queue.forget(id_)
    with pytest.raises(NotFoundError, match=f"no job {id_}"):
        queue.get(id_)
    assert add(queue, "dog")[0] > id_


@pytest.mark.parametrize("action", ["get", "cancel", "interrupt", "retry", "forget"])
def test_a_job_that_is_not_there_is_said_not_to_be(queue, action):
    with pytest.raises(NotFoundError, match=r"no job 77.*train-tools jobs"):
        getattr(queue, action)(77)


def test_a_second_connection_sees_what_the_first_wrote(queue):
    [id_] = add(queue, "cat")
    second = Queue(queue.path)
    assert second.id == queue.id
    assert second.get(id_) == queue.get(id_)
    second.close()


def test_a_file_of_a_newer_version_is_not_touched(queue):
    add(queue, "cat")
    db = sqlite3.connect(queue.path)
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(StorageError, match=r"newer Train Tools \(format 99.*train-tools rescan"):
        Queue(queue.path)


def test_a_file_of_the_first_format_is_brought_up_to_date(tmp_path):
    path = tmp_path / "queue.sqlite3"
    db = sqlite3.connect(path)
    m001_jobs(db)
    db.execute("pragma user_version=1")
    db.execute(
        "insert into job(kind, title, folder, subject, state, attempt, position, queued_at)"
        " values('train', 'cat', 'jobs/cat', '{}', 'queued', 0, 1, 5.0)"
    )
    db.commit()
    db.close()

    queue = Queue(path)
    assert (queue.claim("cpu", "here").title, queue.get(1).first_step) == ("cat", 1)
    queue.close()


@pytest.mark.parametrize(
    "content", [b"this is no database, it is a text" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_told_with_the_way_out(tmp_path, content):
    path = tmp_path / "queue.sqlite3"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"queue\.sqlite3 is damaged.*train-tools rescan"):
        Queue(path)
    assert path.read_bytes() == content


def test_a_file_whose_rows_are_overwritten_is_told(outputs):
    queue = Queue(outputs.queue)
    add(queue, *(f"job {n}" for n in range(300)))
    queue.close()
    content = outputs.queue.read_bytes()
    outputs.queue.write_bytes(content[:8192] + b"\x55" * (len(content) - 8192))
    with pytest.raises(StorageError, match="is damaged"):
        Queue(outputs.queue).jobs()


def test_a_file_that_another_program_keeps_locked_is_told(queue):
    other = sqlite3.connect(queue.path, isolation_level=None)
    other.execute("begin immediate")
    impatient = Queue(queue.path, patience_s=0.05)
    with pytest.raises(StorageError, match=r"database is locked\. Another program holds it"):
        add(impatient, "cat")
    other.execute("rollback")
    assert add(impatient, "cat")
    impatient.close()
    other.close()


def test_a_place_that_can_not_be_a_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"queue file .* can't be made"):
        Queue(tmp_path / "file" / "queue.sqlite3")


def test_a_folder_in_place_of_the_file_is_told(tmp_path):
    with pytest.raises(StorageError, match=r"can't be used.*Check that its folder"):
        Queue(tmp_path)
