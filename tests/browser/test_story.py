"""The whole story on one page, with the real engine on the pocket model: from pictures to the LoRA that is kept.

Nothing is played here: the service's own worker trains and renders what the page asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House, housed
from tests.jobs.patience import eventually
from train_tools.jobs.lease import held, worker_lease

DEMO = Path(__file__).parents[2] / "projects_template" / "demo"
PICTURES = sorted((DEMO / "dataset").glob("zorb-0[1-4].*"))
UNTOLD = "zorb-04"
WORK_MS = 300_000
"""How long a job may wait and work on a machine that does much else; on an idle one four take half a minute."""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Nobody holds the worker's lease here: what is queued is done."""
    with housed(tmp_path_factory.mktemp("a story")) as house:
        yield house
        for job in house.app.jobs.all():
            if not job.state.finished:
                house.app.jobs.cancel(job.id)
        eventually(lambda: not held(worker_lease(house.app.jobs.queue.id)), most_s=60)


def test_from_pictures_to_the_lora_that_is_kept(page: Page, house: House, tmp_path: Path) -> None:
    make_a_project(page, "cat")
    bring_pictures_in(page)
    prepare_at(page, 64)
    write_a_caption(page, house)
    queue_four_runs(page)
    stop_and_retry_one(page)
    second = page.context.new_page()
    second.goto(page.url)
    expect(trainings(second)).to_have_count(4)
    house.restart()
    page.reload()
    for tab in (page, second):
        wait_for_the_runs(tab)
    make_the_pictures(page)
    compare_two(page)
    (tmp_path / "Lora").mkdir()
    name_the_lora_folder(page, house, tmp_path / "Lora")
    pick_and_copy_one(page, tmp_path / "Lora")


def make_a_project(page: Page, name: str) -> None:
    page.get_by_label("Name of a new project").fill(name)
    page.get_by_role("button", name="Create project").click()
    expect(page).to_have_url(re.compile(f"/p/{name}/v1/dataset"))


