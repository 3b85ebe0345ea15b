"""What people may change about the order of waiting jobs, and what keeps its place."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_tools.errors import JobMoveError, NotFoundError, OptionValueError
from train_tools.jobs.queue import Queue
from train_tools.model.job import JobState, NewJob, Verdict, Wish

FAILED = Verdict(state=JobState.FAILED, message="unlucky")


def new(title: str, **settings: object) -> NewJob:
    return NewJob(kind="train", title=title, folder=f"projects/{title}", **settings)


def filled(queue: Queue, titles: str = "abcd") -> dict[str, int]:
    """Waiting jobs of these titles, and their numbers."""
    return dict(zip(titles, queue.add([new(title) for title in titles]), strict=True))


def listed(queue: Queue) -> str:
    return "".join(job.title for job in queue.jobs())


def claimed(queue: Queue) -> str:
    """The order in which a worker takes everything that waits."""
    titles = ""
    while job := queue.claim("cpu", "here"):
        titles += job.title
    return titles


def test_a_job_is_put_before_another_to_a_place_and_to_the_end(queue):
    ids = filled(queue)
    assert queue.move(ids["d"], before=ids["b"]).place == 2
    assert listed(queue) == "adbc"
    assert queue.move(ids["c"], place=1).place == 1
    assert queue.move(ids["a"]).place == 4
    assert queue.move(ids["d"], place=99).place == 4
    assert listed(queue) == claimed(queue) == "cbad"


def test_a_job_that_is_put_before_itself_stays(queue):
    ids = filled(queue)
    queue.move(ids["b"], before=ids["b"])
    assert listed(queue) == "abcd"


@pytest.mark.parametrize("order", [list(order) for order in permutations("abcd")][::5])
def test_any_order_can_be_made(queue, order):
    ids = filled(queue)
    for place, title in enumerate(order, start=1):
        queue.move(ids[title], place=place)
    assert claimed(queue) == "".join(order)


def test_a_higher_priority_goes_first_and_equal_ones_keep_their_order(queue):
    ids = filled(queue, "abcde")
    queue.prioritise(ids["d"], 5)
    queue.prioritise(ids["b"], 5)
    assert queue.prioritise(ids["a"], -1).place == 5
    assert listed(queue) == claimed(queue) == "bdcea"


def test_a_moved_job_takes_the_priority_that_its_place_needs_and_no_other(queue):
    ids = filled(queue)
    for title, priority in zip("abcd", (9, 5, 5, 0), strict=True):
        queue.prioritise(ids[title], priority)
    assert queue.move(ids["d"], before=ids["c"]).priority == 5
    assert queue.move(ids["a"]).priority == 5
    assert queue.move(ids["b"], place=2).priority == 5
    assert claimed(queue) == "dbca"


@pytest.mark.parametrize("priority", [-1001, 1001, 1 << 70])
def test_a_priority_out_of_range_is_told_with_the_range(queue, priority):
    ids = filled(queue)
    with pytest.raises(OptionValueError, match=f"priority {priority} can't be used: .* -1000 to 1000"):
        queue.prioritise(ids["a"], priority)


def test_what_runs_comes_back_to_its_own_place(queue):
    ids = filled(queue)
    running = queue.claim("cpu", "here")
    queue.move(ids["d"], place=1)
    queue.finish(running.id, running.attempt, Verdict(state=JobState.QUEUED))
    assert claimed(queue) == "adbc"


def test_a_follow_up_that_shares_its_parents_position_can_be_moved_like_any(queue):
    ids = filled(queue, "abc")
    done = queue.claim("cpu", "here")
    queue.finish(done.id, done.attempt, Verdict(state=JobState.DONE), [NewJob(kind="p", title="A", folder="A")])
    assert listed(queue) == "Abca"
    queue.move(ids["b"], place=1)
    queue.move(ids["c"], place=2)
    assert claimed(queue) == "bcA"


@pytest.mark.parametrize("move", ["move", "schedule"])
def test_only_what_waits_has_a_place(queue, move):
    ids = filled(queue)
    queue.claim("cpu", "here")
    queue.cancel(ids["b"])
    arguments = (None,) if move == "schedule" else ()
    for title, state in (("a", "starting"), ("b", "cancelled")):
        with pytest.raises(JobMoveError, match=f"Job {ids[title]} .{title}. is {state}: only a waiting job has a"):
            getattr(queue, move)(ids[title], *arguments)
    with pytest.raises(JobMoveError, match="only a waiting job"):
        queue.move(ids["c"], before=ids["a"])
    with pytest.raises(NotFoundError):
        queue.move(ids["c"], before=77)
    assert listed(queue) == "acdb"


def test_the_place_is_told_wherever_a_job_is_shown(queue):
    ids = filled(queue)
    queue.claim("cpu", "here")
    queue.pause(ids["b"])
    assert [(job.title, job.place) for job in queue.jobs()] == [("a", None), ("b", None), ("c", 1), ("d", 2)]
    assert [(job.title, job.place) for job in queue.jobs(limit=2, offset=2)] == [("c", 1), ("d", 2)]
    assert queue.get(ids["d"]).place == queue.in_folder("projects/d", "train").place == 2


def test_a_page_of_the_list_is_a_part_of_the_whole(queue):
    filled(queue, "abcdefgh")
    for _ in range(3):
        job = queue.claim("cpu", "here")
        queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE))
    queue.claim("cpu", "here")
    whole = queue.jobs()
    assert len(whole) == 8
    for offset in range(9):
        assert queue.jobs(limit=3, offset=offset) == whole[offset : offset + 3]


class Clock:
    """A clock that jumps as it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_job_waits_for_its_time_and_those_behind_it_do_not(outputs):
    clock = Clock()
    queue = Queue(outputs.queue, clock=clock)
    ids = filled(queue, "ab")
    assert queue.schedule(ids["a"], 2000.0).not_before == 2000.0
    assert queue.next_start() is None
    assert claimed(queue) == "b"
    assert queue.next_start() == 2000.0
    clock.now = 2000.0
    assert queue.next_start() is None
    assert (claimed(queue), queue.get(ids["a"]).not_before) == ("a", None)
    queue.close()


