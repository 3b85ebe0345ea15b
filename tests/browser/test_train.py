"""The form of a grid, from the first key to the queue."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_first_page import DEMO, make_version, visit

FOREIGN = Path(__file__).parents[1] / "configs" / "foreign"

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def _empty_queue(house) -> Iterator[None]:
    """Other tests of the same house wait for the jobs that they have queued."""
    yield
    for job in house.app.jobs.all():
        if not job.state.finished:
            house.app.jobs.cancel(job.id)


def field(page: Page, label: str) -> Locator:
    return page.locator("tt-train").get_by_label(label, exact=True)


def group_of(page: Page, option: str) -> Locator:
    """All that stands at an option's field."""
    return page.locator(f"[data-option='{option}']")


def opened(page: Page, house, project: str) -> None:
    """The form of a new version."""
    make_version(house.app, project)
    visit(page, house.page, project, "train")
    expect(field(page, "Rank")).to_be_editable()


def queued(house, project: str) -> list[str]:
    return sorted(job.title for job in house.app.jobs.all() if job.title.startswith(f"{project} / "))


def test_what_is_typed_is_counted_and_shown_as_it_was_understood(page: Page, house) -> None:
    opened(page, house, "counted")
    field(page, "Rank").fill("2:8:*2")
    field(page, "U-Net learning rate").fill("1e-4, 2e-4")
    field(page, "Text encoder learning rate").fill("=unet_lr/2")
    expect(group_of(page, "network_dim").locator(".chips")).to_have_text("×3248")
    expect(page.get_by_role("button", name="Add 6 runs to the queue")).to_be_enabled()
    expect(page.get_by_text(re.compile(r"optimizer updates [\d,]+, images in each 1;"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"about [\d.]+ [MG]B of memory"))).to_be_visible()
    page.get_by_text("Which combinations").click()
    page.get_by_role("button", name="+ Runs to leave out").click()
    page.keyboard.type("network_dim=8 and unet_lr=2e-4")
    expect(page.get_by_role("button", name="Add 5 runs to the queue")).to_be_enabled()


def test_everything_wrong_is_told_at_its_field_and_the_button_leads_there(page: Page, house) -> None:
    opened(page, house, "wrong")
    field(page, "Seed").fill("1,,2")
    field(page, "Rank").fill("2x")
    expect(group_of(page, "network_dim").get_by_role("alert")).to_contain_text("a whole number is wanted")
    expect(group_of(page, "seed").get_by_role("alert")).to_contain_text("a value is missing")
    page.get_by_role("button", name="2 errors: show the first").click()
    expect(field(page, "Seed")).to_be_focused()
    field(page, "Seed").fill("1")
    page.get_by_role("searchbox").first.fill("max timestep")
    expect(field(page, "Last timestep")).to_be_visible()
    expect(field(page, "Rank")).to_be_hidden()
    page.get_by_role("button", name="1 error: show it").click()
    expect(field(page, "Rank")).to_be_focused()
    field(page, "Rank").fill("")
    expect(page.get_by_role("button", name="Add 1 run to the queue")).to_be_enabled()


def test_a_draft_outlives_a_reload_and_a_restart_of_the_service(page: Page, house) -> None:
    make_version(house.app, "other")
    opened(page, house, "kept")
    field(page, "Rank").fill("2, 4x")
    expect(page.get_by_role("button", name="1 error: show it")).to_be_visible()
    page.reload()
    expect(field(page, "Rank")).to_have_value("2, 4x")
    house.restart()
    field(page, "Rank").fill("2, 4")
    field(page, "Seed").fill("1, 2, 3")
    expect(page.get_by_role("button", name="Add 6 runs to the queue")).to_be_enabled()
    page.get_by_label("Project", exact=True).select_option("other")
    expect(page.get_by_role("button", name="Add 1 run to the queue")).to_be_enabled()
    page.go_back()
    expect(field(page, "Seed")).to_have_value("1, 2, 3")
    page.get_by_role("button", name="Seed: back to what is stored").click()
    expect(page.get_by_role("button", name="Add 2 runs to the queue")).to_be_enabled()


def test_a_second_tab_shows_what_is_typed_and_takes_nothing_away(page: Page, house) -> None:
    opened(page, house, "shared")
    other = page.context.new_page()
    visit(other, house.page, "shared", "train")
    expect(field(other, "Rank")).to_be_editable()
    field(other, "Alpha").fill("4, ")
    field(page, "Rank").fill("2, 4")
    expect(field(other, "Rank")).to_have_value("2, 4")
    expect(field(other, "Alpha")).to_be_focused()
    other.keyboard.type("8")
    expect(field(other, "Alpha")).to_have_value("4, 8")
    expect(field(page, "Alpha")).to_have_value("4, 8")
    expect(page.get_by_role("button", name="Add 4 runs to the queue")).to_be_enabled()
    expect(other.get_by_role("button", name="Add 4 runs to the queue")).to_be_enabled()


