import re
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from train_tools.app import App
from train_tools.jobs.queue import Queue
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings

DEMO = Path(__file__).parents[2] / "projects_template" / "demo"
NASTY = "it's & ${1+1} {{7+7}} `x` $$y$$ _z_ &lt;b&gt;"
MARKUP = "<img src=x onerror=\"document.title='hacked'\">"

pytestmark = pytest.mark.browser


def make_version(app: App, project: str) -> None:
    """A version with three small training images and the demo's base model."""
    app.create_project(project)
    app.create_version(project, "v1")
    stored = app.versions.settings(project, "v1")
    changed = replace(
        stored,
        preparation=Preparation(width_px=64, height_px=64, repeats=1, mirrored_copies=False),
        options={**stored.options, "pretrained_model_name_or_path": str(DEMO / "pocket-sd1.safetensors")},
        previews=PreviewSettings(prompts=("a zorb",), weights=(0.5, 1.0), seeds=(1,), width_px=64, height_px=64),
    )
    app.versions.save_settings(project, "v1", changed)
    app.versions.import_images(project, "v1", sorted((DEMO / "dataset").glob("zorb-0[1-3].*")))
    app.versions.prepare(project, "v1")


def claimed(queue: Queue, title: str) -> Job:
    """Plays the worker: takes jobs until that one has its turn."""
    while job := queue.claim("cpu", "here"):
        if job.title == title:
            return job
    raise AssertionError(f"{title} is not queued")


def visit(page: Page, address: str, project: str, screen: str) -> None:
    page.goto(f"{address}p/{quote(project)}/v1/{screen}")


def test_the_page_opens_with_its_token_and_hides_it(page: Page, house) -> None:
    assert "token" not in page.url
    page.reload()
    expect(page.get_by_role("link", name="Checkpoints")).to_be_visible()
    page.context.clear_cookies()
    page.goto(house.page)
    expect(page.get_by_role("heading")).to_have_text("Train Tools needs its token")


def test_screens_that_nobody_has_opened_ask_nothing(page: Page, house) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{house.page}projects")
    page.evaluate("Promise.all(['tt-train', 'tt-settings'].map((each) => customElements.whenDefined(each)))")
    page.get_by_text("Disk:").wait_for()
    assert [url for url in asked if url.endswith(("/presets", "/machine/load", "/api/v1/settings"))] == []
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("region", name="Copies of checkpoints").wait_for()
    assert any(url.endswith("/api/v1/settings") for url in asked)


def test_a_project_is_made_and_its_name_is_text_whatever_it_holds(page: Page) -> None:
    page.get_by_role("link", name="Projects", exact=True).click()
    page.get_by_label("Name of a new project").fill(NASTY)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_label("Project", exact=True)).to_have_value(NASTY)
    page.reload()
    expect(page.get_by_label("Project", exact=True)).to_have_value(NASTY)
    page.get_by_role("link", name="Projects", exact=True).click()
    page.get_by_label("Name of a new project").fill(MARKUP)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("alert").filter(has_text="can't be a project")).to_contain_text("<img src=x")
    expect(page).to_have_title("Train Tools")


def test_runs_are_queued_and_their_progress_outlives_a_reload(page: Page, house) -> None:
    make_version(house.app, "queued")
    visit(page, house.page, "queued", "train")
    page.get_by_label("Rank", exact=True).fill("2, 4")
    page.get_by_role("button", name="Add 2 runs to the queue").click()
    expect(page.get_by_text("2 runs added to the queue as grid-001")).to_be_visible()
    queue = house.app.jobs.queue
    job = claimed(queue, "queued / v1: network_dim=2")
    queue.start(job.id, job.attempt)
    queue.progress(job.id, job.attempt, step=15, total_steps=60, loss=0.25, steps_started_at=time.time() - 14)
    page.get_by_role("link", name="Queue", exact=True).click()
    told = re.compile(r"15 of 60 steps · [\d.]+ steps/s · about \d+ s left · loss 0.250")
    expect(page.get_by_text(told)).to_be_visible()
    page.reload()
    page.get_by_role("link", name="Queue", exact=True).click()
    expect(page.get_by_role("progressbar", name="Progress of queued / v1: network_dim=2")).to_have_js_property(
        "value", 0.25
    )
    page.get_by_role("button", name="Stop queued / v1: network_dim=4").click()
    expect(page.get_by_role("button", name="Retry queued / v1: network_dim=4")).to_be_visible()
    queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE))


def test_a_failed_job_shows_why_and_its_log_as_text(page: Page, house) -> None:
    queue = house.app.jobs.queue
    queue.add([NewJob(kind="train", title=MARKUP, folder="projects/failed")])
    job = claimed(queue, MARKUP)
    log = house.app.outputs.folder / "projects/failed/attempts/001/run.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"step 1\n{MARKUP}\n")
    queue.finish(job.id, job.attempt, Verdict(state=JobState.FAILED, message=f"It failed at {MARKUP}."))
    page.get_by_role("link", name="Queue", exact=True).click()
    row = page.locator(f"[data-job='{job.id}']")
    expect(row.get_by_text("It failed at")).to_contain_text(MARKUP)
    expect(row.locator("pre")).to_contain_text(MARKUP)
    assert page.title() != "hacked"


def test_on_a_phone_the_open_screen_is_named_and_nothing_is_wider_than_the_page(page: Page, house) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    for screen in ("Settings", "Queue", "Projects"):
        page.get_by_role("link", name=screen, exact=True).click()
        expect(page.get_by_role("link", name=screen, exact=True)).to_be_in_viewport(ratio=0.9)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