def test_a_time_can_be_given_when_a_job_is_added_and_taken_back(queue):
    [id_] = queue.add([new("a", not_before=9e12)])
    assert claimed(queue) == ""
    assert queue.schedule(id_, None).not_before is None
    assert claimed(queue) == "a"


def test_a_clock_that_jumps_changes_no_order(outputs):
    clock = Clock()
    queue = Queue(outputs.queue, clock=clock)
    for title, now in zip("abcd", (1000.0, 9000.0, 10.0, 500.0), strict=True):
        clock.now = now
        queue.add([new(title)])
    queue.schedule(1, 2000.0)
    clock.now = -5.0
    assert claimed(queue) == "bcd"
    clock.now = 2000.0
    assert claimed(queue) == "a"
    queue.close()


def test_a_paused_job_is_passed_over_and_comes_back_to_its_place(queue):
    ids = filled(queue, "abc")
    assert queue.pause(ids["a"]).state is JobState.PAUSED
    assert queue.waiting() == 2
    assert queue.claim("cpu", "here").title == "b"
    assert (queue.resume(ids["a"]).state, queue.get(ids["a"]).place) == (JobState.QUEUED, 1)
    assert claimed(queue) == "ac"


def test_a_running_job_that_is_paused_is_wished_to_be_and_keeps_its_place(queue):
    ids = filled(queue, "ab")
    job = queue.claim("cpu", "here")
    assert queue.pause(ids["a"]).wish is Wish.PAUSE
    assert queue.finish(job.id, job.attempt, Verdict(state=JobState.PAUSED))
    paused = queue.get(ids["a"])
    assert (paused.state, paused.finished_at, paused.wish) == (JobState.PAUSED, None, None)
    assert queue.losses(job.id) == 0
    queue.resume(ids["a"])
    assert claimed(queue) == "ab"


def test_a_job_that_is_resumed_before_it_has_stopped_goes_back_to_the_queue(queue):
    ids = filled(queue, "a")
    queue.claim("cpu", "here")
    queue.pause(ids["a"])
    assert queue.resume(ids["a"]).wish is Wish.REQUEUE


def test_only_a_paused_job_is_resumed_and_only_an_unfinished_one_paused(queue):
    ids = filled(queue, "a")
    with pytest.raises(JobMoveError, match="is queued: only a paused job can be resumed"):
        queue.resume(ids["a"])
    queue.cancel(ids["a"])
    with pytest.raises(JobMoveError, match="is cancelled: only a job that waits or runs can be paused"):
        queue.pause(ids["a"])
    with pytest.raises(JobMoveError, match="does not wait for anything"):
        queue.prioritise(ids["a"], 1)


def test_a_paused_job_can_be_cancelled_moved_and_forgotten(queue):
    ids = filled(queue, "abc")
    for title in "abc":
        queue.pause(ids[title])
    queue.move(ids["c"], before=ids["a"])
    assert listed(queue) == "cab"
    queue.forget(ids["c"])
    assert queue.cancel(ids["a"]).state is JobState.CANCELLED
    assert listed(queue) == "ba"


def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(queue):
    filled(queue, "ab")
    running = queue.claim("cpu", "here")
    queue.pause_all("the room gets too warm")
    assert (queue.paused, claimed(queue)) == ("the room gets too warm", "")
    assert queue.start(running.id, running.attempt)
    assert queue.finish(running.id, running.attempt, Verdict(state=JobState.DONE))
    second = Queue(queue.path)
    assert second.paused == "the room gets too warm"
    second.resume_all()
    second.close()
    assert (queue.paused, claimed(queue)) == (None, "b")


