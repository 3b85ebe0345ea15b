"""Charts: their scales, what is told under the pointer, their data as files."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

DRAWN = """async () => {
  const { chartLook, LineChart } = await import("/train-tools/islands/base/chart.js");
  const chart = new LineChart({ label: "Loss", x: "images", y: "loss", file: "losses", smoothing: 0 });
  chart.element.style.width = "600px";
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, chartLook];
  document.body.prepend(chart.element);
  chart.show([{ name: "=rank 8", points: [[0, 4], [10, 2], [20, 1]] }, { name: "rank, 16", points: [[0, 3]] }]);
}"""


def test_a_legend_tells_the_values_under_the_pointer_also_by_keyboard(page: Page) -> None:
    page.evaluate(DRAWN)
    first = page.get_by_role("button", name="=rank 8")
    page.get_by_role("img", name="Loss").focus()
    page.keyboard.press("ArrowRight")
    expect(first).to_contain_text("4")
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    expect(first.locator("output")).to_have_text("1")
    first.click()
    expect(first).to_have_attribute("aria-pressed", "false")


def test_a_charts_data_are_files_that_no_spreadsheet_takes_for_formulas(page: Page) -> None:
    page.evaluate(DRAWN)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save losses as CSV").click()
    lines = Path(saved.value.path()).read_text("utf-8").splitlines()
    assert saved.value.suggested_filename == "losses.csv"
    assert lines == ["line,images,loss", "'=rank 8,0,4", "'=rank 8,10,2", "'=rank 8,20,1", '"rank, 16",0,3']
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save losses as JSON").click()
    rows = json.loads(Path(saved.value.path()).read_text("utf-8"))
    assert rows[1] == {"line": "=rank 8", "images": 10, "loss": 2}


def test_axes_are_written_in_round_numbers_and_lines_smoothed_without_a_bias(page: Page) -> None:
    told = page.evaluate("""async () => {
      const { Scale, smoothed, brief } = await import("/train-tools/islands/base/scales.js");
      const even = new Scale([0.03, 0.97]), log = new Scale([1e-3, 1, -5], { log: true });
      return {
        even: even.ticks(5), log: log.ticks(5), middle: log.value(0.5), kept: log.holds(-5),
        smooth: smoothed([[0, 2], [1, 2], [2, 8]], 0.5).map(([, y]) => y), words: [brief(0.00005), brief(12345)],
      };
    }""")
    assert told["even"] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert told["log"] == pytest.approx([1e-3, 1e-2, 1e-1, 1])
    assert told["middle"] == pytest.approx(10**-1.5)
    assert not told["kept"]
    assert told["smooth"] == pytest.approx([2, 2, 38 / 7])
    assert told["words"] == ["5e-5", "12.3K"]
