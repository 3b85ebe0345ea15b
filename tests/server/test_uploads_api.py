"""Pictures that a page sends, over HTTP."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from tests.server.test_api import VERSION, refused
from train_tools.app import App
from train_tools.model.job import JobState

AT = f"{VERSION}/dataset/uploads"


def picture(colour: tuple[int, int, int]) -> bytes:
    made = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").point(lambda value: value * colour[0] // 255).save(made, "PNG")
    return made.getvalue()


def begin(api: httpx.Client, *names: str) -> dict:
    files = [{"name": name, "size_bytes": 10} for name in names]
    return api.post(AT, json={"files": files}).raise_for_status().json()


def send(api: httpx.Client, upload: str, name: str, content: bytes) -> httpx.Response:
    return api.put(f"{AT}/{upload}/files/{quote(name)}", content=content)


def work_off(app: App) -> None:
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())


def test_what_is_sent_is_imported_and_the_report_calls_it_as_the_page_did(api: httpx.Client, app: App) -> None:
    upload = begin(api, "20_кошка/tom & co.png", "20_кошка/tom & co.txt", "plan.psd", "more.zip", "bad.png")
    assert [each["source"] for each in upload["left_out"]] == ["plan.psd"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.png", picture((90, 0, 0)))
    assert send(api, upload["id"], "20_кошка/tom & co.png", picture((200, 0, 0))).status_code == 204
    assert send(api, upload["id"], "20_кошка/tom & co.txt", b"a cat").status_code == 204
    assert send(api, upload["id"], "more.zip", packed.getvalue()).status_code == 204
    assert send(api, upload["id"], "bad.png", b"no picture").status_code == 204
    assert api.get(AT).json()["uploads"][0]["files"] == 4
    job = api.post(f"{AT}/{upload['id']}/import", json={})
    assert (job.status_code, job.json()["kind"]) == (202, "import")
    assert api.get(AT).json()["uploads"] == []
    work_off(app)
    shown = api.get(f"{VERSION}/dataset/originals").json()["shown"]
    assert {each["name"] for each in shown} == {"20_кошка/tom & co.png", "inside.png", "red.png", "blue.png"}
    newest = api.get(f"{VERSION}/dataset/imports").json()["imports"][0]
    report = api.get(f"{VERSION}/dataset/imports/{newest}").json()
    assert (report["images"], report["captions"], sorted(report["sources"])) == (
        2,
        1,
        ["20_кошка", "bad.png", "more.zip"],
    )
    left = {each["source"] for group in report["left_out"].values() for each in group}
    assert left == {"plan.psd", "bad.png"}
    assert list((app.outputs.uploads).iterdir()) == []
    ended = api.get(f"{VERSION}/dataset/jobs").json()["jobs"]
    assert [(each["kind"], each["state"]) for each in ended] == [("import", JobState.DONE)]


@pytest.mark.parametrize(
    "name", ["../out.png", "a/../../out.png", "/etc/out.png", "a\0b.png", "x" * 250 + ".png", "a.exe"]
)
def test_no_name_leads_out_of_an_upload(api: httpx.Client, app: App, name: str) -> None:
    upload = begin(api, name)
    assert [each["source"] for each in upload["left_out"]] == [name]
    answer = api.put(f"{AT}/{upload['id']}/files/{quote(name, safe='')}", content=b"x")
    assert answer.status_code in (400, 404)
    assert [path.name for path in app.outputs.uploads.rglob("*") if path.is_file()] == ["upload.json"]


def test_an_upload_that_was_not_finished_stays_till_it_is_discarded(api: httpx.Client, app: App) -> None:
    upload = begin(api, "a.png", "b.png")["id"]
    send(api, upload, "a.png", b"123")
    assert api.get(AT).json()["uploads"] == [{"id": upload, "files": 1, "size_bytes": 3}]
    other = f"{AT.replace('v1', 'v2')}/{upload}"
    app.create_version("zorb", "v2")
    assert "not one for zorb / v2" in refused(api.delete(other), 404)
    assert api.delete(f"{AT}/{upload}").status_code == 204
    assert refused(send(api, upload, "a.png", b"123"), 404)
    assert api.get(AT).json()["uploads"] == []


def test_a_file_that_breaks_off_leaves_nothing(api: httpx.Client, app: App) -> None:
    upload = begin(api, "a.png")["id"]

    def torn():
        yield b"123"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        api.put(f"{AT}/{upload}/files/a.png", content=torn())
    assert api.get(AT).json()["uploads"][0]["files"] == 0
    assert refused(api.post(f"{AT}/{upload}/import", json={}), 400)


def test_an_upload_nothing_of_which_is_a_picture_says_why_and_is_gone(api: httpx.Client, app: App) -> None:
    upload = begin(api, "bad.png")["id"]
    send(api, upload, "bad.png", b"no picture")
    job = api.post(f"{AT}/{upload}/import", json={}).json()
    work_off(app)
    ended = api.get(f"/jobs/{job['id']}").json()
    assert (ended["state"], "bad.png" in ended["message"]) == (JobState.FAILED, True)
    assert not Path(app.outputs.uploads / upload).exists()
