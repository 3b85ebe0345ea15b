"""Checks over the API: what is known, cures as they were shown, and undone."""

from __future__ import annotations

import httpx

from train_tools.app import App

AT = "/projects/zorb/versions/v1/dataset/checks"


def known(api: httpx.Client) -> dict:
    return api.get(AT).raise_for_status().json()


def test_what_is_known_grows_with_a_look_and_a_cure_is_applied_and_undone(api: httpx.Client, app: App) -> None:
    assert (known(api)["images"], known(api)["not_looked_at"]) == (2, 2)
    app.checks.look("zorb", "v1")
    found = known(api)
    assert found["not_looked_at"] == 0
    [flat] = [each for each in found["findings"] if each["check"] == "flat"]
    assert flat["remedy"]["words"] == "put 2 images aside"
    wanted = {"kind": flat["remedy"]["kind"], "arguments": {"images": flat["images"][:1]}}
    record = api.post(f"{AT}/cures", json=wanted).raise_for_status().json()
    assert (record["what"], record["undone"], known(api)["images"]) == ("put 1 image aside", False, 1)
    assert api.get(f"{AT}/cures").json()["cures"] == [record]
    undone = api.post(f"{AT}/cures/{record['number']}/undo").raise_for_status().json()
    assert (undone["undone"], known(api)["images"]) == (True, 2)
    assert api.post(f"{AT}/cures/{record['number']}/undo").status_code == 404


def test_a_look_is_a_light_job_that_is_asked_for_once(api: httpx.Client) -> None:
    first, second = (api.post(AT).raise_for_status().json() for _ in range(2))
    assert (first["kind"], first["id"]) == ("check", second["id"])


def test_a_cure_that_no_check_gave_is_refused(api: httpx.Client) -> None:
    for arguments in ({}, {"images": "x"}, {"images": []}, {"images": [1]}):
        refused = api.post(f"{AT}/cures", json={"kind": "put_aside", "arguments": arguments})
        assert (refused.status_code, "can't be applied" in refused.json()["error"]["message"]) == (400, True)
    outside = {"kind": "put_aside", "arguments": {"images": ["10_x/../../../project.toml"]}}
    assert api.post(f"{AT}/cures", json=outside).status_code == 404
    no_option = {"kind": "set_options", "arguments": {"values": {"no_such": 1}}}
    assert api.post(f"{AT}/cures", json=no_option).status_code == 400


def test_shares_are_told(api: httpx.Client) -> None:
    [share] = known(api)["shares"]
    assert (share["images"], share["share"], share["draws"]) == (2, 1.0, 2 * share["repeats"])


def test_buckets_are_told_and_drawn(api: httpx.Client) -> None:
    at = "/projects/zorb/versions/v1/dataset/buckets"
    assert api.get(at).raise_for_status().json()["resolution"] == [64, 64], "as the images were prepared"
    found = api.get(at, params={"set": ["resolution=32,64"]}).raise_for_status().json()
    [bucket] = found["buckets"]
    assert (bucket["size"], bucket["images"], bucket["cut"]) == ([32, 64], 2, 0.5)
    assert bucket["shown"][0]["kept"] == [16, 0, 48, 64]
    assert api.get(at, params={"set": "resolution=x"}).status_code == 400
    drawn = api.get(f"{at}/sheet.png")
    one = api.get(f"{at}/picture.png", params={"image": bucket["shown"][0]["image"]})
    assert [each.headers["content-type"] for each in (drawn, one)] == ["image/png"] * 2
    assert one.content.startswith(b"\x89PNG")
    assert api.get(f"{at}/picture.png", params={"image": "../../project.toml"}).status_code == 404
