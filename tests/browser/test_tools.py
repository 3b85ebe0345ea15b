from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from safetensors.numpy import save_file

from tests.app.test_lora_tools import LAYER

pytestmark = pytest.mark.browser

NASTY = "</dd><script>document.title='ran'</script>"


@pytest.fixture
def loras(house) -> list[Path]:
    folder = house.app.outputs.folder / "made elsewhere"
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in ("first 猫.safetensors", "second.safetensors")]
    for path in paths:
        ups, downs = np.ones((8, 2), np.float32), np.ones((2, 8), np.float32)
        other = LAYER.replace("down_blocks_0", "up_blocks_1")
        save_file(
            {
                f"{name}.lora_{part}.weight": numbers
                for name in (LAYER, other)
                for part, numbers in (("up", ups), ("down", downs))
            },
            path,
            {"ss_training_comment": NASTY},
        )
    return paths


def at(page: Page, tool: str) -> None:
    page.get_by_role("link", name="Tools", exact=True).click()
    page.get_by_role("navigation", name="Tools").get_by_role("link", name=tool).click()


def test_a_merge_says_what_it_writes_and_replaces_only_when_told(page: Page, house, loras: list[Path]) -> None:
    at(page, "Merge")
    form = page.get_by_role("form", name="Merge")
    start = form.get_by_role("button", name="Add to the queue")
    expect(form.get_by_text("Name the LoRAs.")).to_be_visible()
    expect(start).to_be_disabled()
    form.get_by_label("LoRA 1", exact=True).fill(str(loras[0]))
    form.get_by_label("LoRA 2", exact=True).fill("/no/such.safetensors")
    expect(form.get_by_text("/no/such.safetensors does not exist")).to_be_visible()
    form.get_by_label("LoRA 2", exact=True).fill(str(loras[1]))
    form.get_by_label("Strength of LoRA 2").fill("0.5")
    expect(form.get_by_text(re.compile(r"Writes .*first 猫-merge\.safetensors, 512 B\."))).to_be_visible()
    house.app.outputs.loras.mkdir(exist_ok=True)
    there = house.app.outputs.loras / "both.safetensors"
    there.write_bytes(b"mine")
    form.get_by_label("Name of the new file").fill("both")
    expect(form.get_by_text("both.safetensors is there already.")).to_be_visible()
    expect(start).to_be_disabled()
    page.reload()
    expect(form.get_by_label("Strength of LoRA 2")).to_have_value("0.5")
    form.get_by_label("Replace it").check()
    start.click()
    page.get_by_text("both is in the queue.").get_by_role("link", name="To the queue").click()
    expect(page.get_by_role("list", name="Waiting")).to_contain_text("both.safetensors: merge")
    (job,) = (each for each in house.app.jobs.all() if each.kind == "lora tool")
    words = job.subject["words"]
    assert words[words.index("--ratios") + 1 :][:2] == ["1.0", "0.5"]
    assert there.read_bytes() == b"mine"
    house.app.jobs.cancel(job.id)


def test_a_lora_is_picked_and_inspected_with_its_norms_as_data(page: Page, house, loras: list[Path]) -> None:
    at(page, "Inspect")
    page.get_by_role("button", name="Pick: LoRA", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=str(house.app.outputs.folder)).first.click()
    dialog.get_by_role("button", name="made elsewhere/").click()
    dialog.get_by_role("button", name=re.compile("first 猫")).click()
    dialog.get_by_role("button", name="Take it").click()
    bars = page.get_by_role("list", name=re.compile("How much each block changes")).get_by_role("listitem")
    expect(bars).to_have_text([re.compile("IN01.*16 · 1 layer"), re.compile("OUT03.*16 · 1 layer")])
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save first 猫-blocks as CSV").click()
    rows = list(csv.DictReader(Path(saved.value.path()).read_text("utf-8").splitlines()))
    assert [(row["block"], float(row["norm"])) for row in rows] == [("IN01", 16), ("OUT03", 16)]
    page.get_by_text("Metadata: 1 entry").click()
    expect(page.get_by_text(NASTY)).to_be_visible()


def test_what_has_no_meaning_is_neither_shown_nor_sent(page: Page, house, loras: list[Path]) -> None:
    at(page, "Resize")
    form = page.get_by_role("form", name="Resize")
    form.get_by_label("LoRA", exact=True).fill(str(loras[0]))
    expect(form.get_by_label("How much to keep")).to_be_hidden()
    form.get_by_label("Rank of each layer").select_option("sv_fro")
    expect(form.get_by_text("Name the LoRA.")).to_be_visible()
    form.get_by_label("How much to keep").fill("0.9")
    expect(form.get_by_text(re.compile("Writes .*-resize"))).to_be_visible()
    form.get_by_label("Rank of each layer").select_option("")
    form.get_by_label("Rank", exact=True).fill("1")
    expect(form.get_by_text(re.compile(r"Writes .*-resize\.safetensors, 128 B\."))).to_be_visible()