def test_runs_that_are_unticked_are_not_queued(page: Page, house) -> None:
    opened(page, house, "unticked")
    field(page, "Rank").fill("2, 4, 8")
    page.get_by_role("button", name="Which runs: 3").click()
    page.get_by_role("checkbox", name="network_dim=4").uncheck()
    page.get_by_role("button", name="Add 2 runs to the queue").click()
    expect(page.get_by_text("2 runs added to the queue as grid-001.")).to_be_visible()
    assert queued(house, "unticked") == ["unticked / v1: network_dim=2", "unticked / v1: network_dim=8"]
    page.get_by_role("link", name="Show the queue").click()
    expect(page).to_have_url(re.compile("/p/unticked/v1/queue"))


def test_what_the_preflight_stops_is_queued_only_with_a_tick(page: Page, house) -> None:
    opened(page, house, "stopped")
    field(page, "Mixed precision").fill("fp16")
    page.get_by_role("button", name="1 stop: show it").click()
    expect(page.get_by_text("fp16 works on graphics cards only").first).to_be_visible()
    expect(page.get_by_role("checkbox", name="Queue them anyway")).to_be_focused()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Add 1 run to the queue").click()
    expect(page.get_by_text("1 run added to the queue as grid-001.")).to_be_visible()


def test_very_many_runs_are_asked_about_once(page: Page, house) -> None:
    opened(page, house, "fifty-one")
    field(page, "Seed").fill("1..51")
    page.get_by_role("button", name="Add 51 runs to the queue").click()
    dialog = page.get_by_role("dialog", name="So many runs?")
    expect(dialog).to_contain_text(re.compile(r"51 runs: about .* of disk"))
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert queued(house, "fifty-one") == []


