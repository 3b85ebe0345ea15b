"""Scores by the API: what is known, what is queued, pairs and votes."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from PIL import Image

from tests.lora_engine.lessons import POCKET
from tests.renderers.scene import write_lora
from train_tools.app import App
from train_tools.model.draft import Draft
from train_tools.previews.picture_file import write_picture

GRID = "/projects/zorb/versions/v1/grids/ranks"


@pytest.fixture
def grid(app: App) -> str:
    """Two runs with a checkpoint each, and a preview of each."""
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8,16"}
    for job in app.grids.submit("zorb", "v1", Draft(assignments=wanted, grid="ranks")).jobs:
        app.jobs.cancel(job)
    paths = app.versions.paths("zorb", "v1")
    for number, run in enumerate(app.grids.record("zorb", "v1", "ranks").runs):
        write_lora(paths.run(run).folder / f"{number}.safetensors", seed=number)
    for number, cell in enumerate(app.previews.matrix("zorb", "v1", "ranks").cells):
        image = Image.new("RGB", (64, 64), (20 * number, 90, 10))
        write_picture(cell.file, image, cell.picture, base_stem="pocket", lora_stem=None)
    return GRID


def test_scores_come_with_evidence_and_measuring_is_queued(api: httpx.Client, app: App, grid: str) -> None:
    told = api.get(f"{grid}/scores").json()
    assert [each["name"] for each in told["checkpoints"]] == ["0", "1"]
    effect = told["checkpoints"][0]["scores"]["effect"]
    assert effect["value"] > 0
    assert effect["sureness"] in ("low", "moderate", "high")
    assert effect["evidence"]
    assert told["unmeasured"] == 3
    assert {each["scorer"] for each in told["checkpoints"][0]["unscored"]} >= {
        "fixed-noise",
        "votes",
        "validation",
    }
    answer = api.post(f"{grid}/scores")
    assert answer.status_code == 201
    job = app.jobs.get(answer.json()["job"])
    assert (job.kind, job.total_steps) == ("score", 3)
    assert api.post(f"{grid}/scores").json()["job"] == job.id


def test_two_pictures_are_shown_without_names_and_a_vote_is_kept(api: httpx.Client, app: App, grid: str) -> None:
    pair = api.get(f"{grid}/pair").json()
    assert set(pair) == {"key", "prompt", "first", "second"}
    runs = app.grids.record("zorb", "v1", "ranks").runs
    assert not any(told in json.dumps(pair) for told in (*runs, "0.safetensors", "trains"))
    assert api.post(f"{grid}/votes", json={"key": pair["key"], "preference": "first"}).status_code == 201
    (line,) = Path(app.versions.paths("zorb", "v1").votes).read_text().splitlines()
    assert json.loads(line)["preference"] == "first"
    votes = [each["scores"]["votes"] for each in api.get(f"{grid}/scores").json()["checkpoints"]]
    assert sorted(each["details"]["wins"] for each in votes) == [0, 1]


def test_the_pictures_of_a_pair_say_nothing_of_what_made_them(api: httpx.Client, grid: str) -> None:
    pair = api.get(f"{grid}/pair").json()
    seen = [Image.open(BytesIO(_got(api, pair[side]["full"]).content)) for side in ("first", "second")]
    assert [image.size for image in seen] == [(64, 64), (64, 64)]
    assert seen[0].getpixel((0, 0)) != seen[1].getpixel((0, 0)), "each its own"
    assert [image.info for image in seen] == [{}, {}]
    assert "immutable" in _got(api, pair["first"]["full"]).headers["cache-control"]
    assert api.get(f"{grid}/blind/no-key").status_code == 404


def _got(api: httpx.Client, address: str) -> httpx.Response:
    answer = api.get(urljoin(str(api.base_url), address))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert "content-disposition" not in answer.headers
    return answer


def test_votes_that_are_none_are_refused(api: httpx.Client, grid: str) -> None:
    pair = api.get(f"{grid}/pair").json()
    assert api.post(f"{grid}/votes", json={"key": pair["key"], "preference": "best"}).status_code == 400
    assert api.post(f"{grid}/votes", json={"key": "x-y", "preference": "first"}).status_code in (400, 409)
    assert api.post(f"{grid}/votes", json={"key": pair["key"], "preference": "first", "x": 1}).status_code == 422


def test_loss_curves_are_listed_by_run(api: httpx.Client, grid: str) -> None:
    curves = api.get(f"{grid}/losses").json()["curves"]
    assert [each["label"] for each in curves] == ["network_dim=8", "network_dim=16"]
    assert curves[0]["points"] == []
    assert curves[0]["varied"] == {"network_dim": 8}
    assert [name for _, name in curves[0]["checkpoints"]] == ["0"]


def test_the_best_by_score_are_kept_and_the_others_told(api: httpx.Client, app: App, grid: str) -> None:
    at = "/projects/zorb/versions/v1/checkpoints/keep/preview"
    wish = {"best": 1, "by": "score", "finals": False}
    for picture in app.versions.paths("zorb", "v1").folder.rglob("images/*.png"):
        picture.unlink()
    assert "train-tools score" in api.post(at, json=wish).json()["error"]["message"], "nothing ranks them"
    first, second = app.grids.record("zorb", "v1", "ranks").runs
    for name, stars in (("0", 2), ("1", 4)):
        app.checkpoints.mark("zorb", "v1", name, rating=stars)
    told = api.post(at, json=wish).json()
    assert (told["going"], told["staying"]) == ([f"{first}/0"], [f"{second}/1"])
    assert told["freed_bytes"] > 1000
    assert api.post(at, json={**wish, "each_run": True}).json()["going"] == []
    assert api.post(at, json={**wish, "grid": "no such"}).status_code == 404
    write_lora(app.versions.paths("zorb", "v1").run(first).folder / "stranger.safetensors", seed=7)
    unscored = set(api.post(at, json=wish).json()["going"]) - {f"{first}/0"}
    assert unscored == {f"{first}/stranger"}, "what has no score is no best"


def test_what_options_do_can_be_drawn(api: httpx.Client, app: App, grid: str) -> None:
    for name, stars in (("0", 4), ("1", 2)):
        app.checkpoints.mark("zorb", "v1", name, rating=stars)
    (effect,) = [each for each in api.get(f"{grid}/scores").json()["effects"] if each["scorer"] == "stars"]
    assert (effect["option"], effect["best"], effect["spread"]) == ("network_dim", 8, 2.0)
    assert (effect["means"], effect["errors"]) == ([[8, 4.0, 1], [16, 2.0, 1]], [None, None])
    assert [(each["value"], each["name"], each["score"]) for each in effect["best_checkpoints"]] == [
        (8, "0", 4.0),
        (16, "1", 2.0),
    ]
