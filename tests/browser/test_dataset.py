from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from sd_contract.attempt import EVENTS_VARIABLE, Attempt, read_result
from train_tools.app import App
from train_tools.app.datasets import DatasetJob
from train_tools.jobs.queue import Kinds
from train_tools.model.job import Job, JobState, Verdict
from train_tools.model.paths import AttemptPaths
from train_tools.model.preparation import Preparation

MARKUP = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"
TAGGED = ("zorb, black, round", "zorb, gray", "zorb, cyan, round", "zorb, pink", MARKUP)

pytestmark = pytest.mark.browser


def png(colour: str, size: tuple[int, int] = (96, 64)) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, "PNG")
    return made.getvalue()


def make_version(app: App, project: str) -> None:
    app.create_project(project)
    app.create_version(project, "v1")
    stored = app.versions.settings(project, "v1")
    small = Preparation(width_px=64, height_px=64, repeats=2, mirrored_copies=False)
    app.versions.save_settings(project, "v1", replace(stored, preparation=small))


def make_dataset(app: App, project: str, folder: Path, captions: tuple[str, ...] = TAGGED) -> None:
    """A version with a training image for each caption."""
    make_version(app, project)
    for at, caption in enumerate(captions):
        (folder / f"p{at}.png").write_bytes(png(f"hsl({40 * at}, 90%, 40%)"))
        (folder / f"p{at}.txt").write_text(caption)
    app.versions.import_images(project, "v1", [folder])
    app.versions.prepare(project, "v1")


def do(app: App, kind: str, meanwhile: Callable[[Job], object] = lambda job: None) -> Job:
    """Plays the worker for the next job of a kind; its process is the real one."""
    queue = app.jobs.queue
    job = queue.claim("cpu", "here", Kinds(frozenset({kind})))
    assert job is not None, f"no {kind} is queued"
    folder = app.outputs.folder / job.folder
    attempt = Attempt(AttemptPaths.of(folder, job.attempt).folder)
    attempt.folder.mkdir(parents=True)
    work = DatasetJob(kind, app.outputs)
    launch = work.prepare(job, folder, attempt)
    queue.start(job.id, job.attempt)
    meanwhile(job)
    environment = {**os.environ, **launch.environment, EVENTS_VARIABLE: str(attempt.events)}
    subprocess.run(launch.command, env=environment, cwd=launch.folder, check=True, stdout=subprocess.DEVNULL)
    result = read_result(attempt)
    assert result is not None
    queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE, message=result.message))
    return job


def visit(page: Page, address: str, project: str, query: str = "") -> Locator:
    """The dataset screen; gives its grid."""
    page.goto(f"{address}p/{quote(project)}/v1/dataset{query}")
    return page.get_by_role("listbox", name="Training images")


def caption_files(app: App, project: str) -> dict[str, str]:
    processed = app.versions.paths(project, "v1").processed
    return {file.stem[8:]: file.read_text().strip() for file in sorted(processed.rglob("*.txt"))}


def option(grid: Locator, name: str) -> Locator:
    return grid.get_by_role("option", name=re.compile(name))


def test_pictures_are_sent_imported_and_prepared_and_the_report_stays(page: Page, house, tmp_path) -> None:
    make_version(house.app, "sent")
    visit(page, house.page, "sent")
    files = [
        {"name": "tom.png", "mimeType": "image/png", "buffer": png("red")},
        {"name": "tom.txt", "mimeType": "text/plain", "buffer": MARKUP.encode()},
        {"name": "plan.psd", "mimeType": "image/x", "buffer": b"x"},
    ]
    page.locator("tt-dataset input[type=file]").first.set_input_files(files)
    expect(page.get_by_text("waits for its turn")).to_be_visible()

    def meanwhile(job: Job) -> None:
        house.app.jobs.queue.progress(job.id, job.attempt, step=1, total_steps=2)
        expect(page.get_by_role("progressbar", name="Bringing in")).to_have_js_property("value", 0.5)

    do(house.app, "import", meanwhile)
    page.get_by_role("button", name="Prepare 1 picture").click()
    expect(page.get_by_text("waits for its turn")).to_be_visible()
    do(house.app, "prepare")
    grid = page.get_by_role("listbox", name="Training images")
    expect(option(grid, "tom.png: <script>")).to_be_visible()
    expect(page).to_have_title("Train Tools")
    page.reload()
    page.get_by_role("button", name="Bring pictures in").click()
    expect(page.get_by_text("1 new picture · 1 caption")).to_be_visible()
    page.get_by_text("1 file was left out").click()
    expect(page.get_by_text("plan.psd")).to_be_visible()


def drag_and_drop(page: Page, paths: list[Path]) -> None:
    """As a file manager does it, near the lower edge of the page."""
    session = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 640, "y": 860, "data": dragged})


