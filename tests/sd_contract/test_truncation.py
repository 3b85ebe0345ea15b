"""Files that end too early are told from whole ones, and never a whole one from the others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sd_contract.images.truncation import is_cut_short

WAYS = {
    "png": {},
    "jpg": {},
    "progressive.jpg": {"progressive": True},
    "webp": {},
    "lossless.webp": {"lossless": True},
    "bmp": {},
}


@pytest.fixture(params=WAYS)
def written(request, tmp_path) -> Path:
    """A photograph-like image in each format."""
    noise = np.random.default_rng(1).integers(0, 255, (90, 121, 3), dtype=np.uint8)
    path = tmp_path / f"a.{request.param}"
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(noise).save(path, **WAYS[request.param], **({} if path.suffix == ".bmp" else {"exif": exif}))
    return path


def shortened(path, by):
    return path.read_bytes()[: path.stat().st_size - by]


def can_be_decoded(content):
    try:
        Image.open(io.BytesIO(content)).load()
    except OSError:
        return False
    return True


def test_a_whole_image_is_not_cut_short(written):
    assert not is_cut_short(written)
    written.write_bytes(written.read_bytes() + b"\0" * 100)
    assert not is_cut_short(written)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_image_that_lacks_its_end_is_found(written, share):
    written.write_bytes(shortened(written, int(written.stat().st_size * share)))
    assert is_cut_short(written)


@pytest.mark.parametrize("by", [1, 2, 4, 12, 16, 17, 20])
def test_what_can_still_be_decoded_is_never_called_cut_short(written, by):
    content = shortened(written, by)
    written.write_bytes(content)
    assert not (is_cut_short(written) and can_be_decoded(content))


def test_the_end_of_a_thumbnail_is_not_that_of_its_photograph(tmp_path):
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16)).save(thumbnail, "JPEG")
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(1).integers(0, 255, (90, 121, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, comment=thumbnail.getvalue())
    path.write_bytes(shortened(path, 100))
    assert is_cut_short(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"BM"])
def test_what_is_no_image_at_all_is_for_others_to_tell(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert not is_cut_short(tmp_path / "a.png")
