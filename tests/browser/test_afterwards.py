from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from train_tools.machine.shutdown import ShutdownWish
from train_tools.model.job import NewJob

pytestmark = pytest.mark.browser


def test_a_shutdown_is_asked_for_twice_counted_down_and_revoked(page: Page, house) -> None:
    (job,) = house.app.jobs.queue.add([NewJob(kind="train", title="the last one", folder="last")])
    page.get_by_role("link", name="Queue", exact=True).click()
    page.get_by_role("button", name="Shut this machine down when the queue is done").click()
    assert house.app.machine.after_queue.then == "nothing"
    page.get_by_role("button", name="Really shut it down").click()
    expect(page.get_by_text("This machine is shut down when the queue is done.")).to_be_visible()
    assert house.app.machine.after_queue.then == "shut_down"
    wish: ShutdownWish = house.app.machine._wish
    wish.announce(time.time() + 42)
    expect(page.get_by_text("This machine is shut down in 4")).to_be_visible()
    page.get_by_role("button", name="Keep it on").click()
    expect(page.get_by_role("button", name="Keep it on")).to_be_hidden()
    assert house.app.machine.after_queue.then == "nothing"
    house.app.jobs.cancel(job)
    expect(page.get_by_role("button", name="Shut this machine down")).to_be_hidden()
