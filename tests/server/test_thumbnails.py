import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from train_tools.errors import NotFoundError
from train_tools.server.thumbnails import NotAPictureError, Thumbnails, edition, media_type


@pytest.fixture
def thumbnails(tmp_path: Path) -> Thumbnails:
    return Thumbnails(tmp_path / "cache")


def drawn(path: Path, size: tuple[int, int] = (800, 400), mode: str = "RGB") -> Path:
    Image.new(mode, size).save(path)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16"])
def test_a_thumbnail_is_a_small_webp_of_any_kind_of_picture(
    tmp_path: Path, thumbnails: Thumbnails, mode: str
) -> None:
    with Image.open(thumbnails.of(drawn(tmp_path / "a.png", mode=mode))) as small:
        assert (small.format, small.size) == ("WEBP", (256, 128))


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path, thumbnails: Thumbnails) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (800, 400)).save(tmp_path / "a.jpg", exif=turned)
    with Image.open(thumbnails.of(tmp_path / "a.jpg")) as small:
        assert small.size == (128, 256)


def test_transparency_stays(tmp_path: Path, thumbnails: Thumbnails) -> None:
    with Image.open(thumbnails.of(drawn(tmp_path / "a.png", mode="RGBA"))) as small:
        assert small.mode == "RGBA"


def test_a_thumbnail_is_drawn_once_and_again_when_the_picture_changes(
    tmp_path: Path, thumbnails: Thumbnails
) -> None:
    picture = drawn(tmp_path / "a.png")
    first = thumbnails.of(picture)
    assert thumbnails.of(picture) == first
    os.utime(picture, ns=(1, 1))
    assert thumbnails.of(picture) != first


def test_many_may_ask_for_the_same_at_once(tmp_path: Path, thumbnails: Thumbnails) -> None:
    picture = drawn(tmp_path / "a.png")
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(thumbnails.of, [picture] * 32))) == 1
    assert len(list((tmp_path / "cache").rglob("*.*"))) == 1


def test_an_awkward_name_is_no_matter(tmp_path: Path, thumbnails: Thumbnails, awkward_name: str) -> None:
    assert thumbnails.of(drawn(tmp_path / f"{awkward_name}.png")).is_file()


@pytest.mark.parametrize("content", [b"", b"not a picture", b"%!PS-Adobe-3.0 EPSF-3.0", b"<svg></svg>"])
def test_what_is_no_picture_is_refused_in_words(tmp_path: Path, thumbnails: Thumbnails, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(NotAPictureError, match=r"a\.png can't be shown"):
        thumbnails.of(tmp_path / "a.png")
    with pytest.raises(NotAPictureError, match=r"a\.png can't be shown"):
        media_type(tmp_path / "a.png")


def test_a_torn_picture_is_refused_and_leaves_nothing(tmp_path: Path, thumbnails: Thumbnails) -> None:
    whole = drawn(tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NotAPictureError):
        thumbnails.of(tmp_path / "a.png")
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_picture_that_is_gone_is_told_by_name(tmp_path: Path, thumbnails: Thumbnails) -> None:
    for ask in (thumbnails.of, edition, media_type):
        with pytest.raises(NotFoundError, match=r"gone\.png"):
            ask(tmp_path / "gone.png")