def test_files_and_folders_are_dropped_anywhere_on_the_screen(page: Page, house, tmp_path) -> None:
    make_version(house.app, "dropped")
    visit(page, house.page, "dropped")
    page.get_by_role("button", name="Choose files").wait_for()
    folder = tmp_path / "more pictures"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "none").mkdir()
    (tmp_path / "one.png").write_bytes(png("red"))
    (folder / "two.png").write_bytes(png("green"))
    (folder / "deep" / "three.png").write_bytes(png("blue"))
    drag_and_drop(page, [tmp_path / "none"])
    expect(page.get_by_text("There were no files in what was dropped.")).to_be_visible()
    drag_and_drop(page, [tmp_path / "one.png", folder])
    expect(page.get_by_text("waits for its turn")).to_be_visible()
    do(house.app, "import")
    expect(page.get_by_text("3 new pictures · 0 captions")).to_be_visible()


@pytest.mark.parametrize("screen", ["projects", "train"])
def test_files_that_are_dropped_where_nothing_takes_them_do_not_lead_away(page: Page, house, screen: str) -> None:
    page.goto(f"{house.page}{screen}")
    page.get_by_role("link", name="Dataset").wait_for()
    prevented = page.evaluate(
        """() => ["dragover", "drop"].map((name) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["x"], "x.png", { type: "image/png" }));
        const event = new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer });
        return !document.body.dispatchEvent(event);
    })"""
    )
    assert prevented == [True, True]


def test_a_caption_is_written_where_it_is_seen_and_what_others_wrote_is_shown(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "written", tmp_path)
    grid = visit(page, house.page, "written")
    option(grid, "p1.png: zorb, gray").click()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="Caption")
    field.press_sequentially(", rou")
    page.get_by_role("listbox", name="Tags of this dataset").get_by_role("option").click()
    page.keyboard.press("Control+ArrowUp")
    expect(field).to_have_value("zorb, gray, (round:1.1)")
    page.reload()
    option(grid, "p1.png").click()
    expect(field).to_have_value("zorb, gray, (round:1.1)")
    field.press("Enter")
    expect(option(grid, re.escape("p1.png: zorb, gray, (round:1.1)"))).to_be_visible()
    assert caption_files(house.app, "written")["p1"] == "zorb, gray, (round:1.1)"
    field.press_sequentially(", mine")
    file = next(house.app.versions.paths("written", "v1").processed.rglob("*p1.txt"))
    file.write_text("theirs")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="changed this caption meanwhile")).to_contain_text("theirs")
    page.get_by_role("button", name="Keep mine").click()
    expect(option(grid, "p1.png: .*, mine")).to_be_visible()
    assert file.read_text().strip().endswith(", mine")
    expect(page).to_have_title("Train Tools")


def test_many_captions_are_changed_after_saying_how_many_and_put_back(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "many", tmp_path)
    grid = visit(page, house.page, "many", "?where=zorb")
    expect(grid.get_by_role("option")).to_have_count(4)
    option(grid, "p0.png").click()
    option(grid, "p2.png").click(modifiers=["Shift"])
    expect(page.get_by_role("heading", name="Tags of 3 selected pictures")).to_be_visible()
    expect(page.get_by_role("list", name="Tags").get_by_role("listitem").nth(1)).to_contain_text("round2")
    page.get_by_role("button", name="Remove round").click()
    expect(page.get_by_role("status").filter(has_text="Changes 2 files")).to_be_visible()
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(option(grid, "p0.png: zorb, black$")).to_be_visible()
    assert caption_files(house.app, "many")["p2"] == "zorb, cyan"
    grid.press("Control+z")
    expect(option(grid, "p0.png: zorb, black, round")).to_be_visible()
    assert caption_files(house.app, "many")["p2"] == "zorb, cyan, round"
    page.get_by_role("button", name="Redo").click()
    expect(option(grid, "p2.png: zorb, cyan$")).to_be_visible()
    page.get_by_role("button", name="pink", exact=True).or_(
        page.get_by_role("button", name="gray", exact=True)
    ).click()
    expect(page).to_have_url(re.compile("where=zorb\\+AND\\+gray"))
    expect(grid.get_by_role("option")).to_have_count(1)


def test_pictures_are_chosen_by_keyboard_taken_out_and_put_back(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "chosen", tmp_path)
    grid = visit(page, house.page, "chosen")
    option(grid, "p0.png").click()
    grid.press("Shift+ArrowRight")
    grid.press("Control+i")
    expect(page.get_by_text("3 of 5 selected")).to_be_visible()
    grid.press("Delete")
    expect(grid.get_by_role("option")).to_have_count(2)
    origin = house.app.versions.paths("chosen", "v1").origin
    assert len(list(origin.glob("*.png"))) == 2
    page.get_by_role("button", name="Undo").last.click()
    expect(grid.get_by_role("option")).to_have_count(5)
    grid.press("Control+a")
    expect(page.get_by_text("5 of 5 selected")).to_be_visible()
    (next(house.app.versions.paths("chosen", "v1").processed.rglob("*p4.txt"))).write_text("from outside")
    expect(option(grid, "p4.png: from outside")).to_be_visible()


