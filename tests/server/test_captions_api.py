from __future__ import annotations

from urllib.parse import quote

import httpx
import pytest

from train_tools.app import App

AT = "/projects/zorb/versions/v1/captions"


def page(api: httpx.Client, **asked: object) -> dict:
    return api.get(AT, params=asked).raise_for_status().json()


def address(image: str) -> str:
    return f"{AT}/images/{quote(image)}"


def edit(api: httpx.Client, **wanted: object) -> dict:
    return api.post(f"{AT}/edits", json=wanted).raise_for_status().json()


@pytest.fixture
def blue(api: httpx.Client) -> dict:
    return page(api)["shown"][0]


def test_captions_come_in_pages_with_sizes_and_the_folder(api: httpx.Client, app: App, blue: dict) -> None:
    assert (page(api)["images"], page(api, offset=1, limit=5)["shown"][0]["caption"]) == (2, "a red wall")
    assert page(api)["folder"] == str(app.versions.paths("zorb", "v1").processed)
    assert (blue["caption"], blue["width_px"], blue["height_px"], blue["class_name"]) == (
        "a blue wall",
        64,
        64,
        "zorb",
    )
    assert [each["name"] for each in page(api, where="text:red")["shown"]] == ["00001-0-red.png"]
    assert "can't be read" in api.get(AT, params={"where": "AND"}).json()["error"]["message"]


def test_the_second_of_two_editors_is_told_what_is_there_now(api: httpx.Client, blue: dict) -> None:
    first = api.patch(address(blue["image"]), json={"caption": "mine", "edition": blue["edition"]})
    assert (first.status_code, first.json()["caption"]) == (200, "mine")
    second = api.patch(address(blue["image"]), json={"caption": "yours", "edition": blue["edition"]})
    assert second.status_code == 409
    assert second.json()["error"]["type"] == "ChangedMeanwhileError"
    now = second.json()["now"]
    assert now["caption"] == "mine" == api.get(address(blue["image"])).json()["caption"]
    third = api.patch(address(blue["image"]), json={"caption": "ours", "edition": now["edition"]})
    assert third.json()["effective"] == "ours"


def test_what_another_program_saves_is_seen_and_stays(api: httpx.Client, app: App, blue: dict) -> None:
    file = (app.versions.paths("zorb", "v1").processed / blue["image"]).with_suffix(".txt")
    file.write_text("from outside")
    assert page(api)["shown"][0]["caption"] == "from outside"
    late = api.patch(address(blue["image"]), json={"caption": "mine", "edition": blue["edition"]})
    assert (late.status_code, late.json()["now"]["caption"], file.read_text()) == (
        409,
        "from outside",
        "from outside",
    )


@pytest.mark.parametrize("image", ["10_none/a.png", "../../../project.toml", "/etc/passwd"])
def test_only_training_images_have_captions(api: httpx.Client, image: str) -> None:
    # 422: httpx walks up the address itself, to a route that knows neither field
    assert api.patch(address(image), json={"caption": "x", "edition": "none"}).status_code in (404, 422)


def test_many_captions_are_changed_shown_before_and_undone(api: httpx.Client, blue: dict) -> None:
    wanted = {"kind": "add", "put": "zorb", "front": True, "where": "text:blue"}
    shown = edit(api, **wanted, preview=True)
    assert shown["preview"] == [{"image": blue["image"], "before": "a blue wall", "after": "zorb, a blue wall"}]
    assert page(api)["shown"][0]["caption"] == "a blue wall"
    done = edit(api, **wanted)
    assert (done["edit"]["number"], done["changed"], done["images"]) == (1, 1, [blue["image"]])
    assert page(api, where="zorb")["images"] == 1
    assert api.get(f"{AT}/edits/1").json() == {"images": [blue["image"]]}
    assert api.post(f"{AT}/edits/undo", json={}).json()["edit"]["state"] == "undone"
    assert page(api, where="zorb")["images"] == 0
    assert api.post(f"{AT}/edits/redo", json={"number": 1}).json()["changed"] == 1
    listed = api.get(f"{AT}/edits").json()["edits"]
    assert [(each["what"], each["state"], each["count"]) for each in listed] == [("add zorb in front", "done", 1)]


