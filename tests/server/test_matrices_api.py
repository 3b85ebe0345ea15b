"""Matrices over HTTP: pages, costs, settings, infotexts, deleting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.renderers.scene import write_lora
from train_tools.app import App
from train_tools.previews.picture_file import write_picture

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
VERSION = "/projects/zorb/versions/v1"


@pytest.fixture
def grid(app: App) -> str:
    """A grid of a run with two checkpoints, of which the first is rendered."""
    settings = app.versions.settings("zorb", "v1")
    small = replace(
        settings.previews, prompts=("<b>a</b>",), weights=(0.5, 1.0), seeds=(4,), width_px=64, height_px=64
    )
    app.versions.save_settings("zorb", "v1", replace(settings, previews=small, options={}, axes={}))
    queued = app.grids.submit(
        "zorb", "v1", {"pretrained_model_name_or_path": str(POCKET), "network_dim": "2", "max_train_epochs": "1"}
    )
    for job in queued.jobs:
        app.jobs.cancel(job)
    (run,) = app.versions.paths("zorb", "v1").trains.iterdir()
    for number in (1, 2):
        write_lora(run / f"zorb-v1-{number:06}.safetensors", seed=number)
    for cell in app.previews.matrix("zorb", "v1").cells[:3]:
        write_picture(cell.file, Image.new("RGB", (64, 64)), cell.picture, base_stem="base", lora_stem=None)
    return queued.grid


def test_a_matrix_tells_its_lines_by_axis_and_what_rendering_would_cost(api: httpx.Client, grid: str) -> None:
    matrix = api.get(f"{VERSION}/grids/{grid}/matrix").json()
    assert [row["base"] for row in matrix["rows"]] == [True, False, False]
    said = {value["axis"]: value["text"] for value in matrix["columns"][0]["values"]}
    assert said == {"prompt": "<b>a</b>", "seed": "4", "weight": "0.5"}
    assert (matrix["missing"], matrix["shown"], len(matrix["cells"])) == (2, 2, 5)
    assert api.get(f"{VERSION}/grids/{grid}/missing").json() == {"pictures": 2, "seconds": None}
    assert any("CFG 10" in line for line in matrix["told_once"])


def test_settings_are_changed_by_name_and_others_refused(api: httpx.Client, grid: str) -> None:
    changed = {"axes": {"sampler": ["Euler a", "DPM++ 2M Karras"]}, "images_per_cell": 4}
    answer = api.patch(f"{VERSION}/previews/settings", json=changed)
    assert answer.json()["settings"]["axes"] == changed["axes"]
    assert api.get(f"{VERSION}/previews/settings").json()["settings"]["images_per_cell"] == 4
    assert len(api.get(f"{VERSION}/grids/{grid}/matrix").json()["cells"]) == 2 * 5 * 4
    for wrong in ({"axes": {"sampler": ["x"]}}, {"steps": "9"}, {"nothing": 1}, {"weights": []}):
        assert api.patch(f"{VERSION}/previews/settings", json=wrong).status_code == 400, wrong


def test_an_infotext_is_read_and_nothing_is_kept(api: httpx.Client, grid: str) -> None:
    text = "a cat <lora:x:1>\nSteps: 12, Sampler: Euler, Seed: 3, Size: 64x128"
    answer = api.post(f"{VERSION}/previews/settings/infotext", json={"text": text}).json()
    assert answer["settings"]["prompts"] == ["a cat"] and "<lora:x:1>" in answer["notes"][0]
    assert api.get(f"{VERSION}/previews/settings").json()["settings"]["steps"] == 28
    assert api.post(f"{VERSION}/previews/settings/infotext", json={"text": "hello"}).status_code == 400


def test_one_cell_is_deleted_or_all_pictures(api: httpx.Client, grid: str) -> None:
    assert api.delete(f"{VERSION}/grids/{grid}/matrix/1/0").json() == {"pictures": 1}
    assert api.delete(f"{VERSION}/grids/{grid}/matrix/9/9").status_code == 404
    assert api.delete(f"{VERSION}/previews").json() == {"pictures": 2}


def test_a_run_that_has_saved_nothing_can_not_be_rendered_now(api: httpx.Client, app: App, grid: str) -> None:
    (run,) = app.versions.paths("zorb", "v1").trains.iterdir()
    queued = api.post(f"{VERSION}/previews/now/{run.name}")
    assert queued.status_code == 201 and app.jobs.get(queued.json()["jobs"][0]).kind == "preview-now"
    assert api.post(f"{VERSION}/previews/now/none").status_code == 404


def test_a_look_orders_filters_and_turns_the_matrix_and_keeps_nothing(api: httpx.Client, grid: str) -> None:
    def told(**look: str | int) -> list[str]:
        answer = api.get(f"{VERSION}/grids/{grid}/matrix", params=look)
        assert answer.status_code == 200, answer.text
        return [answer.json()["checkpoints"][row["checkpoint"]]["name"] for row in answer.json()["rows"][1:]]

    assert told() == ["zorb-v1-000001", "zorb-v1-000002"]
    assert told(sort="name", descending="true") == ["zorb-v1-000002", "zorb-v1-000001"]
    assert told(text="000002") == ["zorb-v1-000002"]
    assert told(rated=1) == []
    turned = api.get(
        f"{VERSION}/grids/{grid}/matrix", params={"rows": "weight", "columns": "run,checkpoint"}
    ).json()
    assert [axis["name"] for axis in turned["row_axes"]] == ["weight"]
    assert api.get(f"{VERSION}/previews/settings").json()["settings"]["rows"] == []
    for wrong in ({"rows": "nothing"}, {"rated": 9}, {"run": "none"}, {"sort": "colour"}):
        assert api.get(f"{VERSION}/grids/{grid}/matrix", params=wrong).status_code in (400, 404, 422), wrong


def test_one_picture_is_asked_for_by_its_key(api: httpx.Client, app: App, grid: str) -> None:
    cells = api.get(f"{VERSION}/grids/{grid}/matrix").json()["cells"]
    assert [cell["fate"] for cell in cells] == [None, None, None, "missing", "missing"]
    answer = api.post(f"{VERSION}/grids/{grid}/render", json={"pictures": [cells[3]["key"]]})
    (job,) = answer.json()["jobs"]
    matrix = api.get(f"{VERSION}/grids/{grid}/matrix").json()
    assert [cell["fate"] for cell in matrix["cells"]][3:] == ["queued", "missing"]
    assert matrix["cells"][3]["job"] == job and [each["id"] for each in matrix["jobs"]] == [job]
    assert api.post(f"{VERSION}/grids/{grid}/render", json={"pictures": [cells[0]["key"]]}).status_code == 404


def test_settings_are_read_from_a_pictures_content(api: httpx.Client, grid: str, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a dog\nSteps: 12, Sampler: Euler, Seed: 3, Size: 64x128")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=texts)
    asked = f"{VERSION}/previews/settings/picture"
    answer = api.post(asked, content=(tmp_path / "a.png").read_bytes())
    assert (answer.json()["settings"]["prompts"], answer.json()["settings"]["steps"]) == (["a dog"], 12)
    assert api.post(asked, content=b"%!PS-Adobe-3.0").status_code == 400
    choices = api.get(f"{VERSION}/previews/choices").json()
    assert "Euler a" in choices["samplers"] and choices["renderers"] == ["bundled", "webui"]