def test_presets_and_files_fill_the_form_and_are_undone(page: Page, house, tmp_path: Path) -> None:
    opened(page, house, "filled")
    field(page, "Rank").fill("2, 4")
    page.get_by_label("Preset", exact=True).select_option("sdxl-style-12gb")
    page.get_by_role("button", name="Take", exact=True).click()
    expect(field(page, "Rank")).to_have_value("32")
    page.get_by_role("button", name="Undo").click()
    expect(field(page, "Rank")).to_have_value("2, 4")
    expect(page.get_by_role("button", name="Add 2 runs to the queue")).to_be_enabled()
    assert house.app.versions.settings("filled", "v1").preparation.width_px == 64
    files = page.locator("tt-train input[type=file]")
    files.last.set_input_files(FOREIGN / "one_trainer.json")
    expect(page.get_by_text(re.compile("one_trainer.json \\(OneTrainer\\)"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ settings? .* not taken over"))).to_be_visible()
    expect(field(page, "Rank")).to_have_value("16")
    files.last.set_input_files(lora_file(tmp_path / "old.safetensors", rank="6"))
    expect(field(page, "Rank")).to_have_value("6")


def test_a_form_begins_like_an_earlier_grid_and_is_kept_as_a_preset(page: Page, house) -> None:
    make_version(house.app, "again")
    house.app.grids.submit("again", "v1", {"network_dim": "2,4"})
    house.app.grids.submit("again", "v1", {"network_dim": "16", "noise_offset": "0.1"})
    page.goto(f"{house.page}p/again/v1/train?from=grid-001")
    expect(page.get_by_text("The form is filled like grid-001.")).to_be_visible()
    expect(field(page, "Rank")).to_have_value("2, 4")
    expect(field(page, "Noise offset")).to_have_value("")
    assert "from=" not in page.url
    page.get_by_role("button", name="Save as preset…").click()
    page.get_by_role("dialog").get_by_label(re.compile("^Name ")).fill("like before")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Kept as the preset like before.")).to_be_visible()
    assert dict(house.app.presets.find("like before").axes) == {"network_dim": (2, 4)}
    page.get_by_role("button", name="Delete the preset").click()
    expect(page.get_by_text("The preset like before is deleted.")).to_be_visible()


def lora_file(path: Path, rank: str) -> Path:
    """A LoRA of one layer that says how it was trained."""
    shape = {"dtype": "F32", "shape": [int(rank), 8], "data_offsets": [0, int(rank) * 32]}
    told = {"ss_network_module": "networks.lora", "ss_network_dim": rank, "ss_network_alpha": "3"}
    header = json.dumps({"__metadata__": told, "lora_unet_x.lora_down.weight": shape}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(int(rank) * 32))
    return path


def test_a_base_model_outside_of_the_folders_that_are_shown_is_taken_by_its_path(page: Page, house) -> None:
    opened(page, house, "elsewhere")
    page.get_by_role("button", name="Choose…").click()
    page.get_by_role("button", name="Browse…").click()
    picker = page.get_by_role("dialog", name="Pick a file")
    path = picker.get_by_role("textbox", name="Path")
    path.fill("/")
    path.press("Enter")
    expect(picker.get_by_role("alert")).to_contain_text("is not shown here")
    expect(picker.get_by_role("button", name="Take it")).to_be_disabled()
    path.fill(str(DEMO / "pocket-sd1.safetensors"))
    path.press("Enter")
    expect(field(page, "Base model")).to_have_value(str(DEMO / "pocket-sd1.safetensors"))


def test_the_back_button_closes_what_was_asked(page: Page, house) -> None:
    opened(page, house, "left open")
    page.get_by_role("link", name="Queue", exact=True).click()
    page.get_by_role("link", name="Train", exact=True).click()
    page.get_by_role("button", name="Choose…").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Projects", exact=True).click()
    page.get_by_role("link", name="Train", exact=True).click()
    expect(field(page, "Rank")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_usual_values_are_put_in_and_taken_out_by_keyboard(page: Page, house) -> None:
    opened(page, house, "by keyboard")
    rank = field(page, "Rank")
    rank.fill("3")
    usual = page.get_by_role("listbox", name="Usual values")
    expect(usual).to_be_visible()
    first, second = (usual.get_by_role("option").nth(at) for at in range(2))
    rank.press("ArrowDown")
    rank.press("ArrowDown")
    expect(rank).to_have_attribute("aria-activedescendant", second.get_attribute("id") or "")
    rank.press("Enter")
    expect(rank).to_have_value(f"3, {second.inner_text()}")
    expect(second).to_have_attribute("aria-selected", "true")
    rank.press("ArrowUp")
    rank.press("Enter")
    expect(rank).to_have_value(f"3, {second.inner_text()}, {first.inner_text()}")
    rank.press("Enter")
    expect(rank).to_have_value(f"3, {second.inner_text()}")
    rank.press("Escape")
    expect(usual).to_be_hidden()
    expect(group_of(page, "network_dim").locator(".chips")).to_contain_text("×2")


def test_a_training_mode_shows_its_own_fields_and_hides_those_of_others(page: Page, house) -> None:
    opened(page, house, "in modes")
    expect(field(page, "Target prompts")).to_have_count(0)
    expect(field(page, "Epochs")).to_be_visible()
    field(page, "Training mode").fill("ileco")
    expect(field(page, "Target prompts")).to_be_visible()
    expect(field(page, "Epochs")).to_have_count(0)
    expect(field(page, "Settings of the second pass")).to_have_count(0)
    field(page, "Training mode").fill("ileco, difference")
    expect(field(page, "Settings of the second pass")).to_be_visible()
    expect(field(page, "Target prompts")).to_be_visible()
    field(page, "Training mode").fill("")
    expect(field(page, "Epochs")).to_be_visible()


def test_a_pair_is_dropped_in_as_two_images(page: Page, house, tmp_path) -> None:
    house.app.create_project("paired")
    house.app.create_version("paired", "v1")
    visit(page, house.page, "paired", "train")
    field(page, "Training mode").fill("addift")
    for option, colour in (("original_image", "red"), ("target_image", "blue")):
        file = tmp_path / f"it's {colour}, 1.jpg"
        Image.new("RGB", (64, 64), colour).save(file)
        put_in(group_of(page, option), file, dropped=option == "original_image")
        expect(group_of(page, option).locator("input[type=text]")).to_have_value(
            re.compile(rf"^dataset/pair/it-s-{colour}-1-[0-9a-f]{{8}}\.png$")
        )
        picture = group_of(page, option).get_by_role("img")
        expect(picture).to_be_visible()
        assert picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 64
    field(page, "Base model").fill(str(DEMO / "pocket-sd1.safetensors"))
    expect(page.get_by_text(re.compile("no images of the dataset are learnt from"))).to_be_visible()
    expect(page.get_by_role("button", name="Add 1 run to the queue")).to_be_enabled()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    put_in(group_of(page, "target_image"), broken, dropped=False)
    expect(group_of(page, "target_image").get_by_role("alert")).to_contain_text("'broken.png' is not taken")


def put_in(place: Locator, file: Path, *, dropped: bool) -> None:
    if not dropped:
        place.locator("input[type=file]").set_input_files(file)
        return
    place.evaluate(
        """(place, bytes) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes[1])], bytes[0], { type: "image/jpeg" }));
        place.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
    }""",
        [file.name, list(file.read_bytes())],
    )


def test_stages_by_concept_say_which_images_they_take(page: Page, house) -> None:
    make_version(house.app, "in stages")
    processed = house.app.versions.paths("in stages", "v1").processed
    first, second = sorted(processed.glob("*/*.png"))[:2]
    first.with_suffix(".txt").write_text("a red thing", encoding="utf-8")
    second.with_suffix(".txt").write_text("a blue thing", encoding="utf-8")
    visit(page, house.page, "in stages", "train")
    expect(field(page, "Rank")).to_be_editable()
    expect(field(page, "Concept A keywords")).to_have_count(0)
    field(page, "Training mode").fill("multi_stage")
    field(page, "Concept A keywords").fill("red | crimson")
    field(page, "Concept B keywords").fill("blue")
    field(page, "Epochs").fill("4")
    expect(field(page, "Steps")).to_have_count(0)
    expect(page.get_by_text(re.compile("concept A .red, crimson.: 1 image"))).to_be_visible()
    expect(page.get_by_role("button", name="Add 1 run to the queue")).to_be_enabled()
    page.locator("tt-train input[type=search]").fill("dynamic crop")
    expect(field(page, "Dynamic crop")).to_be_visible()
