from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from sd_contract.tensors.tensor_files import verify_safetensors
from tests.jobs.patience import eventually
from tests.server.test_api import refused
from train_tools.app import App
from train_tools.model.paths import RunPaths

AT = "/projects/zorb/versions/v1/checkpoints"
NAME = "zorb 🐈-000002"
ONE = f"{AT}/run-1/{quote(NAME)}"
HOSTILE = {
    "ss_steps": "20",
    "ss_training_comment": "<script>alert(1)</script>\x1b[2J",
    "ss_tag_frequency": json.dumps({"1_zorb": {"<b>red</b>": 3}}),
    "ss_endless": "x" * 100_000,
}


@pytest.fixture
def run(app: App) -> RunPaths:
    """A run with two checkpoints, one of which has a preview."""
    paths = app.versions.paths("zorb", "v1").run("run-1")
    paths.folder.mkdir(parents=True)
    paths.record.write_text("")
    for name in (NAME, "zorb"):
        tensors = {"lora_unet_x.alpha": np.full((64,), len(name), np.float32)}
        save_file(tensors, paths.folder / f"{name}.safetensors", HOSTILE)
    paths.images_of(NAME).mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(paths.images_of(NAME) / "1-0.8-0123.png")
    return paths


def test_marks_are_given_and_listed(api: httpx.Client, run: RunPaths) -> None:
    assert api.patch(ONE, json={"rating": 4, "notes": "<b>"}).json() == {
        "rating": 4,
        "pinned": False,
        "notes": "<b>",
    }
    assert api.patch(ONE, json={"pinned": True}).json()["rating"] == 4
    listed = {each["name"]: each for each in api.get(AT).json()["checkpoints"]}
    assert (listed[NAME]["rating"], listed[NAME]["pinned"], listed["zorb"]["rating"]) == (4, True, 0)
    assert "1 to 5" in refused(api.patch(ONE, json={"rating": 6}), 400)
    for wrong in ({"rating": True}, {"rating": "5"}, {"stars": 5}, {"pinned": 1}):
        assert refused(api.patch(ONE, json=wrong), 422)


def test_details_are_text_whatever_the_file_says(api: httpx.Client, run: RunPaths) -> None:
    told = api.get(ONE).json()
    assert told["tags"] == [{"tag": "<b>red</b>", "count": 3}]
    assert "\x1b" not in told["metadata"]["ss_training_comment"]
    assert len(told["metadata"]["ss_endless"]) < 2100
    assert len(told["sha256"]) == 64
    assert api.get(told["images"][0]["full"].removeprefix(api.base_url.path.rstrip("/"))).status_code == 200


