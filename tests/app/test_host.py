"""What is taken over from the WebUI that we are a tab of."""

import json
from pathlib import Path

import pytest

from train_tools.app import App, open_app
from train_tools.settings.host import HOST_VARIABLE


@pytest.fixture
def webui(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder, with a base model that is none and a LoRA folder."""
    models = tmp_path / "webui" / "models"
    for name in ("Stable-diffusion", "VAE", "Lora"):
        (models / name).mkdir(parents=True)
    (models / "Stable-diffusion" / "theirs.safetensors").write_bytes(b"no model")
    told = {
        "format": 1,
        "bridge": "http://127.0.0.1:9/train-tools-bridge",
        "token": "secret",
        "models": [str(models / "Stable-diffusion"), str(models / "not there")],
        "vaes": [str(models / "VAE")],
        "loras": str(models / "Lora"),
    }
    (tmp_path / "a.host").write_text(json.dumps(told))
    monkeypatch.setenv(HOST_VARIABLE, str(tmp_path / "a.host"))
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    return models


@pytest.fixture
def app(webui: Path, tmp_path: Path) -> App:
    return open_app(tmp_path / "outputs")


def test_its_base_models_are_found_and_a_folder_of_its_that_is_missing_is_no_complaint(app: App) -> None:
    listed = app.base_models.all()
    assert [model.path.name for model in listed.models] == ["theirs.safetensors"]
    assert listed.problems == ()


def test_paths_may_be_picked_below_its_models_vaes_and_loras(app: App, webui: Path) -> None:
    assert {webui / "Stable-diffusion", webui / "VAE", webui / "Lora"} <= set(app.folders.roots)


def test_loras_go_to_its_folder_unless_the_settings_name_another(app: App, webui: Path, tmp_path: Path) -> None:
    assert app.settings.lora_folder == webui / "Lora"
    (tmp_path / "elsewhere").mkdir()
    app.settings.change({"copies.folder": str(tmp_path / "elsewhere")})
    assert app.settings.lora_folder == tmp_path / "elsewhere"


def test_alone_nothing_of_it_is_there(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOST_VARIABLE)
    assert app.settings.lora_folder is None
    assert app.base_models.all().models == ()
