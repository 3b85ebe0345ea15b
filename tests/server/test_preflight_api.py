from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
VERSION = "/projects/zorb/versions/v1"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))


def asked(**options: str) -> dict[str, Any]:
    usual = {"pretrained_model_name_or_path": str(POCKET), "unet_lr": "1e-4", "resolution": "64,64"}
    return {"assignments": {**usual, **options}}


def test_a_grid_is_looked_at_without_being_queued(api: httpx.Client):
    answer = api.post(f"{VERSION}/preflight", json=asked(network_dim="8,64")).json()
    assert answer["level"] == "warning"
    [rank] = [finding for finding in answer["findings"] if finding["check"] == "rank"]
    assert (rank["level"], len(rank["runs"]), "Take 32" in rank["cure"]) == ("warning", 1, True)
    assert api.get("/queue").json()["waiting"] == 0


def test_what_can_not_be_planned_is_a_finding_and_no_error(api: httpx.Client):
    answer = api.post(f"{VERSION}/preflight", json=asked(network_dimm="8"))
    assert answer.status_code == 200
    assert [finding["level"] for finding in answer.json()["findings"]] == ["stop"]


def test_what_is_stopped_is_queued_only_for_those_who_want_it_anyway(api: httpx.Client):
    order = asked(mixed_precision="fp16")
    stopped = api.post(f"{VERSION}/runs", json=order)
    assert stopped.status_code == 409
    assert "fp16 works on graphics cards only" in stopped.json()["error"]["message"]
    submitted = api.post(f"{VERSION}/runs", json={**order, "anyway": True})
    assert submitted.status_code == 201
    assert submitted.json()["preflight"]["level"] == "stop"
