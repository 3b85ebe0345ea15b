"""Masks that are painted on a page, over HTTP."""

from __future__ import annotations

import io
from urllib.parse import quote

import httpx
from PIL import Image

from tests.server.test_api import VERSION, refused
from train_tools.app import App

AT = f"{VERSION}/dataset/masks"


def png(mode: str = "RGBA", size: tuple[int, int] = (64, 64), colour: object = (0, 0, 0, 255)) -> bytes:
    made = io.BytesIO()
    picture = Image.new(mode, size, colour)  # type: ignore[arg-type]
    picture.paste(Image.new(mode, (size[0] // 2, size[1]), "white"))
    picture.save(made, "PNG")
    return made.getvalue()


def first(api: httpx.Client) -> dict:
    return api.get(f"{VERSION}/captions").json()["shown"][0]


def test_a_painted_mask_is_kept_as_the_dataset_wants_it_and_taken_away(api: httpx.Client, app: App) -> None:
    image = first(api)["image"]
    at = f"{AT}/{quote(image)}"
    assert first(api)["mask"] is None
    sent = png()
    assert api.put(at, content=sent).status_code == 204
    kept = app.versions.paths("zorb", "v1").mask(image)
    with Image.open(kept) as mask:
        assert (mask.mode, mask.size, mask.getpixel((10, 10)), mask.getpixel((50, 10))) == ("L", (64, 64), 255, 0)
    assert kept.read_bytes() != sent
    shown = first(api)["mask"]["full"]
    assert api.get(shown.removeprefix("/train-tools/api/v1")).headers["content-type"] == "image/png"
    assert api.put(at, content=png(size=(32, 32))).status_code == 204
    with Image.open(kept) as mask:
        assert mask.size == (64, 64)
    assert api.delete(at).status_code == 204
    assert first(api)["mask"] is None


def test_what_is_no_mask_of_a_training_image_is_refused(api: httpx.Client, app: App) -> None:
    image = quote(first(api)["image"])
    assert "PNG" in refused(api.put(f"{AT}/{image}", content=b"\x89PNG\r\n\x1a\nno"), 400)
    assert refused(api.put(f"{AT}/{image}", content=b"x" * (33 * 1024**2)), 400)
    assert "shape" in refused(api.put(f"{AT}/{image}", content=png(size=(64, 32))), 400)
    assert refused(api.put(f"{AT}/10_none/../../x.png", content=png()), 404)
    assert not app.versions.paths("zorb", "v1").masks.exists()
