from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from train_tools.app import App

URL = "https://hooks.example/T0/sEcReT?token=pSsT"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for secrets that belongs to the test alone."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TRAIN_TOOLS_WEBHOOK", raising=False)
    return tmp_path / "state"


def values(answer: httpx.Response) -> dict[str, object]:
    assert answer.status_code == 200, answer.text
    return {each["key"]: each["value"] for each in answer.json()["settings"]}


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["message"]


def test_settings_are_shown_and_changed(api: httpx.Client, app: App, tmp_path: Path) -> None:
    assert values(api.get("/settings"))["machine.keep_awake"] is True
    changed = api.patch(
        "/settings", json={"values": {"machine.keep_awake": False, "copies.folder": str(tmp_path)}}
    )
    assert values(changed)["machine.keep_awake"] is False
    assert app.settings.read().copies.folder == str(tmp_path)
    assert values(api.get("/settings")) == values(changed)


def test_what_can_not_be_is_refused_in_words(api: httpx.Client, app: App) -> None:
    for change, says in (
        ({"machine.keep_awake": 1}, "true or false"),
        ({"machine.keep_awake": None}, "true or false"),
        ({"news.when": {"a": [None]}}, "a list of"),
        ({"nothing": 1}, "There is no setting"),
        ({"copies.folder": "x/y"}, "whole path"),
    ):
        assert says in refused(api.patch("/settings", json={"values": {"news.desktop": True, **change}}), 400)
    assert "There is no folder" in refused(
        api.patch("/settings", json={"values": {"copies.folder": "/no/where"}}), 404
    )
    assert "machine" in refused(api.patch("/settings", json={"machine": True}), 422)
    assert not app.outputs.settings.exists()


def test_a_secret_goes_in_and_does_not_come_out(api: httpx.Client, state: Path) -> None:
    answer = api.put("/settings/webhook", json={"address": URL})
    assert values(answer)["webhook_address"] == "https://hooks.example/..."
    for text in (answer.text, api.get("/settings").text):
        assert "sEcReT" not in text
        assert "pSsT" not in text
    assert URL in (state / "secrets.toml").read_text()
    assert values(api.put("/settings/webhook", json={"address": ""}))["webhook_address"] == ""
    assert "sEcReT" not in refused(api.put("/settings/webhook", json={"address": "file:///sEcReT"}), 400)


def test_a_form_is_told_what_each_setting_is(api: httpx.Client) -> None:
    settings = {each["key"]: each for each in api.get("/settings").json()["settings"]}
    assert {key: settings[key]["kind"] for key in ("copies.folder", "models.folders", "webui_password")} == {
        "copies.folder": "folder",
        "models.folders": "folders",
        "webui_password": "secret",
    }
    assert settings["copies.checkpoints"]["choices"] == ["final", "all"]
    assert (settings["news.when"]["kind"], len(settings["news.when"]["choices"])) == ("choices", 3)


@pytest.mark.parametrize(
    ("route", "what", "key", "place"),
    [
        ("caption-key", "key", "caption_key", {"captions.endpoint": "http://127.0.0.1:9/v1"}),
        ("webui-password", "password", "webui_password", {"webui.url": "http://127.0.0.1:9"}),
    ],
)
def test_other_secrets_are_kept_for_one_program(
    route: str, what: str, key: str, place: dict[str, str], api: httpx.Client
) -> None:
    assert api.patch("/settings", json={"values": place}).status_code == 200
    answer = api.put(f"/settings/{route}", json={what: "sEcReT"})
    assert "127.0.0.1" in str(values(answer)[key])
    assert "sEcReT" not in answer.text
    assert values(api.put(f"/settings/{route}", json={what: ""}))[key] == ""


def test_a_key_that_means_nothing_is_told(api: httpx.Client, app: App) -> None:
    app.outputs.settings.write_text("[news]\ndekstop = true\n")
    assert api.get("/settings").json()["unknown"] == ["news.dekstop"]


def test_a_file_that_can_not_be_read_is_told_with_its_line(api: httpx.Client, app: App) -> None:
    app.outputs.settings.write_text("[news]\ndesktop = 1\n")
    assert "line 2: news.desktop = 1" in refused(api.get("/settings"), 500)


def test_whether_a_version_is_rendered_after_training_is_switched(api: httpx.Client, app: App) -> None:
    version = "/projects/zorb/versions/v1"
    assert api.get(f"{version}/settings").json()["previews_after_training"] is True
    answer = api.patch(f"{version}/settings/previews", json={"after_training": False})
    assert answer.json()["previews_after_training"] is False
    assert not app.versions.settings("zorb", "v1").previews.after_training


def test_a_plan_counts_the_pictures_that_will_be_rendered(api: httpx.Client) -> None:
    model = str(Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors")
    asked = {"assignments": {"pretrained_model_name_or_path": model}}

    def pictures(**order: bool) -> int:
        return api.post("/projects/zorb/versions/v1/plan", json={**asked, **order}).json()["pictures"]

    assert pictures() == pictures(previews=True) > 0
    assert pictures(previews=False) == 0
    api.patch("/projects/zorb/versions/v1/settings/previews", json={"after_training": False})
    assert pictures() == 0 < pictures(previews=True)


def test_an_order_says_whether_its_runs_are_rendered(api: httpx.Client, app: App) -> None:
    model = str(Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors")
    asked = {"assignments": {"pretrained_model_name_or_path": model, "network_dim": "2"}, "previews": False}
    (job,) = api.post("/projects/zorb/versions/v1/runs", json=asked).json()["jobs"]
    assert app.jobs.get(job).subject["previews"] is False
