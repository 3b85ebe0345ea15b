from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from sd_contract.attempt import Attempt
from sd_contract.events import EventLog, StepDone
from tests.browser.test_first_page import claimed, make_version
from train_tools.app import App
from train_tools.model.job import Job, JobState, NewJob, Stop, Verdict, Wish
from train_tools.model.paths import AttemptPaths

pytestmark = pytest.mark.browser


def test_the_queue_is_ordered_paused_and_stopped(page: Page, house) -> None:
    queue = house.app.jobs.queue
    while queue.claim("cpu", "here"):  # what other tests have left
        pass
    running, *ids = queue.add([NewJob(kind="train", title=title, folder=f"order/{title}") for title in "rabc"])
    job = queue.claim("cpu", "here")
    attempt = Attempt(AttemptPaths.of(house.app.outputs.folder / job.folder, job.attempt).folder)
    attempt.folder.mkdir(parents=True)
    page.get_by_role("link", name="Queue", exact=True).click()
    waiting = page.get_by_role("list", name="Waiting").get_by_role("listitem")
    expect(waiting).to_have_text([re.compile("#1"), re.compile("#2"), re.compile("#3")])
    page.get_by_role("button", name="Move c up").click()
    expect(waiting.nth(1)).to_contain_text("c")
    page.get_by_role("button", name="Move a down").click()
    expect(waiting.nth(0)).to_contain_text("c")
    page.get_by_role("button", name="Pause a", exact=True).click()
    expect(page.get_by_role("button", name="Resume a", exact=True)).to_be_visible()
    page.get_by_role("button", name="Remove b from the list").click()
    expect(waiting).to_have_count(2)
    assert [(each.title, each.state) for each in queue.jobs(states=(JobState.QUEUED, JobState.PAUSED))] == [
        ("c", JobState.QUEUED),
        ("a", JobState.PAUSED),
    ]
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_text(re.compile("The queue is paused"))).to_be_visible()
    assert queue.paused is not None
    page.get_by_role("button", name="Resume the queue").click()
    expect(page.get_by_role("button", name="Pause the queue")).to_be_visible()
    page.get_by_label("When to stop r").select_option("after this epoch")
    page.get_by_role("button", name="Pause r", exact=True).click()
    row = page.locator(f"[data-job='{running}']")
    expect(row).to_contain_text("ends after this epoch")
    assert (queue.get(running).wish, attempt.stop_mode) == (Wish.PAUSE, "epoch")
    page.get_by_label("When to stop r").select_option("at once, nothing saved")
    page.get_by_role("button", name="Stop r", exact=True).click()
    expect(row).to_contain_text("ends now")
    assert (queue.get(running).wish, queue.get(running).stop) == (Wish.CANCEL, Stop.NOW)
    for id_ in ids[::2]:
        queue.cancel(id_)
    queue.finish(running, job.attempt, Verdict(state=JobState.CANCELLED))


def test_a_waiting_job_is_dragged_and_moved_by_keys(page: Page, house) -> None:
    queue = house.app.jobs.queue
    ids = queue.add([NewJob(kind="train", title=f"drag {name}", folder=f"drag/{name}") for name in "abc"])
    page.get_by_role("link", name="Queue", exact=True).click()
    grips = [page.get_by_role("button", name=f"Move drag {name}", exact=True) for name in "abc"]
    expect(grips[2]).to_be_visible()
    before = [queue.get(id_).place for id_ in ids]
    grips[2].hover()
    page.mouse.down()
    target = page.locator(f"[data-job='{ids[0]}']").bounding_box()
    assert target is not None
    page.mouse.move(target["x"] + 20, target["y"] + 2, steps=5)
    page.mouse.up()
    waiting = page.get_by_role("list", name="Waiting").get_by_role("listitem")
    expect(waiting.filter(has_text="drag")).to_have_text([re.compile(f"drag {name}") for name in "cab"])
    grips[2].press("Alt+ArrowDown")
    expect(waiting.filter(has_text="drag").first).to_contain_text("drag a")
    assert [queue.get(ids[at]).place for at in (0, 2, 1)] == before
    for id_ in ids:
        queue.cancel(id_)


