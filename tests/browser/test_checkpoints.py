"""The Checkpoints screen: the matrix, what is done with checkpoints, and which one to take."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import numpy
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect
from safetensors.numpy import save_file

from sd_contract.events import EventLog, StepDone
from train_tools.app import App
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings
from train_tools.previews.picture_file import write_picture

DEMO = Path(__file__).parents[2] / "projects_template" / "demo"
POCKET = DEMO / "pocket-sd1.safetensors"
MARKUP = "<img src=x onerror=\"document.title='hacked'\">"
MOST_CELLS = 150

pytestmark = pytest.mark.browser


def make_grid(app: App, project: str, weights: tuple[float, ...], **assignments: str) -> list[Path]:
    """A version whose grid is queued and taken out again. The runs' folders, in the grid's order."""
    app.create_project(project)
    app.create_version(project, "v1")
    stored = app.versions.settings(project, "v1")
    previews = PreviewSettings(prompts=("a zorb",), weights=weights, seeds=(1,), width_px=64, height_px=64)
    prepared = Preparation(width_px=64, height_px=64, repeats=1, mirrored_copies=False)
    changed = replace(stored, preparation=prepared, previews=previews, axes={})
    app.versions.save_settings(project, "v1", changed)
    app.versions.import_images(project, "v1", [DEMO / "dataset" / "zorb-01.png"])
    app.versions.prepare(project, "v1")
    wanted = {"pretrained_model_name_or_path": str(POCKET), **assignments}
    for job in app.grids.submit(project, "v1", wanted, anyway=True).jobs:
        app.jobs.cancel(job)
    trains = app.versions.paths(project, "v1").trains
    return [trains / run.name for run in app.matrices.runs(project, "v1")]


def save_checkpoint(run: Path, name: str, epoch: int, content: float) -> None:
    facts = {"ss_epoch": str(epoch), "ss_steps": str(epoch * 10)}
    save_file({"weight": numpy.full(2, content)}, run / f"{name}.safetensors", metadata=facts)


def paint(app: App, project: str, but: int = 0) -> None:
    """Renders all pictures but the last few, each in a colour of its own."""
    cells = app.previews.matrix(project, "v1").cells
    for number, cell in enumerate(cells[: len(cells) - but]):
        colour = (40 * number % 256, 90, 255 - 20 * number % 256)
        picture = Image.new("RGB", (64, 64), colour)
        write_picture(cell.file, picture, cell.picture, base_stem="pocket", lora_stem=None)


@pytest.fixture(scope="module")
def seen(house) -> str:
    """A project with two runs of two checkpoints each, at two weights; the last picture is missing."""
    runs = make_grid(house.app, "seen", (0.5, 1.0), network_dim="2, 4")
    for number, run in enumerate(runs):
        save_checkpoint(run, "seen-v1-000001", 1, number + 0.1)
        save_checkpoint(run, "seen-v1", 2, number + 0.2)
        events = run / "attempts" / "001" / "events.jsonl"
        events.parent.mkdir(parents=True)
        log = EventLog(events)
        for step in range(1, 21):
            log.emit(StepDone(step, 20, loss=(number + 1) / step))
        log.close()
    paint(house.app, "seen", but=1)
    return "seen"


def visit(page: Page, house, project: str, query: str = "") -> Locator:
    """The matrix in small cells, so that some rows are in sight."""
    page.evaluate("localStorage.setItem('train-tools size of checkpoint cells', '80')")
    page.goto(f"{house.page}p/{quote(project)}/v1/checkpoints{query}")
    grid = page.get_by_role("grid", name="Preview matrix")
    grid.get_by_role("rowheader").first.wait_for()
    return grid


def rows(grid: Locator) -> Locator:
    return grid.locator(".body").get_by_role("rowheader")


def test_a_matrix_of_ten_thousand_cells_keeps_few_in_the_page(page: Page, house) -> None:
    runs = make_grid(
        house.app, "large", tuple(0.1 * n for n in range(1, 21)), seed=", ".join(map(str, range(1, 26)))
    )
    for number, run in enumerate(runs):
        for epoch in range(1, 21):
            save_checkpoint(run, f"large-v1-{epoch:06}", epoch, number * 100 + epoch)
    grid = visit(page, house, "large")
    cells = grid.get_by_role("gridcell")
    expect(grid).to_have_attribute("aria-rowcount", str(500 + 2))
    expect(grid).to_have_attribute("aria-colcount", str(20 + 1))
    assert 0 < cells.count() <= MOST_CELLS
    grid.focus()
    page.keyboard.press("End")
    expect(rows(grid).filter(has_text="seed=25").filter(has_text="epoch 20")).to_be_visible()
    assert cells.count() <= MOST_CELLS
    grid.evaluate("grid => grid.scrollTo(grid.scrollWidth, grid.scrollHeight / 2)")
    expect(rows(grid).filter(has_text="seed=13").first).to_be_visible()
    assert cells.count() <= MOST_CELLS
    for _ in range(8):
        page.keyboard.press("-")
    expect(grid).to_have_class(re.compile("tiny"))
    assert cells.count() <= MOST_CELLS


def test_a_missing_picture_is_made_alone_and_says_that_it_waits(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    alike = r"The prompt is the same in all cells: .+\. The seed is the same in all cells: 1\."
    expect(page.get_by_text(re.compile(alike))).to_be_visible()
    missing = grid.get_by_role("gridcell", name=re.compile("network_dim=4, final, epoch 2, weight 1: not made"))
    expect(page.get_by_role("button", name="Make the missing: 1 image")).to_be_visible()
    missing.click()
    expect(grid.get_by_role("gridcell", name=re.compile("epoch 2, weight 1: waits"))).to_be_visible()
    job = next(job for job in house.app.jobs.all() if job.kind == "preview" and not job.state.finished)
    assert job.total_steps == 1
    page.get_by_role("button", name="Stop").click()
    expect(missing).to_be_visible()
    assert house.app.jobs.get(job.id).state.finished


def test_a_picture_is_seen_in_full_size_and_its_neighbours_by_arrows(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    grid.focus()
    page.keyboard.press(" ")
    dialog = page.get_by_role("dialog", name="Picture in full size")
    shown = dialog.get_by_role("img")
    expect(shown).to_have_attribute("alt", "network_dim=2, epoch 1, weight 0.5")
    expect(shown).not_to_have_js_property("naturalWidth", 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("alt", "network_dim=2, final, epoch 2, weight 1")
    page.keyboard.press("+")
    expect(shown).to_have_css("transform", re.compile(r"matrix\(1\.25,"))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(grid).to_be_focused()


def test_marked_pictures_are_compared_with_one_zoom_for_all(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    grid.focus()
    for key in ("c", "ArrowRight", "c", "x"):
        page.keyboard.press(key)
    dialog = page.get_by_role("dialog", name="Compare")
    pictures = dialog.get_by_role("img")
    expect(pictures).to_have_count(2)
    pictures.first.hover()
    page.mouse.wheel(0, -100)
    expect(pictures.first).to_have_css("transform", re.compile(r"matrix\(1\.5"))
    first, second = (picture.evaluate("image => image.style.transform") for picture in pictures.all())
    assert first == second
    page.keyboard.press("b")
    expect(dialog.locator("figure:visible")).to_have_count(1)
    caption = dialog.locator("figure:visible").inner_text()
    page.keyboard.press("b")
    expect(dialog.locator("figure:visible")).not_to_have_text(caption)
    dialog.get_by_role("button", name="Slider").click()
    dialog.get_by_role("slider", name="Border between both pictures").fill("25")
    expect(dialog.locator("figure").nth(1)).to_have_css("clip-path", "inset(0px 0px 0px 25%)")


def test_stars_notes_and_picks_outlive_a_reload_and_untrusted_notes_are_text(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    grid.focus()
    for key in ("4", "p", "Enter", "i"):
        page.keyboard.press(key)
    details = page.get_by_role("dialog", name="Details")
    details.get_by_label("Notes").fill(MARKUP)
    details.get_by_role("button", name="Keep the notes").click()
    expect(details.get_by_text("ss_epoch", exact=True)).to_be_attached()
    page.keyboard.press("Escape")
    page.reload()
    head = rows(grid).first
    expect(head.get_by_role("button", name="4 stars")).to_have_attribute("aria-pressed", "true")
    expect(head.get_by_role("button", name="Pin")).to_have_attribute("aria-pressed", "true")
    expect(head.get_by_role("checkbox")).to_be_checked()
    expect(head.get_by_role("button", name="Details")).to_have_attribute("title", MARKUP)
    expect(page.get_by_role("region", name="Picked checkpoints")).to_contain_text("1 picked")
    assert page.title() != "hacked"


def test_what_goes_to_the_trash_is_named_with_its_size_and_comes_back(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    rows(grid).filter(has_text="network_dim=4").filter(has_text="epoch 1").get_by_role("checkbox").check()
    page.get_by_role("button", name="Move to the trash").click()
    asked = page.get_by_role("dialog", name="Move to the trash?")
    expect(asked).to_contain_text(re.compile(r"Move 1 checkpoint, \d+ B, to the trash\?"))
    expect(asked.get_by_role("button", name="Cancel")).to_be_focused()
    asked.get_by_role("button", name="Move to the trash").click()
    expect(rows(grid)).to_have_count(3)
    page.get_by_role("button", name="Undo").click()
    expect(rows(grid)).to_have_count(4)


def test_keeping_the_best_tells_what_would_go_before_anything_does(page: Page, house, seen: str) -> None:
    visit(page, house, seen)
    page.get_by_role("button", name="Keep the best").click()
    dialog = page.get_by_role("dialog", name="Keep the best")
    dialog.get_by_label("Keep those rated").select_option("5")
    dialog.get_by_label("Keep the final checkpoint of each run").uncheck()
    expect(dialog.get_by_role("status")).to_contain_text(
        re.compile(r"[34] would go \(.*stay\. Emptying the trash")
    )
    dialog.get_by_role("button", name="Cancel").click()
    assert len(house.app.checkpoints.list(seen, "v1")) == 4


def test_a_checkpoint_is_copied_to_the_lora_folder_and_the_page_says_where(
    page: Page, house, seen: str, tmp_path: Path
) -> None:
    house.app.settings.change({"copies.folder": str(tmp_path)})
    grid = visit(page, house, seen)
    rows(grid).filter(has_text="network_dim=4").last.get_by_role("checkbox").check()
    page.get_by_role("button", name="Copy to the LoRA folder").click()
    dialog = page.get_by_role("dialog", name="Copy to the LoRA folder")
    dialog.get_by_role("button", name="Copy to the LoRA folder").click()
    expect(dialog.get_by_text("Copied to")).to_be_visible()
    (file,) = tmp_path.glob("*.safetensors")
    expect(dialog.get_by_text(str(file))).to_be_visible()
    assert file.with_suffix(".preview.png").is_file()
    house.app.settings.change({"copies.folder": ""})


def test_where_to_copy_to_is_asked_where_no_setting_says_it(page: Page, house, seen: str, tmp_path: Path) -> None:
    grid = visit(page, house, seen)
    rows(grid).last.get_by_role("checkbox").check()
    page.get_by_role("button", name="Copy to the LoRA folder").click()
    dialog = page.get_by_role("dialog", name="Copy to the LoRA folder")
    dialog.get_by_role("button", name="Copy to the LoRA folder").click()
    expect(dialog.get_by_role("alert")).to_contain_text("No folder is named")
    dialog.get_by_role("textbox", name="LoRA folder").fill(str(tmp_path))
    dialog.get_by_role("button", name="Copy to the LoRA folder").click()
    expect(dialog.get_by_text("Copied to")).to_be_visible()
    assert len(list(tmp_path.glob("*.safetensors"))) == 1
    assert house.app.settings.read().copies.folder == ""
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Copy to the LoRA folder").click()
    expect(dialog.get_by_role("textbox", name="LoRA folder")).to_have_value(str(tmp_path))


def test_order_filter_and_axes_are_in_the_address(page: Page, house, seen: str) -> None:
    grid = visit(page, house, seen)
    page.get_by_role("combobox", name="Order", exact=True).select_option("loss")
    expect(rows(grid).first).to_contain_text("epoch 2")
    page.get_by_label("Search names and notes").fill("network_dim=4")
    expect(rows(grid)).to_have_count(2)
    page.get_by_text("Rows and columns").click()
    page.get_by_role("button", name="+ network_dim").click()
    page.get_by_role("button", name="Checkpoint, in Rows").click()
    expect(page).to_have_url(re.compile("rows=network_dim&columns=prompt%2Cseed%2Cweight%2Ccheckpoint"))
    expect(grid.get_by_role("columnheader", name="final, epoch 2").first).to_be_visible()
    page.reload()
    expect(grid.get_by_role("columnheader", name="final, epoch 2").first).to_be_visible()
    expect(page.get_by_role("combobox", name="Order", exact=True)).to_have_value("loss")
    page.goto(page.url.replace(f"/p/{seen}/v1/checkpoints?", f"/alone/checkpoints?project={seen}&version=v1&"))
    expect(grid.get_by_role("columnheader", name="final, epoch 2").first).to_be_visible()


def test_prompt_settings_are_filled_from_a_webuis_picture(page: Page, house, seen: str, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a dog\nSteps: 12, Sampler: DPM++ 2M Karras, CFG scale: 4, Seed: 9, Size: 64x128")
    Image.new("RGB", (8, 8)).save(tmp_path / "theirs.png", pnginfo=texts)
    before = house.app.previews.settings(seen, "v1")
    visit(page, house, seen)
    page.get_by_role("button", name="Prompt settings").click()
    dialog = page.get_by_role("dialog", name="What is rendered for every checkpoint")
    expect(dialog.get_by_label("Prompt", exact=True)).to_have_value("a zorb")
    dialog.locator("input[type=file]").set_input_files(tmp_path / "theirs.png")
    expect(dialog.get_by_label("Prompt", exact=True)).to_have_value("a dog")
    dialog.get_by_label("CFG").fill("4, seven")
    dialog.get_by_role("button", name="Keep these settings").click()
    expect(dialog.get_by_role("alert")).to_contain_text("seven is no CFG")
    dialog.get_by_label("CFG").fill("4, 7")
    dialog.get_by_role("button", name="Keep these settings").click()
    expect(dialog).to_be_hidden()
    kept = house.app.previews.settings(seen, "v1")
    assert (kept.prompts, kept.seeds, kept.steps) == (("a dog",), (9,), 12)
    assert kept.axes["guidance"] == (4, 7)
    house.app.previews.change(seen, "v1", lambda _: before)


def test_which_one_shows_losses_and_lets_people_vote_blindly(page: Page, house, seen: str) -> None:
    visit(page, house, seen)
    page.get_by_role("button", name="Which one?").click()
    expect(page.get_by_role("heading", name="What the evidence speaks for")).to_be_visible()
    lines = page.get_by_role("group", name="Lines").get_by_role("button")
    expect(lines).to_have_text([re.compile("network_dim=2"), re.compile("network_dim=4")])
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="The left one").click()
    expect(page.get_by_text("1 vote kept")).to_be_visible()
    assert len(house.app.versions.paths(seen, "v1").votes.read_text().splitlines()) == 1
    expect(page).to_have_url(re.compile("view=which"))


def test_a_version_without_checkpoints_says_what_comes_and_where_to_go(page: Page, house) -> None:
    house.app.create_project("empty")
    house.app.create_version("empty", "v1")
    page.goto(f"{house.page}p/empty/v1/checkpoints")
    expect(page.get_by_text("No checkpoints yet. Runs appear here as soon as the first is saved.")).to_be_visible()
    page.get_by_role("link", name="Plan a training").click()
    expect(page).to_have_url(re.compile("/p/empty/v1/train"))
