import os
from pathlib import Path

import httpx
import pytest

from train_tools.app import App

INSIDE = "projects/zorb/versions/v1/dataset/origin/red.png"
OUTSIDE = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/secret.png",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "projects%00.png",
    "projects",
    "",
    "projects/zorb/versions/v1/dataset/origin/" + "x" * 4000 + ".png",
    "C:%5cWindows%5cwin.ini",
    "%5c%5chost%5cshare%5ca.png",
]


def test_a_thumbnail_of_a_known_edition_may_be_kept_for_ever(api: httpx.Client) -> None:
    link = api.get("/projects/zorb/versions/v1/dataset").json()["shown"][0]
    answer = api.get(httpx.URL(link["thumb"]).raw_path.decode().removeprefix("/train-tools/api/v1"))
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert api.get(f"/thumbs/{INSIDE}", params={"v": "older"}).headers["cache-control"] == "no-cache"


def test_a_whole_picture_is_served_as_it_is(api: httpx.Client, app: App) -> None:
    answer = api.get(f"/pictures/{INSIDE}")
    assert answer.content == (app.outputs.folder / INSIDE).read_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_path_leads_out(api: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    for path in OUTSIDE:
        for kind in ("thumbs", "pictures"):
            answer = api.get(f"/{kind}/{path}")
            assert answer.status_code == 404, path
            assert "secret" not in answer.text and "root:" not in answer.text


@pytest.mark.skipif(os.name != "posix", reason="making a symbolic link needs rights on Windows")
def test_a_symbolic_link_does_not_lead_out(api: httpx.Client, app: App, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes((app.outputs.folder / INSIDE).read_bytes())
    origin = (app.outputs.folder / INSIDE).parent
    (origin / "link.png").symlink_to(tmp_path / "secret.png")
    (origin / "folder").symlink_to(tmp_path)
    (origin / "loop.png").symlink_to(origin / "loop.png")
    for name in ("link.png", "folder/secret.png", "loop.png"):
        assert api.get(f"/pictures/{Path(INSIDE).parent}/{name}").status_code == 404
        assert api.get(f"/thumbs/{Path(INSIDE).parent}/{name}").status_code == 404


def test_only_pictures_are_served(api: httpx.Client) -> None:
    for inside in ("projects/zorb/project.toml", INSIDE.replace(".png", ".txt")):
        assert api.get(f"/pictures/{inside}").status_code == 415
        assert api.get(f"/thumbs/{inside}").status_code == 415


def test_a_page_that_calls_itself_a_picture_is_not_served(api: httpx.Client, app: App) -> None:
    fake = (app.outputs.folder / INSIDE).with_name("fake.png")
    fake.write_text("<html><script>alert(1)</script>")
    assert api.get(f"/pictures/{Path(INSIDE).with_name('fake.png').as_posix()}").status_code == 415
