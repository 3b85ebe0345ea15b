from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from sd_contract.attempt import Attempt
from train_tools.model.job import JobState, NewJob, Stop, Wish
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
