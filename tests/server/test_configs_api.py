from __future__ import annotations

import json
import tomllib
from pathlib import Path

import httpx

from train_tools.app import App

VERSION = "/projects/zorb/versions/v1"
FOREIGN = Path(__file__).parents[1] / "configs" / "foreign"


def file(name: str) -> dict[str, str]:
    return {"name": name, "text": (FOREIGN / name).read_text(encoding="utf-8")}


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_a_file_is_read_without_changing_anything(api: httpx.Client, app: App) -> None:
    before = app.versions.settings("zorb", "v1")
    read = api.post("/configs/read", json=file("kohya_ss.json")).json()
    assert read["format"] == "kohya_ss"
    assert read["assignments"]["resolution"] == '"768,512"'
    assert {entry["fate"] for entry in read["entries"] if entry["key"] == "wholly_new_key"} == {"unknown"}
    assert "hf_hidden" not in json.dumps(read)
    assert app.versions.settings("zorb", "v1") == before


def test_a_file_is_read_for_a_trainer(api: httpx.Client, app: App) -> None:
    text = {"name": "config.toml", "text": "network_dim = 8\n"}
    assert api.post("/configs/read", json=text).json()["trainer"] == "bundled"
    told = refused(api.post("/configs/read", json={**text, "trainer": "kohya"}), 404)
    assert "There is no engine 'kohya'" in told


def test_what_is_read_can_be_typed(api: httpx.Client, app: App) -> None:
    for name in sorted(each.name for each in FOREIGN.iterdir()):
        read = api.post("/configs/read", json=file(name)).json()
        counted = api.post(f"{VERSION}/plan/count", json={"assignments": read["assignments"]})
        assert (counted.json()["runs"], counted.json()["faults"]) == (1, []), name


def test_a_file_is_taken_over_and_exported(api: httpx.Client, app: App) -> None:
    taken = api.put(f"{VERSION}/config", json=file("one_trainer.json")).json()
    assert taken["change"]["after"]["network_dim"] == "16"
    assert app.versions.settings("zorb", "v1").options["network_dim"] == 16
    [exported] = api.post(f"{VERSION}/config/export", json={"assignments": {"seed": "5"}}).json()["configs"]
    table = tomllib.loads(exported["text"])
    assert (table["network_dim"], table["seed"]) == (16, 5)


def test_what_is_no_file_of_settings_is_told(api: httpx.Client) -> None:
    assert "can't be read" in refused(api.post("/configs/read", json={"name": "x.json", "text": "{"}), 400)
    assert "newer Train Tools" in refused(
        api.post("/configs/read", json={"name": "v.toml", "text": "format = 9\n[options]\n"}), 400
    )
    assert "path" in refused(api.post("/configs/read", json={"path": "/etc/passwd"}), 422)
