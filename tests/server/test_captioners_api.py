from __future__ import annotations

import httpx

from train_tools.app import App

CAPTIONING = "/projects/zorb/versions/v1/dataset/captioning"


def test_captioners_are_listed_and_one_is_suggested(api: httpx.Client) -> None:
    told = {each["name"]: each for each in api.get("/captioners").json()["captioners"]}
    assert told["wd-v3"]["style"] == "tags"
    assert told["florence-2"]["models"][0]["repository"] == "florence-community/Florence-2-base"
    assert api.get(f"{CAPTIONING}/suggested").json()["name"] == "wd-v3"


def test_captioning_is_queued_and_undone(api: httpx.Client, app: App) -> None:
    wish = {"captioners": [{"name": "file-name"}], "tags": {"replacements": [["red", "scarlet"]]}}
    answer = api.post(CAPTIONING, json=wish)
    assert answer.status_code == 201
    job = app.jobs.get(answer.json()["job"])
    assert (job.kind, job.total_steps) == ("caption", 2)
    assert api.post(CAPTIONING, json=wish).json()["job"] == job.id
    assert api.post(f"{CAPTIONING}/undo").status_code == 400, "while it waits"
    app.jobs.cancel(job.id)
    assert api.post(f"{CAPTIONING}/undo").json() == {"restored": 0, "left": []}


def test_what_would_have_to_be_fetched_is_asked_about_first(api: httpx.Client, app: App) -> None:
    answer = api.post(CAPTIONING, json={"captioners": [{"name": "blip"}]})
    assert answer.status_code == 409
    assert "model.safetensors of Salesforce/blip-image-captioning-base" in answer.json()["error"]["message"]
    agreed = api.post(CAPTIONING, json={"captioners": [{"name": "blip"}], "download": True})
    assert app.jobs.get(agreed.json()["job"]).subject["download"] is True


def test_wishes_that_are_not_understood_are_refused(api: httpx.Client) -> None:
    assert api.post(CAPTIONING, json={"captioners": []}).status_code == 400
    assert api.post(CAPTIONING, json={"captioners": [{"name": "wd"}]}).status_code == 400
    assert api.post(CAPTIONING, json={"captioners": [{"name": "blip"}], "existing": "merge"}).status_code == 400
    assert api.post(CAPTIONING, json={"captioners": [{"name": "blip"}], "treshold": 1}).status_code == 422
    assert (
        api.post(CAPTIONING, json={"captioners": [{"name": "blip"}], "tags": {"threshold": 2}}).status_code == 400
    )
