from __future__ import annotations

import httpx

from train_tools.app import App


def test_a_project_is_renamed_remembered_put_away_and_brought_back(api: httpx.Client, app: App) -> None:
    changed = api.patch("/projects/zorb", json={"name": "zörb", "notes": "the banded one"}).json()
    assert (changed["name"], changed["notes"]) == ("zörb", "the banded one")
    token = api.delete("/projects/zörb").json()["token"]
    assert api.get("/projects").json()["projects"] == []
    assert [each["token"] for each in api.get("/trash").json()["trashed"]] == [token]
    assert api.post(f"/trash/{token}/restore").json() == {"project": "zörb", "version": None}
    assert [each.name for each in app.store.list()] == ["zörb"]


def test_a_version_is_copied_renamed_and_put_away_for_good(api: httpx.Client, app: App) -> None:
    of = "/projects/zorb/versions"
    assert api.post(f"{of}/v1/duplicate", json={"name": "v2"}).status_code == 201
    assert app.versions.dataset("zorb", "v2").image_count == 2
    assert api.patch(f"{of}/v2", json={"name": "v3"}).json()["name"] == "v3"
    token = api.delete(f"{of}/v3").json()["token"]
    assert api.delete(f"/trash/{token}").status_code == 204
    assert api.post(f"/trash/{token}/restore").status_code == 404


def test_a_name_that_is_taken_or_can_not_be_is_refused_in_words(api: httpx.Client, app: App) -> None:
    app.create_project("cat")
    assert api.patch("/projects/zorb", json={"name": "cat"}).status_code == 409
    answer = api.patch("/projects/zorb", json={"name": "a/b"})
    assert answer.status_code == 400 and "a/b" in answer.json()["error"]["message"]
    assert api.patch("/projects/zorb", json={"nam": "x"}).status_code == 422


def test_what_is_in_each_project_is_counted(api: httpx.Client) -> None:
    [found] = api.get("/projects/contents").json()["contents"]
    assert {**found, "changed": 0} == {
        "project": "zorb",
        "versions": 1,
        "images": 2,
        "runs": 0,
        "checkpoints": 0,
        "changed": 0,
    }


def test_the_demo_is_opened_finished(api: httpx.Client, app: App) -> None:
    app.store.rename("zorb", "mine")
    assert api.post("/projects/demo").json() == {"project": "zorb", "version": "demo"}
    assert app.contents("zorb").checkpoints == 4
