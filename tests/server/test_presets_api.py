from __future__ import annotations

from urllib.parse import quote

import httpx

from train_tools.app import App


def names(api: httpx.Client) -> list[str]:
    return [each["name"] for each in api.get("/presets").json()["presets"]]


def test_presets_are_listed_kept_applied_and_deleted(api: httpx.Client, app: App) -> None:
    name = "my / it's"
    assert api.put(f"/presets/{quote(name, safe='')}", json={"project": "zorb", "version": "v1"}).status_code in (
        400,
        404,
    )
    address = f"/presets/{quote('mine 猫', safe='')}"
    assert api.put(address, json={"project": "zorb", "version": "v1", "why": "So."}).json()["why"] == "So."
    assert names(api)[0] == "mine 猫"
    again = api.put(address, json={"project": "zorb", "version": "v1"})
    assert again.status_code == 409
    changed = api.put("/projects/zorb/versions/v1/preset", json={"preset": "sdxl-style-12gb"}).json()
    assert changed["after"]["network_dim"] == "32"
    assert app.versions.settings("zorb", "v1").options["network_dim"] == 32
    assert api.delete(address).status_code == 204
    assert api.delete(address).status_code == 404


def test_what_a_preset_says_can_be_typed(api: httpx.Client, app: App) -> None:
    for preset in api.get("/presets").json()["presets"]:
        asked = {"assignments": preset["assignments"]}
        counted = api.post("/projects/zorb/versions/v1/plan/count", json=asked)
        assert (counted.json()["runs"], counted.json()["faults"]) == (1, []), preset["name"]
