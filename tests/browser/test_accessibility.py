"""axe-core's rules on every page, in light and dark: names, roles, contrast, headings, landmarks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_first_page import claimed
from train_tools.model.job import JobState, NewJob, Verdict

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
LOOK = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"
GO = "async (place) => (await import('/train-tools/islands/base/place.js')).places.go(place)"
PAGES = (
    ("projects", {}, "See a finished sweep"),
    ("dataset", {}, "Tags of 24 pictures"),
    ("dataset", {"part": "prepare"}, "On one picture"),
    ("dataset", {"part": "captioners"}, "Captions are written for"),
    ("dataset", {"part": "checks"}, "Look at the images"),
    ("dataset", {"part": "regularisation"}, "This version has none."),
    ("train", {}, "All runs are done"),
    ("queue", {}, "No file is called so."),
    ("checkpoints", {}, "2 prompts: each column has its own"),
    ("checkpoints", {"view": "which"}, "What the evidence speaks for"),
    ("tools", {}, "LoRA of several"),
    ("settings", {}, "Copies of checkpoints"),
)
"""Screen, what else its address says, and a text that says that it is there."""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def demo(house) -> Iterator[None]:
    """The demo is open; one job has failed, one runs, one waits."""
    house.app.open_demo()
    queue = house.app.jobs.queue
    jobs = [NewJob(kind="train", title=name, folder=f"projects/{name}") for name in ("fails", "works", "waits")]
    ids = queue.add(jobs)
    fails, works = (claimed(queue, name) for name in ("fails", "works"))
    queue.finish(fails.id, fails.attempt, Verdict(state=JobState.FAILED, message="No file is called so."))
    queue.start(works.id, works.attempt)
    queue.progress(works.id, works.attempt, step=3, total_steps=9, loss=0.2)
    yield
    queue.finish(works.id, works.attempt, Verdict(state=JobState.DONE))
    for id_ in ids:
        queue.forget(id_)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_rule_of_axe_is_broken_on_any_page(page: Page, house, demo, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.goto(f"{house.page}p/zorb/demo/projects")
    page.get_by_role("heading", name="Projects", level=1).wait_for(state="attached")
    page.evaluate(AXE)
    broken = []
    for screen, query, told in PAGES:
        page.evaluate(GO, {"screen": screen, "query": query})
        expect(page.get_by_text(re.compile(told)).filter(visible=True).first).to_be_visible()
        broken += [
            f"{screen} {query}: {words}" for violation in page.evaluate(LOOK) for words in told_of(violation)
        ]
    assert broken == []


def told_of(violation: dict[str, Any]) -> list[str]:
    """One line for each place: which rule, which element, what is wrong with it."""
    places = violation["nodes"]
    return [
        f"{violation['id']} at {each['target']}: {each['failureSummary']} {each['html'][:200]}" for each in places
    ]