def test_the_file_is_downloaded_whole_or_in_parts(api: httpx.Client, run: RunPaths) -> None:
    content = (run.folder / f"{NAME}.safetensors").read_bytes()
    whole = api.get(f"{ONE}/file")
    assert whole.content == content and whole.headers["content-type"] == "application/octet-stream"
    assert quote(f"{NAME}.safetensors") in whole.headers["content-disposition"]
    part = api.get(f"{ONE}/file", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, content[100:200])
    assert api.get(f"{ONE}/file", headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_nothing_else_is_downloaded(api: httpx.Client, run: RunPaths, tmp_path: Path) -> None:
    (tmp_path / "secret.safetensors").write_bytes((run.folder / "zorb.safetensors").read_bytes())
    (run.folder / "link.safetensors").symlink_to(tmp_path / "secret.safetensors")
    for run_, name in (
        ("..", "run-1"),
        ("run-1", "run.toml"),
        ("run-1", "..%2Frun-1%2Fzorb"),
        ("x", "zorb"),
        ("run-1", "link"),
    ):
        assert refused(api.get(f"{AT}/{run_}/{name}/file"), 404)
    assert refused(api.get(f"{AT}/run-1/{'x' * 3000}/file"), 404)


def test_a_damaged_or_deleted_file_is_told(api: httpx.Client, run: RunPaths) -> None:
    file = run.folder / "zorb.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for address in ("/file", "", "/edits"):
        assert "no checkpoint" in refused(api.get(f"{AT}/run-1/zorb{address}"), 404)
    file.unlink()
    assert refused(api.post(f"{AT}/trash", json={"checkpoints": ["run-1/zorb"]}), 404)


def test_what_is_put_away_comes_back(api: httpx.Client, run: RunPaths) -> None:
    told = api.post(f"{AT}/keep/preview", json={}).json()
    assert told["going"] == [f"run-1/{NAME}"] and told["token"] == "" and told["freed_bytes"] > 0
    assert "pinned" in refused(api.post(f"{AT}/keep", json={"finals": False}), 400)
    parting = api.post(f"{AT}/keep", json={}).json()
    assert [each["name"] for each in api.get(AT).json()["checkpoints"]] == ["zorb"]
    [trashed] = api.get(f"{AT}/trash").json()["trashed"]
    assert trashed["token"] == parting["token"] and trashed["size_bytes"] == told["size_bytes"]
    restored = api.post(f"{AT}/trash/{parting['token']}/restore").json()
    assert restored["files"] == [str(run.folder / f"{NAME}.safetensors")]
    for token in (parting["token"], "..", "%2e%2e%2f"):
        assert refused(api.post(f"{AT}/trash/{token}/restore"), 404)


def test_metadata_are_edited_and_undone(api: httpx.Client, run: RunPaths) -> None:
    file = run.folder / f"{NAME}.safetensors"
    before = file.read_bytes()
    made = api.post(f"{ONE}/edits", json={"changes": {"ss_training_comment": "mine", "ss_endless": None}})
    assert made.status_code == 201 and made.json()["number"] == 1
    metadata = verify_safetensors(file).metadata
    assert metadata["ss_training_comment"] == "mine" and "ss_endless" not in metadata
    assert len(api.get(f"{ONE}/edits").json()["edits"]) == 1
    assert api.post(f"{ONE}/edits/undo").json()["number"] == 1
    assert file.read_bytes() == before
    assert refused(api.post(f"{ONE}/edits/undo"), 404)
    assert refused(api.post(f"{ONE}/edits", json={"changes": {"sshs_model_hash": "0"}}), 400)


def test_a_copy_goes_to_the_folder_of_the_settings_or_to_one_that_is_there(
    api: httpx.Client, app: App, run: RunPaths, tmp_path
) -> None:
    folder, other = tmp_path / "Lora", tmp_path / "other"
    folder.mkdir()
    other.mkdir()
    app.settings.change({"copies.folder": str(folder)})
    assert "whole path" in refused(api.post(f"{ONE}/copy", json={"folder": "Lora"}), 400)
    assert "is not there" in refused(api.post(f"{ONE}/copy", json={"folder": str(tmp_path / "new")}), 404)
    made = api.post(f"{ONE}/copy", json={"folder": str(other), "name": "zorb"}).json()
    assert made["path"] == str(other / "zorb.safetensors")
    made = api.post(f"{ONE}/copy", json={"name": "../../my zorb"}).json()
    assert made["path"] == str(folder / "my zorb.safetensors")
    assert sorted(path.name for path in folder.iterdir()) == [
        "my zorb.json",
        "my zorb.preview.png",
        "my zorb.safetensors",
    ]
    folder.rename(tmp_path / "gone")
    assert "plugged in" in refused(api.post(f"{ONE}/copy", json={"name": "x"}), 404)


def test_an_export_is_a_zip_that_leaves_nothing_behind(api: httpx.Client, app: App, run: RunPaths) -> None:
    answer = api.get(f"{ONE}/export")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    assert packed.testzip() is None
    assert sorted(Path(name).suffix for name in packed.namelist()) == [".json", ".png", ".safetensors", ".txt"]
    assert all("\x1b" not in packed.read(name).decode() for name in packed.namelist() if name.endswith(".txt"))
    refused(api.get(f"{AT}/run-1/nothing/export"), 404)
    eventually(lambda: not list(app.outputs.cache.glob("export-*")))  # it goes once the answer has been sent
