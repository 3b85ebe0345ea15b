from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.app.test_lora_tools import LAYER
from train_tools.app import App


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    path = tmp_path / "<b>zorb.safetensors"
    save_file(
        {
            f"{LAYER}.lora_up.weight": np.ones((8, 2), np.float32),
            f"{LAYER}.lora_down.weight": np.ones((2, 8), np.float32),
        },
        path,
    )
    return path


def test_a_lora_is_looked_at(api: httpx.Client, lora: Path) -> None:
    told = api.post("/loras/inspect", json={"file": str(lora)}).json()
    assert (told["kind"], told["ranks"], told["blocks"]) == (
        "LoRA",
        {"2": 1},
        [{"block": "IN01", "layers": 1, "norm": pytest.approx(16.0)}],
    )
    assert "<b>" not in told["chart"] and "&lt;b&gt;" in told["chart"]


@pytest.mark.parametrize(
    ("what", "wish"),
    [
        ("merge", {"models": ["LORA"], "ratios": [0.5]}),
        ("resize", {"model": "LORA", "rank": 1}),
        ("extract", {"original": "LORA", "tuned": "LORA"}),
        ("convert", {"model": "LORA", "scheme": "peft"}),
    ],
)
def test_files_are_made_by_jobs_among_the_loras(
    what: str, wish: dict, api: httpx.Client, app: App, lora: Path
) -> None:
    named = {
        key: [str(lora)] if value == ["LORA"] else str(lora) if value == "LORA" else value
        for key, value in wish.items()
    }
    answer = api.post(f"/loras/{what}", json={**named, "name": "my 猫"})
    assert answer.status_code == 201
    assert answer.json()["file"] == str(app.outputs.loras / "my 猫.safetensors")
    assert app.jobs.get(answer.json()["job"]).kind == "lora tool"


def test_what_would_be_written_is_told_before(api: httpx.Client, app: App, lora: Path) -> None:
    wish = {"models": [str(lora)], "name": "twice", "precision": "fp16"}
    told = api.post("/loras/merge/plan", json=wish).json()
    assert told == {"file": str(app.outputs.loras / "twice.safetensors"), "about_bytes": 64, "is_there": False}
    app.outputs.loras.mkdir()
    (app.outputs.loras / "twice.safetensors").touch()
    assert api.post("/loras/merge/plan", json=wish).json()["is_there"]
    assert api.post("/loras/merge/plan", json={**wish, "models": ["/no/such"]}).status_code == 404
    assert (
        api.post("/loras/resize/plan", json={"model": str(lora), "rank": 1, "name": "x"}).json()["about_bytes"]
        == 64
    )
    assert api.post("/loras/convert/plan", json={"model": str(lora), "name": "x"}).status_code == 200
    same = {"original": str(lora), "tuned": str(lora), "name": "x"}
    assert api.post("/loras/extract/plan", json=same).status_code == 400
    assert app.jobs.all() == []


def test_what_can_not_be_is_refused(api: httpx.Client, lora: Path) -> None:
    assert api.post("/loras/convert", json={"model": str(lora), "name": "../x"}).status_code == 400
    assert api.post("/loras/convert", json={"model": str(lora), "name": "x", "to": "peft"}).status_code == 422
    assert api.post("/loras/resize", json={"model": str(lora), "name": "x", "rank": 0}).status_code == 422
    assert api.post("/loras/merge", json={"models": ["/no/such"], "name": "x"}).status_code == 404
    assert api.post("/loras/inspect", json={"file": "/no/such.safetensors"}).status_code == 400