def test_a_queue_can_be_paused_without_a_reason(queue):
    filled(queue, "a")
    queue.pause_all()
    assert (queue.paused, claimed(queue)) == ("", "")


def of_grid(queue: Queue, titles: str, failures: int, grid: str = "cat/grids/grid-001") -> dict[str, int]:
    jobs = [new(title, grid=grid, stop_after_failures=failures) for title in titles]
    return dict(zip(titles, queue.add(jobs), strict=True))


def fail(queue: Queue, times: int = 1) -> None:
    for _ in range(times):
        job = queue.claim("cpu", "here")
        queue.finish(job.id, job.attempt, FAILED)


def test_the_last_failure_that_a_grid_may_have_takes_out_what_still_waits(queue):
    ids = of_grid(queue, "abcdef", failures=2)
    [other] = queue.add([new("z", grid="dog/grids/grid-001", stop_after_failures=2)])
    queue.pause(ids["f"])
    fail(queue)
    running = queue.claim("cpu", "here")
    assert queue.get(ids["c"]).state is JobState.QUEUED
    fail(queue)
    assert [queue.get(ids[title]).state for title in "def"] == [JobState.CANCELLED] * 3
    assert "2 runs of grid-001 failed, so the rest was taken out" in queue.get(ids["d"]).message
    assert f"train-tools retry {ids['d']}" in queue.get(ids["d"]).message
    assert queue.get(running.id) == running
    assert queue.get(other).state is JobState.QUEUED


def test_a_grid_that_is_tried_again_may_fail_as_often_once_more(queue):
    ids = of_grid(queue, "abcdef", failures=2)
    fail(queue, times=2)
    for title in "cdef":
        queue.retry(ids[title])
    fail(queue)
    assert queue.waiting() == 3
    fail(queue)
    assert queue.waiting() == 0


def test_a_grid_without_a_limit_goes_on_and_can_be_given_one(queue):
    of_grid(queue, "abcdef", failures=0)
    fail(queue, times=3)
    assert queue.waiting() == 3
    queue.stop_after_failures("cat/grids/grid-001", 2)
    fail(queue)
    assert queue.waiting() == 0


def test_a_failure_that_is_no_longer_current_takes_nothing_out(queue):
    of_grid(queue, "abc", failures=1)
    job = queue.claim("cpu", "here")
    queue.finish(job.id, job.attempt, Verdict(state=JobState.QUEUED))
    queue.claim("cpu", "here")
    assert not queue.finish(job.id, job.attempt, FAILED)
    assert queue.waiting() == 2


FORMAT_1 = Path(__file__).with_name("queue_format_1.sql")


def test_a_file_of_the_first_format_is_brought_up_to_date_and_goes_on(tmp_path):
    path = tmp_path / "queue.sqlite3"
    with sqlite3.connect(path) as db:
        db.executescript(FORMAT_1.read_text(encoding="utf-8"))
    db.close()
    queue = Queue(path)
    states = [(job.title, job.state.value, job.priority, job.place) for job in queue.jobs()]
    assert states == [
        ("rank=8", "running", 0, None),
        ("rank=16", "queued", 0, 1),
        ("rank=64 кот", "queued", 0, 2),
        ("rank=32", "cancelled", 0, None),
        ("previews", "failed", 0, None),
        ("rank=4", "done", 0, None),
    ]
    queue.prioritise(6, 1)
    assert claimed_titles(queue) == ["rank=64 кот", "rank=16"]
    queue.close()


def claimed_titles(queue: Queue) -> Sequence[str]:
    found = []
    while job := queue.claim("cpu", "here"):
        found.append(job.title)
    return found


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, 5), st.integers(-1, 8)),
        st.tuples(st.just("before"), st.integers(0, 5), st.integers(0, 5)),
        st.tuples(st.just("prioritise"), st.integers(0, 5), st.integers(-2, 2)),
        st.tuples(st.just("pause"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("resume"), st.integers(0, 5), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(moves=MOVES)
def test_whatever_is_moved_nothing_is_lost_and_all_are_claimed_as_they_are_listed(tmp_path_factory, moves):
    queue = Queue(tmp_path_factory.mktemp("order") / "queue.sqlite3")
    ids = list(filled(queue, "abcdef").values())
    for action, which, value in moves:
        match action:
            case "move":
                queue.move(ids[which], place=value)
            case "before":
                queue.move(ids[which], before=ids[value])
            case "prioritise":
                queue.prioritise(ids[which], value)
            case "pause":
                queue.pause(ids[which])
            case "resume" if queue.get(ids[which]).state is JobState.PAUSED:
                queue.resume(ids[which])
    shown = queue.jobs()
    assert sorted(job.title for job in shown) == list("abcdef")
    assert [job.place for job in shown if job.place] == list(range(1, queue.waiting() + 1))
    assert claimed(queue) == "".join(job.title for job in shown if job.state is JobState.QUEUED)
    queue.close()
