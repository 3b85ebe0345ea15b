from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from train_tools.app import App

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
VERSION = "/projects/zorb/versions/v1"
DRAFT = f"{VERSION}/draft"
EMPTY = {"assignments": {}, "unset": [], "rules": None, "grid": None, "engine": None, "previews": None}


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


def wanted(**options: str) -> dict[str, str]:
    return {"pretrained_model_name_or_path": str(POCKET), "unet_lr": "1e-4", "resolution": "64,64", **options}


def test_what_was_typed_is_kept_field_by_field(api: httpx.Client, app: App) -> None:
    assert api.get(DRAFT).json() == EMPTY
    api.patch(DRAFT, json={"fields": {"network_dim": "8, 16x", "seed": "1"}})
    api.patch(DRAFT, json={"fields": {"seed": "", "unet_lr": "1e-4"}, "engine": "kohya"})
    told = api.get(DRAFT)
    assert told.json() == {
        **EMPTY,
        "assignments": {"network_dim": "8, 16x", "unet_lr": "1e-4"},
        "unset": ["seed"],
        "engine": "kohya",
    }
    assert api.get(DRAFT, headers={"if-none-match": told.headers["etag"]}).status_code == 304
    api.patch(DRAFT, json={"fields": {"seed": None, "network_dim": None}, "engine": None})
    assert api.get(DRAFT).json() == {**EMPTY, "assignments": {"unet_lr": "1e-4"}}
    api.put(DRAFT, json={})
    assert not app.versions.paths("zorb", "v1").draft.exists()


def test_a_draft_that_can_not_be_read_is_none(api: httpx.Client, app: App) -> None:
    app.versions.paths("zorb", "v1").draft.write_text('{"format": 1, "assignments": [')
    assert api.get(DRAFT).json() == EMPTY


def test_everything_that_is_wrong_is_told_at_once_and_the_rest_is_understood(api: httpx.Client) -> None:
    typed = wanted(network_dim="8:32:*2", train_batch_size="2x", lr_scheduler="cosin")
    told = api.post(f"{VERSION}/plan/count", json={"assignments": typed}).json()
    assert told["runs"] is None
    assert sorted(fault["option"] for fault in told["faults"]) == ["lr_scheduler", "train_batch_size"]
    assert told["axes"] == {"network_dim": {"values": ["8", "16", "32"], "total": 3}}


@pytest.mark.parametrize(
    ("typed", "rules", "option"),
    [
        ({"network_alpha": "=network_alpha"}, {}, "network_alpha"),
        ({"network_dim": "8,16", "network_alpha": "1,2,3"}, {"zipped": [["network_dim", "network_alpha"]]}, ""),
        ({"network_dim": "8,16"}, {"exclude": ["network_dim~8"]}, ""),
    ],
)
def test_what_goes_wrong_between_options_is_told_too(
    api: httpx.Client, typed: dict[str, str], rules: dict[str, Any], option: str
) -> None:
    asked = {"assignments": wanted(**typed), "rules": rules}
    told = api.post(f"{VERSION}/plan/count", json=asked).json()
    assert (told["runs"], [fault["option"] for fault in told["faults"]]) == (None, [option])


def test_an_emptied_field_takes_the_default_of_the_trainer(api: httpx.Client) -> None:
    api.post(f"{VERSION}/runs", json={"assignments": wanted(seed="1,2", max_train_epochs="2")})
    counted = api.post(f"{VERSION}/plan/count", json={"unset": ["seed"]}).json()
    assert (counted["runs"], counted["axes"]) == (1, {})


def test_unticked_runs_are_listed_and_neither_counted_nor_queued(api: httpx.Client) -> None:
    labels = ["network_dim=8 seed=2", "no such run"]
    asked = {"assignments": wanted(network_dim="4,8", seed="1,2"), "rules": {"left_out": labels}}
    assert api.post(f"{VERSION}/plan/count", json=asked).json()["runs"] == 3
    plan = api.post(f"{VERSION}/plan", json=asked).json()
    assert (plan["runs"], plan["total"], plan["done"], plan["left_out"]) == (3, 4, 0, 1)
    assert [run["label"] for run in plan["planned"] if run["left_out"]] == labels[:1]
    assert plan["steps"] == 3 * plan["planned"][0]["steps"]
    submitted = api.post(f"{VERSION}/runs", json=asked).json()
    assert len(submitted["jobs"]) == 3
    again = api.post(f"{VERSION}/plan", json={}).json()
    assert [run["left_out"] for run in again["planned"]] == [False, False, False, True]
    assert api.get(f"{VERSION}/settings").json()["rules"]["left_out"] == labels
    everything = {"rules": {"left_out": [run["label"] for run in again["planned"]]}}
    refused = api.post(f"{VERSION}/runs", json=everything)
    assert (refused.status_code, "left out" in refused.json()["error"]["message"]) == (400, True)


def test_a_plan_says_what_the_optimizer_really_does_and_what_memory_it_takes(api: httpx.Client) -> None:
    typed = wanted(max_train_epochs="6", train_batch_size="1", gradient_accumulation_steps="2", repeats="3")
    plan = api.post(f"{VERSION}/plan", json={"assignments": typed}).json()
    [run] = plan["planned"]
    assert (run["steps"], run["images_per_step"], run["views"]) == (18, 2, 18)
    assert 0 < plan["memory"]["bytes"] < 10e9


def test_a_form_begins_like_a_grid_or_a_run(api: httpx.Client, app: App) -> None:
    first = api.post(f"{VERSION}/runs", json={"assignments": wanted(network_dim="4,8"), "grid": "old"}).json()
    api.post(f"{VERSION}/runs", json={"assignments": {"network_dim": "16", "noise_offset": "0.1"}, "grid": "new"})
    draft = api.post(f"{DRAFT}/like", json={"name": "old"}).json()
    assert (draft["assignments"], draft["unset"]) == ({"network_dim": "4, 8"}, ["noise_offset"])
    plan = api.post(f"{VERSION}/plan", json=draft).json()
    assert [run["label"] for run in plan["planned"]] == ["network_dim=4", "network_dim=8"]
    run = app.jobs.queue.get(first["jobs"][1]).folder.rpartition("/")[2]
    draft = api.post(f"{DRAFT}/like", json={"name": run}).json()
    assert draft["assignments"]["network_dim"] == "8"
    assert api.get(DRAFT).json() == draft
    assert api.post(f"{DRAFT}/like", json={"name": "no such"}).status_code == 404


def test_a_preset_and_an_export_take_what_was_typed(api: httpx.Client) -> None:
    draft = {"assignments": wanted(network_dim="4,8"), "rules": {"left_out": ["network_dim=4"]}}
    new = {"project": "zorb", "version": "v1", "draft": draft}
    assert api.put("/presets/small", json=new).json()["assignments"]["network_dim"] == "4, 8"
    [exported] = api.post(f"{VERSION}/config/export", json=draft).json()["configs"]
    assert "network_dim = 8" in exported["text"]
