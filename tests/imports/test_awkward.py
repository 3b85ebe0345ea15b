"""Every unpleasant file at once: each is named or taken, none stops the rest, none is changed."""

from __future__ import annotations

import hashlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from train_tools.datasets.origin import originals
from train_tools.imports.intake import import_images

NAMES = ["🐈‍⬛ & co", "a 'quoted' \"one\"", "line\nbreak", "n" * 251, "Case", "case", "猫の絵", "$HOME;`x`", " .a"]


def png(width, height, data=b""):
    chunks = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(data)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.fixture
def awkward(source, picture):
    """Good and bad files by name; the good ones are pictures of every kind."""
    photograph = picture(source / "plain.png", size=(96, 64))
    colours = Image.open(photograph).convert("RGB")
    colours.convert("CMYK").save(source / "cmyk.jpg")
    Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)).save(source / "16 bit.png")
    palette = colours.quantize(8)
    palette.info["transparency"] = 3
    palette.save(source / "palette.gif", transparency=3)
    colours.save(
        source / "profile.jpg", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    )
    Image.new("RGB", (1, 1), "red").save(source / "1x1.png")
    Image.new("1", (30_000, 20)).save(source / "wide.png")
    colours.save(source / "old.PCX")
    colours.resize((32, 32)).save(source / "icon.ico")
    for number, name in enumerate(NAMES):
        colours.resize((40 + number, 40)).save(source / f"{name}.png")
    good = {path.name for path in source.iterdir()}
    bad = {
        "page.jpg": b"<!doctype html><html>404</html>",
        "half.png": photograph.read_bytes()[:200],
        "bomb.png": png(50_000, 50_000, bytes(99)),
        "nothing.jpg": b"",
        "unknown.psd": b"8BPS",
    }
    for name, content in bad.items():
        (source / name).write_bytes(content)
    return good, set(bad)


def test_all_at_once(version, source, awkward):
    good, bad = awkward
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in source.iterdir()}
    report = import_images(version, [source])
    assert {each.source.rpartition("/")[2] for each in report.rejected} == bad
    assert report.images == len(good)
    contents = sorted(before[source / name] for name in good)
    assert sorted(hashlib.sha256(path.read_bytes()).digest() for path in originals(version)) == contents
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in source.iterdir()} == before
    assert not list(version.origin.glob(".*.tmp"))
    assert len({path.stem.casefold() for path in originals(version)}) == len(good)


@pytest.mark.parametrize(("suffix", "package"), [("heic", "pillow-heif"), ("JXL", "pillow-jxl-plugin")])
def test_a_format_that_a_plugin_would_read_is_named_with_the_plugin(version, source, picture, suffix, package):
    from train_tools.datasets.pictures import picture_suffixes

    if f".{suffix.lower()}" in picture_suffixes():
        pytest.skip(f"{package} is installed here")
    picture(source / "a.png")
    (source / f"b.{suffix}").write_bytes(b"x")
    (rejected,) = import_images(version, [source]).rejected
    assert f"`pip install {package}` adds it" in rejected.reason
