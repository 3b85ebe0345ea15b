from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from train_tools.app import App

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


@pytest.fixture
def model(app: App, tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "broken.safetensors").write_bytes(b"")
    app.settings.change({"models.folders": [str(folder)]})
    return Path(shutil.copy(POCKET, folder / "anime.safetensors"))


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_models_are_listed_and_not_sent_twice(api: httpx.Client, model: Path) -> None:
    first = api.get("/models")
    listed = first.json()
    assert [(each["name"], each["family"], each["style"]) for each in listed["models"]] == [
        ("anime.safetensors", "sd1", "tags"),
        ("broken.safetensors", "", ""),
    ]
    assert listed["models"][1]["problem"]
    assert listed["folders"] == [{"folder": str(model.parent), "problem": ""}]
    assert api.get("/models", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert api.get("/models?anew=true").json() == listed


def test_a_version_takes_a_model_with_what_suits_it(api: httpx.Client, app: App, model: Path) -> None:
    suited = api.get("/models/suggestions", params={"path": str(model), "trigger_words": 2}).json()
    assert {each["option"]: each["value"] for each in suited["options"]}["keep_tokens"] == 2
    said = api.put("/models/style", json={"path": str(model), "style": "prose"}).json()
    assert (said["style"], said["style_chosen"]) == ("prose", True)
    changed = api.put("/projects/zorb/versions/v1/base-model", json={"path": str(model)}).json()
    assert changed["after"]["clip_skip"] == "1"
    assert app.versions.settings("zorb", "v1").options["pretrained_model_name_or_path"] == str(model)


def test_a_hash_is_worked_out_when_asked_for(api: httpx.Client, model: Path) -> None:
    assert len(api.post("/models/hash", json={"path": str(model)}).json()["sha256"]) == 64


def test_what_can_not_be_is_told(api: httpx.Client, model: Path) -> None:
    assert refused(api.get("/models/suggestions", params={"path": "nothing"}), 404)
    assert refused(api.put("/models/style", json={"path": str(model), "style": "poetry"}), 422)
    assert refused(api.get("/models/suggestions", params={"path": str(model), "trigger_words": -1}), 422)
    assert "no safetensors" in refused(
        api.put("/projects/zorb/versions/v1/base-model", json={"path": "broken"}), 400
    )
