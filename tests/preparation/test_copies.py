"""Mirrored, upside-down and random copies, parts cut by hand, and removed backgrounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from train_tools.datasets.pictures import read_picture
from train_tools.errors import DatasetNotUsableError
from train_tools.model.preparation import Crop, Preparation
from train_tools.preparation.original import Original
from train_tools.preparation.steps import prepared

PLAIN = Preparation(mirrored_copies=False, width_px=64, height_px=64)


@pytest.fixture
def cat(photographs):
    return read_picture(photographs[2])


def test_copies_are_mirrored_and_upside_down(cat):
    upright, mirrored, flipped = map(
        np.asarray, prepared(cat, replace(PLAIN, mirrored_copies=True, upside_down_copies=True))
    )
    assert (mirrored == upright[:, ::-1]).all()
    assert (flipped == upright[::-1]).all()


def test_random_copies_are_the_same_each_time_and_differ_from_each_other(cat):
    random = replace(PLAIN, random_copies=3)
    first, again = prepared(cat, random), prepared(cat, random)
    assert [picture.tobytes() for picture in first] == [picture.tobytes() for picture in again]
    assert len({picture.tobytes() for picture in first}) == 4
    assert {picture.size for picture in first} == {(64, 64)}


@pytest.mark.parametrize(("side", "row"), [("top", 0), ("bottom", -1)])
def test_the_fixed_side_of_a_scaled_copy_keeps_its_place(side, row):
    picture = Image.new("RGB", (64, 64), "#0000ff")
    picture.paste("#ff0000", (0, 0, 64, 2) if side == "top" else (0, 62, 64, 64))
    scaled = replace(PLAIN, random_copies=4, random_turn_degrees=0, random_fixed_side=side)
    for copy in prepared(picture, scaled):
        assert (np.asarray(copy)[row, 16:48, 0] > 200).all()


def test_where_a_copy_does_not_reach_the_background_shows():
    turned = replace(PLAIN, random_copies=4, random_turn_degrees=180, random_scale=0.9, background="#00ff00")
    made = prepared(Image.new("RGB", (64, 64), "#ff0000"), turned)
    colours = {colour for copy in made for _, colour in copy.getcolors(4096)}
    assert {(255, 0, 0), (0, 255, 0)} <= colours


def test_a_part_cut_by_hand_comes_first(cat):
    width, height = cat.size
    original = Original(crop=Crop(left=0.25, top=0, right=0.75, bottom=0.5))
    expected = prepared(cat.crop((round(width / 4), 0, round(width * 3 / 4), height // 2)), PLAIN)
    assert [made.tobytes() for made in prepared(cat, PLAIN, original)] == [made.tobytes() for made in expected]
    speck = Original(crop=Crop(left=0.9999, top=0.9999, right=1, bottom=1))
    assert prepared(Image.new("RGB", (3, 3)), PLAIN, speck)[0].size == (64, 64)


def test_colours_with_a_profile_become_those_of_srgb():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    picture = Image.new("RGB", (8, 8), "#804020")
    picture.info["icc_profile"] = lab
    assert prepared(picture, PLAIN)[0].getpixel((0, 0)) == (128, 64, 32), "a profile for other pixels is ignored"
    wide = Image.new("RGB", (8, 8), "#804020")
    wide.info["icc_profile"] = wide_gamut()
    red, green, blue = prepared(wide, PLAIN)[0].getpixel((0, 0))
    assert red > 132 and green < 64 and blue < 32


def wide_gamut() -> bytes:
    """sRGB's own profile with red and green exchanged for those of Display P3."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, xyz in ((b"rXYZ", (0.51512, 0.24120, -0.00105)), (b"gXYZ", (0.29198, 0.69225, 0.04189))):
        entry = content.index(tag, 128)
        start = int.from_bytes(content[entry + 4 : entry + 8], "big") + 8
        for place, value in enumerate(xyz):
            content[start + 4 * place : start + 4 * place + 4] = round(value * 65536).to_bytes(
                4, "big", signed=True
            )
    return bytes(content).replace("sRGB built-in".encode("utf-16-be"), "wide built-in".encode("utf-16-be"))


def test_a_background_is_removed_by_a_network_on_this_machine(tmp_path):
    (tmp_path / "backgrounds").mkdir()
    (tmp_path / "backgrounds" / "bright.onnx").write_bytes(brightness_network(32))
    picture = Image.new("RGB", (64, 64), "#000000")
    picture.paste("#ffffff", (16, 16, 48, 48))
    preparation = replace(PLAIN, background_remover="bright.onnx", background="#00ff00")
    (made,) = map(np.asarray, prepared(picture, preparation, Original(models=tmp_path)))
    assert (made[28:36, 28:36] == 255).all()
    assert (made[:8] == (0, 255, 0)).all()


def test_a_remover_that_is_not_there_or_is_none_is_told(tmp_path):
    preparation = replace(PLAIN, background_remover="u2net.onnx")
    with pytest.raises(DatasetNotUsableError, match=r"u2net.onnx is not in .*backgrounds \(there: nothing yet\)"):
        prepared(Image.new("RGB", (8, 8)), preparation, Original(models=tmp_path))
    (tmp_path / "backgrounds").mkdir()
    (tmp_path / "backgrounds" / "u2net.onnx").write_bytes(b"no network")
    with pytest.raises(DatasetNotUsableError, match="can't be read"):
        prepared(Image.new("RGB", (8, 8)), preparation, Original(models=tmp_path))


def brightness_network(side: int) -> bytes:
    """An ONNX file whose map is the mean of the three channels, in protobuf by hand."""

    def field(number: int, content: bytes | int) -> bytes:
        if isinstance(content, int):
            return bytes((number << 3, content))
        length, small = len(content), []
        while length > 127:
            small.append(length & 127 | 128)
            length >>= 7
        return bytes((number << 3 | 2, *small, length)) + content

    def value(name: bytes, channels: int) -> bytes:
        dimensions = b"".join(field(1, field(1, size)) for size in (1, channels, side, side))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dimensions)))

    # Field 8 is the list of whole numbers, field 20 the attribute's kind: 7, such a list.
    axes = field(1, b"axes") + field(8, 1) + bytes((160, 1, 7))
    node = field(1, b"x") + field(2, b"y") + field(4, b"ReduceMean") + field(5, axes)
    graph = field(1, node) + field(2, b"g") + field(11, value(b"x", 3)) + field(12, value(b"y", 1))
    return field(1, 7) + field(7, graph) + field(8, field(2, 13))