def test_an_edit_is_of_a_selection_or_of_all(api: httpx.Client, blue: dict) -> None:
    assert edit(api, kind="add", put="x", images=[blue["image"]])["changed"] == 1
    assert edit(api, kind="add", put="x")["changed"] == 1
    missing = api.post(f"{AT}/edits", json={"kind": "add", "put": "x", "images": ["10_zorb/none.png"]})
    assert missing.status_code == 404
    assert api.post(f"{AT}/edits", json={"kind": "shout"}).status_code == 422


def test_undoing_refuses_what_was_changed_since(api: httpx.Client, app: App, blue: dict) -> None:
    edit(api, kind="write", put="one")
    (app.versions.paths("zorb", "v1").processed / blue["image"]).with_suffix(".txt").write_text("theirs")
    refused = api.post(f"{AT}/edits/undo", json={})
    assert (refused.status_code, blue["image"] in refused.json()["error"]["message"]) == (409, True)
    undone = api.post(f"{AT}/edits/undo", json={"leave_changed": True}).json()
    assert (undone["left"], undone["changed"]) == ([blue["image"]], 1)


def test_the_trigger_is_kept_applied_and_checked(api: httpx.Client) -> None:
    kept = api.put(f"{AT}/trigger", json={"policy": "prefix", "words": "zorb", "classes": {"x": "y"}}).json()
    assert kept == {"policy": "prefix", "words": "zorb", "classes": {"x": "y"}}
    assert api.get(f"{AT}/check").json()["check"]["coverage"] == 0.0
    edit(api, kind="trigger")
    assert api.get(f"{AT}/trigger").json() == kept
    check = api.get(f"{AT}/check").json()["check"]
    assert (check["coverage"], check["trigger_words"]) == (1.0, 1)
    assert api.put(f"{AT}/trigger", json={"policy": "prefix"}).status_code == 400


def test_tags_tokens_and_what_may_be_pruned_are_counted(api: httpx.Client) -> None:
    edit(api, kind="write", put="zorb, round, shiny")
    tags = api.get(f"{AT}/tags", params={"limit": 1}).json()
    assert (tags["tags"], tags["images"], tags["shown"]) == (
        3,
        2,
        [{"tag": "round", "captions": 2, "with_trigger": 0}],
    )
    assert [each["tag"] for each in api.get(f"{AT}/prune").json()["proposals"]] == ["round", "shiny", "zorb"]
    tokens = api.get(f"{AT}/tokens").json()
    assert (tokens["max_token_length"], tokens["over"]["75"], len(tokens["shown"])) == (75, 0, 2)


def test_captions_of_an_old_encoding_are_converted_once_it_is_said(
    api: httpx.Client, app: App, blue: dict
) -> None:
    file = (app.versions.paths("zorb", "v1").processed / blue["image"]).with_suffix(".txt")
    file.write_bytes("синяя стена".encode("cp1251"))
    shown = page(api)["shown"][0]
    assert (shown["caption"], "cp1251" in shown["problem"]) == (None, True)
    assert api.post(f"{AT}/convert", json={"encoding": "cp1251"}).json()["changed"] == 1
    assert page(api)["shown"][0]["caption"] == "синяя стена"


def test_images_are_put_in_order_and_their_names_told_alone(api: httpx.Client) -> None:
    assert [each["name"] for each in page(api, order="length")["shown"]] == ["00001-0-red.png", "00000-0-blue.png"]
    backwards = page(api, order="caption", backwards=True)
    names = api.get(f"{AT}/names", params={"order": "caption", "backwards": True}).json()
    assert [name.rpartition("/")[2] for name in names["images"]] == ["00001-0-red.png", "00000-0-blue.png"]
    assert names["listing"] == backwards["listing"] != page(api)["listing"]
    assert api.get(AT, params={"order": "smell"}).status_code == 422


def test_tags_of_chosen_images_are_counted(api: httpx.Client, blue: dict) -> None:
    edit(api, kind="add", put="sky")
    edit(api, kind="add", put="sea", images=[blue["image"]])
    asked = api.post(f"{AT}/tags", json={"images": [blue["image"]]}).json()
    assert (asked["images"], [each["tag"] for each in asked["shown"]]) == (1, ["sea", "sky"])


def test_a_caption_is_counted_while_it_is_typed(api: httpx.Client) -> None:
    answer = api.post(f"{AT}/tokens", json={"caption": "a red wall, a blue wall"})
    assert answer.raise_for_status().json() == {"tokens": 7}
