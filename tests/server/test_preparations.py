"""Previews of a preparation, parts cut by hand, and schedules, over HTTP."""

from __future__ import annotations

import base64
import io

import httpx
from PIL import Image

from tests.server.test_api import VERSION, refused


def picture_of(address: str) -> Image.Image:
    assert address.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_preparation_is_tried_on_one_picture_and_nothing_is_stored(api: httpx.Client) -> None:
    before = api.get(f"{VERSION}/settings").json()["preparation"]
    trial = {"preparation": {"width_px": 128, "mirrored_copies": True}}
    seen = api.post(f"{VERSION}/dataset/preview", json=trial).json()
    assert seen["stages"][-1]["name"] == "with mirrored copies"
    assert [picture_of(each).size for each in seen["stages"][-1]["pictures"]] == [(128, 64)] * 2
    assert api.get(f"{VERSION}/settings").json()["preparation"] == before
    assert refused(api.post(f"{VERSION}/dataset/preview", json={"original": "no.png"}), 404)
    assert refused(api.post(f"{VERSION}/dataset/preview", json={"preparation": {"resize": "x"}}), 400)
    assert refused(api.post(f"{VERSION}/dataset/preview", json={"preparation": {"nothing": 1}}), 422)


def test_parts_are_cut_by_hand_and_whole_again(api: httpx.Client) -> None:
    name = api.post(f"{VERSION}/dataset/preview", json={}).json()["original"]
    part = {"left": 0.0, "top": 0.0, "right": 0.5, "bottom": 1.0}
    assert api.put(f"{VERSION}/dataset/crops", json={"original": name, "part": part}).json() == {
        "crops": {name: part}
    }
    assert api.get(f"{VERSION}/dataset/crops").json()["crops"] == {name: part}
    wrong = {"original": name, "part": {**part, "right": 0.0}}
    assert "shares" in refused(api.put(f"{VERSION}/dataset/crops", json=wrong), 400)
    assert refused(api.put(f"{VERSION}/dataset/crops", json={"original": "../x", "part": part}), 404)
    assert api.put(f"{VERSION}/dataset/crops", json={"original": name, "part": None}).json() == {"crops": {}}


def test_of_steps_repeats_and_epochs_two_give_the_third(api: httpx.Client) -> None:
    answer = api.get(f"{VERSION}/dataset/schedule", params={"repeats": 10, "epochs": 5}).json()
    assert (answer["images"], answer["steps"], list(answer["shares"].values())) == (2, 100, [1.0])
    assert "two of" in refused(api.get(f"{VERSION}/dataset/schedule", params={"steps": 5}), 400)


def test_every_setting_of_the_preparation_can_be_changed(api: httpx.Client) -> None:
    changed = api.patch(f"{VERSION}/settings/preparation", json={"split": True, "focal_edges": 0.25})
    assert (changed.json()["preparation"]["split"], changed.json()["preparation"]["focal_edges"]) == (True, 0.25)
    assert refused(api.patch(f"{VERSION}/settings/preparation", json={"splitt": True}), 422)


def test_every_setting_tells_what_it_may_be(api: httpx.Client) -> None:
    settings = {each["name"]: each for each in api.get("/preparation-settings").json()["settings"]}
    stored = api.get(f"{VERSION}/settings").json()["preparation"]
    assert settings.keys() == stored.keys()
    assert settings["resize"]["choices"] == ["cover", "keep", "pad", "frames"]
    assert (settings["width_px"]["kind"], settings["width_px"]["least"], settings["width_px"]["most"]) == (
        "int",
        64,
        4096,
    )
