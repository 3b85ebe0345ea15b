from __future__ import annotations

import sys
from pathlib import Path

import httpx
import pytest

from tests.engines.kohya_checkout import COMMIT, lay_out
from train_tools.app import App

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


@pytest.fixture
def checkout(app: App, tmp_path: Path) -> Path:
    folder = lay_out(tmp_path / "sd-scripts")
    app.engines.add("kohya", folder, Path(sys.executable))
    return folder


def test_trainers_are_listed(checkout, api):
    bundled, kohya = api.get("/engines").json()
    assert (bundled["name"], bundled["problem"]) == ("bundled", "")
    assert kohya == {
        "name": "kohya",
        "commit": COMMIT,
        "scripts": ["train_network", "sdxl_train_network"],
        "problem": "",
    }


def test_options_come_with_words_groups_and_marks(checkout, api):
    answer = api.get("/engines/kohya/options").json()
    options = {option["name"]: option for option in answer["options"]}
    assert options["network_dim"]["label"] == "Rank"
    assert (options["network_dim"]["type"], options["network_dim"]["usual"]) == ("int", "4, 8, 16, 32, 64, 128")
    assert options["wandb_api_key"]["danger"] == "secret"
    assert "WANDB_API_KEY" in options["wandb_api_key"]["refusal"]
    assert {option["group"] for option in options.values()} <= set(answer["groups"])
    bundled = api.get("/engines/bundled/options").json()["options"]
    assert "state_every_n_steps" in {option["name"] for option in bundled}


def test_a_trainer_that_is_not_there_is_told(api: httpx.Client):
    assert api.get("/engines/kohya/options").status_code == 404


def test_nothing_is_added_or_tried_over_the_api(checkout, api):
    for method, address in (("POST", "/engines"), ("PUT", "/engines/kohya"), ("POST", "/engines/kohya/check")):
        assert api.request(method, address, json={}).status_code in (404, 405)


def test_a_hostile_setup_is_never_run_from_the_api(checkout, api):
    hit = checkout / "hit"
    for name in ("setup.py", "conftest.py", "sitecustomize.py"):
        (checkout / name).write_text(f"open({str(hit)!r}, 'w').close()\n", encoding="utf-8")
    assert api.get("/engines").json()[1]["problem"] == ""
    assert api.get("/engines/kohya/options").status_code == 200
    wanted = {"pretrained_model_name_or_path": str(POCKET)}
    planned = api.post("/projects/zorb/versions/v1/plan", json={"assignments": wanted, "engine": "kohya"})
    assert planned.json()["runs"] == 1
    assert not hit.exists()


def test_a_plan_is_made_for_a_trainer(checkout, api):
    wanted = {"pretrained_model_name_or_path": str(POCKET), "validation_split": "0.5"}
    answer = api.post("/projects/zorb/versions/v1/plan", json={"assignments": wanted, "engine": "kohya"}).json()
    assert (answer["engine"], answer["runs"]) == ("kohya", 1)
    count = api.post("/projects/zorb/versions/v1/plan/count", json={"assignments": wanted, "engine": "kohya"})
    assert (count.json()["runs"], count.json()["exact"]) == (1, True)
