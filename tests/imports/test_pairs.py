"""Images of a pair that a page sends."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from train_tools.errors import DatasetNotUsableError
from train_tools.imports.pairs import keep_pair_image
from train_tools.model.paths import VersionPaths


def image(colour: str, *, lying: bool = False) -> bytes:
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6 if lying else 1
    Image.new("RGB", (16, 8), colour).save(content, format="JPEG", exif=exif)
    return content.getvalue()


@pytest.fixture
def version(tmp_path: Path) -> VersionPaths:
    return VersionPaths(tmp_path / "v1")


def test_an_image_is_kept_upright_and_never_replaced(version: VersionPaths) -> None:
    first = keep_pair_image(version, "it's a, 'face'.jpg", image("red", lying=True))
    kept = (version.folder / first).read_bytes()
    other = keep_pair_image(version, "it's a, 'face'.jpg", image("blue"))

    assert first.startswith("dataset/pair/it-s-a-face-")
    with Image.open(version.folder / first) as upright:
        assert upright.size == (8, 16)
    assert first != other
    assert (version.folder / first).read_bytes() == kept
    assert keep_pair_image(version, "it's a, 'face'.jpg", image("blue")) == other


@pytest.mark.parametrize("name", ["../../out.png", "..", "a\\b/c\0.png", "кот 猫.png", "x" * 300])
def test_whatever_it_is_called_it_lies_in_its_folder(version: VersionPaths, name: str) -> None:
    kept = version.folder / keep_pair_image(version, name, image("red"))

    assert kept.resolve().parent == version.pair.resolve()
    assert [file.name for file in version.pair.iterdir()] == [kept.name]


@pytest.mark.parametrize("content", [b"", b"no picture", image("red")[:200]], ids=["empty", "text", "cut short"])
def test_what_is_no_whole_picture_is_refused_and_leaves_nothing(version: VersionPaths, content: bytes) -> None:
    with pytest.raises(DatasetNotUsableError, match=r"'a\.png' is not taken"):
        keep_pair_image(version, "a.png", content)
    assert not list(version.pair.iterdir())