def test_a_log_is_followed_searched_and_shown_whole(page: Page, house) -> None:
    queue = house.app.jobs.queue
    queue.add([NewJob(kind="train", title="told", folder="projects/told")])
    job = claimed(queue, "told")
    paths = AttemptPaths.of(house.app.outputs.folder / job.folder, job.attempt)
    paths.folder.mkdir(parents=True)
    paths.log.write_text("".join(f"line {number}\n" for number in range(300)))
    queue.finish(job.id, job.attempt, Verdict(state=JobState.CANCELLED))
    page.get_by_role("link", name="Queue", exact=True).click()
    row = page.locator(f"[data-job='{job.id}']")
    row.get_by_text("Log", exact=True).click()
    expect(row.locator("pre")).to_contain_text("line 299")
    expect(row.locator("pre")).not_to_contain_text("line 259")
    row.get_by_role("button", name="More lines").click()
    expect(row.locator("pre")).to_contain_text("line 0\n")
    row.get_by_role("searchbox", name="Search the log").fill("LINE 17")
    expect(row.locator("pre")).to_have_text(re.compile(r"^line 17\nline 170\n(line 17\d\n){8}line 179$"))
    row.get_by_role("searchbox", name="Search the log").fill("nothing like it")
    expect(row.locator("pre")).to_have_text("No line holds that.")


def test_the_machine_is_shown_at_work(page: Page) -> None:
    page.get_by_role("link", name="Queue", exact=True).click()
    machine = page.get_by_role("group", name="This machine")
    expect(machine.get_by_role("meter", name="RAM")).to_have_js_property("max", 1)
    expect(machine).to_contain_text(re.compile(r"[\d.]+ [GT]B free"))


def test_a_long_list_is_shown_in_parts(page: Page, house) -> None:
    queue = house.app.jobs.queue
    names = [f"many {number}" for number in range(120)]
    ids = queue.add([NewJob(kind="train", title=name, folder=name) for name in names])
    page.get_by_role("link", name="Queue", exact=True).click()
    waiting = page.get_by_role("list", name="Waiting").get_by_role("listitem")
    expect(waiting).to_have_count(40)
    page.get_by_role("button", name="Show more").first.click()
    expect(waiting).to_have_count(100)
    for id_ in ids:
        queue.forget(id_)


def under_way(app: App, project: str) -> Job:
    """The run of a new version, some steps along."""
    make_version(app, project)
    [id_] = app.grids.submit(project, "v1", {"network_dim": "2"}, anyway=True).jobs
    job = claimed(app.jobs.queue, app.jobs.get(id_).title)
    attempt = Attempt(AttemptPaths.of(app.outputs.folder / job.folder, job.attempt).folder)
    attempt.folder.mkdir(parents=True)
    log = EventLog(attempt.events)
    for step in range(1, 5):
        log.emit(StepDone(step=step, total_steps=9, loss=0.1))
    log.close()
    app.jobs.queue.start(job.id, job.attempt)
    app.jobs.queue.progress(job.id, job.attempt, step=4, total_steps=9, loss=0.1)
    return job


def test_losses_over_each_other_are_of_the_version_that_is_being_trained(page: Page, house) -> None:
    queue = house.app.jobs.queue
    for project in ("learnt", "learning"):
        job = under_way(house.app, project)
        if project == "learnt":
            queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE))
    page.get_by_role("link", name="Queue", exact=True).click()
    curves = page.locator("tt-queue .curves")
    expect(curves).to_contain_text("learning / v1")
    expect(curves).not_to_contain_text("learnt / v1")
    queue.finish(job.id, job.attempt, Verdict(state=JobState.CANCELLED))
