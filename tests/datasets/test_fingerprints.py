from __future__ import annotations

import io
import os

import pytest
from PIL import Image, ImageEnhance

from train_tools.datasets.fingerprints import ALIKE, Fingerprint, Fingerprints, Likenesses, looks_of
from train_tools.datasets.pictures import NotAPictureError, read_picture


def distance(one, other):
    return (looks_of(one) ^ looks_of(other)).bit_count()


def saved(picture, **settings):
    file = io.BytesIO()
    picture.save(file, **settings)
    return Image.open(io.BytesIO(file.getvalue()))


CHANGES = {
    "saved as a poor jpg": lambda p: saved(p.convert("RGB"), format="JPEG", quality=20),
    "half as large": lambda p: p.resize((p.width // 2, p.height // 2)),
    "brighter": lambda p: ImageEnhance.Brightness(p.convert("RGB")).enhance(1.2),
    "grey": lambda p: p.convert("L"),
    "a palette": lambda p: p.convert("RGB").convert("P"),
    "cmyk": lambda p: p.convert("RGB").convert("CMYK"),
    "16 bits": lambda p: p.convert("L").convert("I").point(lambda value: value * 256),
    "a little cropped": lambda p: p.crop((2, 2, p.width - 2, p.height - 2)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_photograph_looks_like_itself_changed(photographs, change):
    for path in photographs:
        picture = read_picture(path)
        assert distance(picture, CHANGES[change](picture)) <= ALIKE


def test_different_photographs_look_different(photographs):
    pictures = [read_picture(path) for path in photographs]
    far = [distance(one, other) for one in pictures for other in pictures if one is not other]
    assert min(far) > 2 * ALIKE


def test_a_mirrored_photograph_is_another(photographs):
    picture = read_picture(photographs[0])
    assert distance(picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > ALIKE


def test_a_photograph_on_its_side_looks_as_its_exif_says(photographs):
    picture = read_picture(photographs[0]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(picture.transpose(Image.Transpose.ROTATE_90), format="PNG", exif=exif)
    assert distance(picture, turned) <= 2


def test_transparent_pixels_are_white_whatever_lies_under_them():
    clear, white = Image.new("RGBA", (64, 64), (0, 0, 0, 0)), Image.new("RGB", (64, 64), "white")
    for picture in (clear, white):
        picture.paste("red", (8, 8, 40, 50))
    assert distance(clear, white) == 0


def test_pictures_of_one_colour_look_like_nothing():
    alike = Likenesses()
    alike.add("red", looks_of(Image.new("RGB", (8, 8), "red")))
    assert alike.nearest(looks_of(Image.new("RGB", (8, 8), "blue"))) is None


def test_the_nearest_of_thousands_is_found():
    alike = Likenesses()
    for number in range(3000):
        alike.add(str(number), (number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)
    looks = (2345 * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128
    assert alike.nearest(looks ^ 0b1011) == ("2345", 3)
    assert alike.nearest(looks ^ (2**64 - 1)) is None


def test_a_picture_is_looked_at_once(version, picture):
    original = picture(version.origin / "a.png")
    before = Fingerprints(version).of(original)
    unreadable = b"no picture" + bytes(original.stat().st_size - 10)
    seen = original.stat()
    original.write_bytes(unreadable)
    os.utime(original, ns=(seen.st_mtime_ns, seen.st_mtime_ns))
    assert Fingerprints(version).of(original) == before


def test_a_changed_picture_is_looked_at_again(version, picture):
    original = picture(version.origin / "a.png")
    before = Fingerprints(version).of(original)
    picture(version.origin / "a.png", size=(99, 20))
    assert Fingerprints(version).of(original) != before


def test_a_picture_that_was_copied_elsewhere_is_known_by_its_content(version, picture):
    original = picture(version.origin / "a.png")
    fingerprint = Fingerprints(version).of(original)
    Fingerprints(version).note(original, Fingerprint(fingerprint.sha256, 7))
    copy = version.origin / "copy.png"
    copy.write_bytes(original.read_bytes())
    assert Fingerprints(version).of(copy).looks == 7


@pytest.mark.parametrize("torn", ['{"path": "origin/a.png", "size":', "[]\n", "\0\0\0", '{"looks": "x"}\n', "é"])
def test_a_damaged_file_of_fingerprints_is_no_trouble(version, picture, torn):
    original = picture(version.origin / "a.png")
    fingerprint = Fingerprints(version).of(original)
    with version.fingerprints.open("a", encoding="utf-8") as file:
        file.write(f"\n{torn}")
    prints = Fingerprints(version)
    assert prints.of(original) == fingerprint
    prints.of(picture(version.origin / "b.png"))
    assert len(Fingerprints(version)._by_file) == 2


def test_what_is_no_picture_has_no_fingerprint(version):
    version.origin.mkdir(parents=True)
    (version.origin / "a.png").write_bytes(b"<html>")
    with pytest.raises(NotAPictureError):
        Fingerprints(version).of(version.origin / "a.png")
