from __future__ import annotations

from collections.abc import Iterator

import pytest

from train_tools.errors import StorageError
from train_tools.follow_ups.news import News, Newsroom
from train_tools.jobs.queue import Queue
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.settings import Occasion

VERSION = "projects/it's [кот]/versions/v1"
DONE, FAILED = Verdict(state=JobState.DONE), Verdict(state=JobState.FAILED, message="out of memory")
ALL = tuple(Occasion)


@pytest.fixture
def queue(outputs) -> Iterator[Queue]:
    opened = Queue(outputs.queue)
    yield opened
    opened.close()


class Desk:
    """A queue that jobs are put into, and what would be told of their ends."""

    def __init__(self, outputs, queue: Queue) -> None:
        self.queue = queue
        self.room = Newsroom(outputs, queue)

    def add(
        self, kind: str = "train", grid: str = "grid-001", version: str = VERSION, stop_after_failures: int = 0
    ) -> int:
        number = len(self.queue.jobs()) + 1
        job = NewJob(
            kind=kind,
            title=f"{kind} {number}",
            folder=f"{version}/trains/{number}",
            subject={"grid": grid},
            grid=f"{version}/grids/{grid}" if kind == "train" else "",
            stop_after_failures=stop_after_failures,
        )
        return self.queue.add([job])[0]

    def start(self) -> Job:
        claimed = self.queue.claim("cpu", "here")
        assert claimed is not None
        return claimed

    def end(self, job: Job, verdict: Verdict = DONE, *following: NewJob) -> None:
        assert self.queue.finish(job.id, job.attempt, verdict, following)

    def told(self, job: Job, verdict: Verdict = DONE, following=(), when=ALL) -> tuple[str, ...]:
        news = self.room.news_of(job, verdict, following, when)
        return news.occasions if news else ()


@pytest.fixture
def desk(outputs, queue) -> Desk:
    return Desk(outputs, queue)


def test_a_run_that_ends_well_while_others_wait_is_no_news(desk):
    desk.add()
    desk.add()
    assert desk.told(desk.start()) == ()


def test_a_run_that_fails_is_news_at_once_with_its_reason(desk):
    desk.add()
    desk.add()
    job = desk.start()
    news = desk.room.news_of(job, FAILED, (), ALL)
    assert news.occasions == ("run_failed",)
    assert news.text == "Failed: train 1. out of memory"
    assert (news.job["state"], news.job["message"]) == ("failed", "out of memory")


def test_the_last_run_of_a_grid_finishes_it_with_all_its_ends_counted(desk):
    for _ in range(3):
        desk.add()
    desk.add(grid="grid-002")
    desk.add(version="projects/other/versions/v1")
    desk.end(desk.start())
    desk.end(desk.start(), FAILED)
    news = desk.room.news_of(desk.start(), DONE, (), ALL)
    assert news.occasions == ("grid_finished",)
    assert news.text == "Finished: it's [кот] / v1, grid-001: 2 done, 1 failed."
    assert news.grid == {
        "project": "it's [кот]",
        "version": "v1",
        "name": "grid-001",
        "done": 2,
        "failed": 1,
        "cancelled": 0,
    }


def test_a_grid_is_not_finished_before_its_previews_and_copies(desk):
    desk.add()
    train = desk.start()
    preview = NewJob(
        kind="preview", title="p", folder=f"{VERSION}/trains/1/previews", subject={"grid": "grid-001"}
    )
    assert desk.told(train, following=[preview]) == ()
    desk.end(train, DONE, preview)
    assert desk.told(desk.start()) == ("grid_finished", "queue_empty")


def test_what_ends_last_tells_everything_in_one_message(desk):
    desk.add()
    news = desk.room.news_of(desk.start(), FAILED, (), ALL)
    assert news.occasions == ("run_failed", "grid_finished", "queue_empty")
    assert news.headline == "a run has failed, a grid is finished, the queue is empty"


def test_only_what_is_wanted_is_told(desk):
    desk.add()
    job = desk.start()
    assert desk.told(job, FAILED, when=(Occasion.QUEUE_EMPTY,)) == ("queue_empty",)
    assert desk.told(job, FAILED, when=()) == ()


def test_another_run_that_still_trains_is_waited_for(desk):
    desk.add()
    desk.add()
    first, second = desk.start(), desk.start()
    assert desk.told(second) == ()
    desk.end(second)
    assert desk.told(first) == ("grid_finished", "queue_empty")


def test_a_grid_that_is_given_up_is_finished_though_some_of_it_waits(desk):
    for _ in range(4):
        desk.add(stop_after_failures=2)
    first = desk.start()
    assert desk.told(first, FAILED) == ("run_failed",)
    desk.end(first, FAILED)
    second = desk.start()
    news = desk.room.news_of(second, FAILED, (), ALL)
    assert news.occasions == ("run_failed", "grid_finished", "queue_empty")
    assert "grid-001: 2 failed, 2 cancelled." in news.text
    desk.end(second, FAILED)
    assert [job.state for job in desk.queue.jobs()].count(JobState.CANCELLED) == 2


def test_what_is_paused_keeps_a_grid_unfinished_and_is_said(desk, queue):
    desk.add()
    paused = desk.add()
    job = desk.start()
    queue.pause(paused)
    news = desk.room.news_of(job, DONE, (), ALL)
    assert news.occasions == ("queue_empty",)
    assert news.text == "Nothing waits any more but what is paused (1)."


def test_news_that_wait_to_be_sent_are_nothing_to_wait_for(desk):
    desk.add()
    job = desk.start()
    desk.add("webhook")
    desk.add("desktop")
    assert desk.told(job) == ("grid_finished", "queue_empty")


def test_more_previews_that_somebody_asked_for_finish_no_grid_again(desk):
    desk.add("preview")
    assert desk.told(desk.start()) == ("queue_empty",)


def test_a_job_outside_of_any_version_can_end_the_queue(desk, queue):
    queue.add([NewJob(kind="caption", title="c", folder="somewhere")])
    news = desk.room.news_of(desk.start(), DONE, (), ALL)
    assert (news.occasions, news.grid) == (("queue_empty",), None)


def test_news_are_kept_in_the_queue_as_they_are(desk):
    desk.add()
    news = desk.room.news_of(desk.start(), FAILED, (), ALL)
    subject = news.subject("grid-001")
    assert subject["grid"] == "grid-001"
    (id_,) = desk.queue.add([NewJob(kind="webhook", title="w", folder="w", subject=subject)])
    again = News.of(desk.queue.get(id_).subject)
    assert (again.text, again.headline, list(again.occasions)) == (news.text, news.headline, list(news.occasions))
    for damaged in ({}, {"news": {"text": 1}}, {"news": None}):
        with pytest.raises(StorageError, match="does not say what to tell"):
            News.of(damaged)


def test_a_message_without_end_is_cut(desk):
    desk.add()
    news = desk.room.news_of(desk.start(), Verdict(state=JobState.FAILED, message="x" * 99999), (), ALL)
    assert len(news.text) < 2000