def test_a_mask_is_painted_undone_and_kept(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "masked", tmp_path)
    grid = visit(page, house.page, "masked")
    option(grid, "p0.png").dblclick()
    dialog = page.get_by_role("dialog", name="Picture in full size")
    dialog.press("ArrowRight")
    expect(dialog.get_by_text("2 of 5")).to_be_visible()
    dialog.get_by_role("button", name="Paint a mask").click()
    canvas = dialog.get_by_role("img", name="Mask to paint on")
    box = canvas.bounding_box()
    assert box is not None
    across, down = box["width"], box["height"]
    for share in (0.25, 0.75):
        page.mouse.move(box["x"] + across * share, box["y"] + down * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + across * share, box["y"] + down * 0.8)
        page.mouse.up()
    dialog.get_by_role("button", name="Undo").first.click()
    dialog.get_by_role("button", name="Save mask").click()
    expect(page.get_by_text("The mask of 00001-0-p1.png is saved.")).to_be_visible()
    paths = house.app.versions.paths("masked", "v1")
    with Image.open(paths.mask("2_masked/00001-0-p1.png")) as mask:
        assert (mask.mode, mask.size, mask.getpixel((16, 32)), mask.getpixel((48, 32))) == ("L", (64, 64), 0, 255)
    page.keyboard.press("Escape")
    page.get_by_label("Masks").check()
    expect(option(grid, "p1.png").locator("img.mask")).to_be_visible()


def test_settings_are_kept_tried_on_a_picture_and_cut_by_hand(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "tried", tmp_path)
    visit(page, house.page, "tried", "?part=prepare")
    stages = page.get_by_role("list", name="Steps")
    expect(stages.get_by_role("img")).to_have_count(2)
    page.get_by_label("Mirrored copies", exact=True).check()
    expect(stages.get_by_role("img", name="with mirrored copies")).to_have_count(2)
    page.get_by_label("Width, px").fill("100")
    page.get_by_label("Width, px").press("Enter")
    expect(page.get_by_role("alert").filter(has_text="The width 100 can't be used")).to_be_visible()
    page.get_by_label("Width, px").fill("128")
    page.get_by_label("Width, px").press("Enter")
    expect(page.get_by_text("128 × 64 px")).to_be_visible()
    stored = house.app.versions.settings("tried", "v1").preparation
    assert (stored.width_px, stored.mirrored_copies) == (128, True)
    page.get_by_role("button", name="Cut by hand").click()
    page.get_by_role("group", name="Part that is taken").press("Shift+ArrowLeft")
    page.get_by_role("button", name="Take this part").click()
    expect(page.get_by_role("button", name="Whole picture")).to_be_visible()
    assert house.app.preparations.crops("tried", "v1")["p0.png"].right == pytest.approx(0.99)
    expect(page.get_by_role("list", name="Buckets at 64 × 64")).to_be_visible()
    page.get_by_role("button", name="Prepare", exact=True).click()
    expect(page.get_by_role("progressbar", name="Progress of the preparation")).to_be_visible()
    do(house.app, "prepare")
    expect(page.get_by_role("progressbar", name="Progress of the preparation")).to_be_hidden()
    page.get_by_role("link", name="To the pictures and their captions").click()
    expect(page.get_by_role("listbox", name="Training images")).to_be_visible()


def test_of_ten_thousand_pictures_few_are_in_the_page(page: Page, house, tmp_path) -> None:
    make_version(house.app, "ten-thousand")
    folder = house.app.versions.paths("ten-thousand", "v1").processed / "1_ten-thousand"
    folder.mkdir(parents=True)
    first = folder / "00000-0-a.png"
    first.write_bytes(png("teal", (64, 64)))
    for at in range(1, 10_000):
        os.link(first, folder / f"{at:05}-0-a.png")
    grid = visit(page, house.page, "ten-thousand")
    page.get_by_label("Size of the pictures").fill("96")
    expect(option(grid, "^00000-0-a.png")).to_be_visible()
    grid.press("End")
    shown = option(grid, "^09999-0-a.png")
    expect(shown.locator("img")).to_have_js_property("complete", True)
    assert grid.locator("*").count() < 150 * 4
    assert grid.get_by_role("option").count() <= 150
    expect(shown).to_have_attribute("aria-setsize", "10000")


def test_findings_are_put_right_and_captioners_ask_before_they_download(page: Page, house, tmp_path) -> None:
    make_dataset(house.app, "checked", tmp_path)
    stored = house.app.versions.settings("checked", "v1")
    large = replace(stored, options={**stored.options, "resolution": "512"})
    house.app.versions.save_settings("checked", "v1", large)
    visit(page, house.page, "checked", "?part=checks")
    page.get_by_role("button", name="set resolution=64").click()
    expect(page.get_by_text("Done: set resolution=64.")).to_be_visible()
    assert house.app.versions.settings("checked", "v1").options["resolution"] == "64"
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_role("button", name="set resolution=64")).to_be_visible()
    page.get_by_role("link", name="Captions by machine").click()
    page.get_by_role("button", name="Write captions").click()
    question = page.get_by_role("dialog", name="Download and start")
    expect(question).to_contain_text("MB")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    question.get_by_role("button", name="Cancel").click()
    assert house.app.jobs.queue.below("projects/checked/versions/v1") == []
