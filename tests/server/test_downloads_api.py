from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.base_models.depot import Depot, giving
from tests.jobs.patience import eventually
from train_tools.app import App

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Depot]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with giving(Depot(POCKET.read_bytes())) as depot:
        yield depot


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_a_model_is_looked_at_agreed_to_and_fetched(api: httpx.Client, app: App, depot: Depot) -> None:
    address = f"{depot.address}file/a.safetensors?token=sEcReT"
    offer = api.post("/models/downloads/look", json={"address": address}).json()
    assert (offer["name"], offer["size_bytes"]) == ("a.safetensors", len(depot.content))
    agreed = {name: offer[name] for name in ("folder", "name", "size_bytes", "sent_by")}
    other = api.post("/models/downloads", json={"address": address, **agreed, "size_bytes": 5})
    assert "agree anew" in refused(other, 409)
    started = api.post("/models/downloads", json={"address": address, **agreed})
    assert (started.status_code, started.json()["state"]) == (202, "running")

    def state() -> str:
        return str(api.get("/models/downloads").json()["downloads"][0]["state"])

    eventually(lambda: state() == "done")
    assert "sEcReT" not in api.get("/models/downloads").text
    assert [model["name"] for model in api.get("/models").json()["models"]] == ["a.safetensors"]
    assert api.delete("/models/downloads/1").json()["state"] == "done"


def test_what_can_not_be_is_told(api: httpx.Client, depot: Depot, tmp_path: Path) -> None:
    assert "https" in refused(api.post("/models/downloads/look", json={"address": "file:///etc/passwd"}), 400)
    assert refused(api.delete("/models/downloads/9"), 404)
    wish = {
        "address": f"{depot.address}file/a.safetensors",
        "name": "a.safetensors",
        "size_bytes": 1,
        "sent_by": "",
    }
    elsewhere = api.post("/models/downloads", json={**wish, "folder": str(tmp_path)})
    assert "none of the folders" in refused(elsewhere, 400)
