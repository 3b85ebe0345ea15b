"""What a user sees of a training that failed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_first_page import claimed, make_version
from train_tools.jobs.kind import Exit
from train_tools.jobs.supervisor import write_exit
from train_tools.model.job import JobState, NewJob, Verdict
from train_tools.model.paths import AttemptPaths

pytestmark = pytest.mark.browser


def test_a_failed_training_says_its_exit_code_what_happened_and_what_to_do(page: Page, house) -> None:
    queue = house.app.jobs.queue
    queue.add([NewJob(kind="train", title="starved", folder="projects/starved")])
    job = claimed(queue, "starved")
    paths = AttemptPaths.of(house.app.outputs.folder / job.folder, job.attempt)
    paths.folder.mkdir(parents=True)
    paths.log.write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n")
    write_exit(paths, Exit(code=1))
    queue.finish(job.id, job.attempt, Verdict(state=JobState.FAILED, message="The trainer ended."))
    page.get_by_role("link", name="Queue", exact=True).click()
    row = page.locator(f"[data-job='{job.id}']")
    expect(row).to_contain_text("Exit code 1. The memory of the graphics card ran out.")
    expect(row).to_contain_text("batch size 1")
    expect(row.locator("pre")).to_contain_text("Tried to allocate 2 GiB")


def test_a_training_that_ran_out_of_memory_is_queued_with_less_by_a_click(page: Page, house) -> None:
    make_version(house.app, "hungry")
    queue = house.app.jobs.queue
    [number] = house.app.grids.submit("hungry", "v1", {"network_dim": "2", "train_batch_size": "4"}).jobs
    job = claimed(queue, queue.get(number).title)
    paths = AttemptPaths.of(house.app.outputs.folder / job.folder, job.attempt)
    paths.folder.mkdir(parents=True)
    paths.log.write_text("CUDA out of memory. Tried to allocate 2 GiB\n")
    write_exit(paths, Exit(code=1))
    queue.finish(job.id, job.attempt, Verdict(state=JobState.FAILED, message="The trainer ended."))
    page.get_by_role("link", name="Queue", exact=True).click()
    page.get_by_role("button", name=f"Retry {job.title} with less memory").click()
    expect(page.get_by_text("train_batch_size=1")).to_be_visible()
    [made] = [each for each in house.app.jobs.all() if each.title.endswith("gradient_accumulation_steps=4")]
    house.app.jobs.cancel(made.id)