def bring_pictures_in(page: Page) -> None:
    """By the file chooser; one picture comes without its caption."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files([file for file in PICTURES if file.name != f"{UNTOLD}.txt"])
    expect(page.get_by_role("button", name="Prepare 4 pictures")).to_be_enabled(timeout=WORK_MS)


def prepare_at(page: Page, size_px: int) -> None:
    page.get_by_role("link", name="Look at the settings first").click()
    for field in ("Width, px", "Height, px"):
        page.get_by_label(field).fill(str(size_px))
    page.get_by_label("Mirrored copies", exact=True).uncheck()
    page.get_by_label("Repeats (-1 = automatic)").fill("1")
    page.get_by_label("Repeats (-1 = automatic)").press("Enter")
    expect(page.get_by_text(f"{size_px} × {size_px} px · repeats: 1")).to_be_visible()
    page.get_by_role("button", name="Prepare", exact=True).click()
    expect(page.get_by_text("4 training images · 4 seen per epoch")).to_be_visible(timeout=WORK_MS)


def write_a_caption(page: Page, house: House) -> None:
    page.get_by_role("link", name="Pictures", exact=True).click()
    expect(page.get_by_text("1 without a caption")).to_be_visible()
    page.get_by_role("option", name=re.compile(UNTOLD)).click()
    page.keyboard.press("Enter")
    page.keyboard.type("zorb, written by hand")
    page.keyboard.press("Enter")
    expect(page.get_by_text("all with captions")).to_be_visible()
    [file] = house.app.versions.paths("cat", "v1").processed.rglob(f"*{UNTOLD}.txt")
    assert file.read_text().strip() == "zorb, written by hand"


def queue_four_runs(page: Page) -> None:
    page.get_by_role("link", name="Train", exact=True).click()
    form = page.locator("tt-train")
    typed = {"Base model": str(DEMO / "pocket-sd1.safetensors"), "Epochs": "1"}
    for option, text in {**typed, "Rank": "2, 4", "Learning rate": "1e-3, 2e-3"}.items():
        form.get_by_label(option, exact=True).fill(text)
    page.get_by_label("Render previews afterwards").uncheck()
    page.get_by_role("button", name="Add 4 runs to the queue").click()
    expect(page.get_by_text("4 runs added to the queue as grid-001.")).to_be_visible()
    page.get_by_role("link", name="Show the queue").click()


def stop_and_retry_one(page: Page) -> None:
    """Stops the run that is being trained, and has it tried again."""
    at_work = trainings(page, "Running")
    expect(at_work).to_have_count(1, timeout=WORK_MS)
    title = at_work.first.get_by_role("progressbar").get_attribute("aria-label").removeprefix("Progress of ")
    page.get_by_label(f"When to stop {title}").select_option("at once, nothing saved")
    page.get_by_role("button", name=f"Stop {title}", exact=True).click()
    page.get_by_role("button", name=f"Retry {title}", exact=True).click(timeout=WORK_MS)
    expect(page.get_by_role("list", name="Ended").get_by_text(title)).to_have_count(0)


def trainings(page: Page, states: str = "") -> Locator:
    rows = (
        page.get_by_role("list", name=states).get_by_role("listitem") if states else page.get_by_role("listitem")
    )
    return rows.filter(has_text="network_dim=")


def wait_for_the_runs(page: Page) -> None:
    expect(trainings(page, "Ended")).to_have_count(4, timeout=WORK_MS)
    expect(trainings(page, "Ended").filter(has_text="4 of 4 steps")).to_have_count(4)


def make_the_pictures(page: Page) -> None:
    """Small ones of few steps, for every checkpoint and the base model."""
    page.get_by_role("link", name="Checkpoints", exact=True).click()
    page.get_by_role("button", name="Prompt settings").click()
    dialog = page.get_by_role("dialog", name="What is rendered for every checkpoint")
    wanted = {"Prompt": "zorb", "LoRA weights": "1", "Seeds": "1", "Steps": "2", "Width": "64", "Height": "64"}
    for field, value in wanted.items():
        dialog.get_by_label(field, exact=True).fill(value)
    dialog.get_by_role("button", name="Keep these settings").click()
    page.get_by_role("button", name=re.compile("Make the missing: 5 images")).click()
    for _ in range(6):
        matrix(page).press("-")  # all rows in sight: the page holds no others
    expect(matrix(page).locator("img")).to_have_count(5, timeout=WORK_MS)
    expect(page.get_by_text("The seed is the same in all cells: 1.")).to_be_visible()


def matrix(page: Page) -> Locator:
    return page.get_by_role("grid", name="Preview matrix")


def compare_two(page: Page) -> None:
    matrix(page).focus()
    for key in ("c", "ArrowDown", "c", "x"):
        page.keyboard.press(key)
    dialog = page.get_by_role("dialog", name="Compare")
    for picture in range(2):
        expect(dialog.get_by_role("img").nth(picture)).to_have_js_property("naturalWidth", 64)
    page.keyboard.press("Escape")


def name_the_lora_folder(page: Page, house: House, folder: Path) -> None:
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_label("Folder for LoRAs", exact=True).fill(str(folder))
    page.get_by_role("region", name="Copies of checkpoints").get_by_role("button", name="Save").click()
    eventually(lambda: house.app.settings.read().copies.folder == str(folder))


def pick_and_copy_one(page: Page, folder: Path) -> None:
    page.get_by_role("link", name="Checkpoints", exact=True).click()
    matrix(page).press("Enter")
    expect(page.get_by_role("region", name="Picked checkpoints")).to_contain_text("1 picked")
    page.get_by_role("button", name="Copy to the LoRA folder").click()
    dialog = page.get_by_role("dialog", name="Copy to the LoRA folder")
    dialog.get_by_role("button", name="Copy to the LoRA folder").click()
    expect(dialog.get_by_text("Copied to")).to_be_visible()
    [file] = folder.glob("*.safetensors")
    expect(dialog.get_by_text(str(file))).to_be_visible()
    assert file.stat().st_size > 10_000
