from __future__ import annotations

import hashlib
import os
import struct
import unicodedata
import zlib
from pathlib import Path

import pytest
from PIL import Image

from train_tools.datasets.origin import originals
from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.imports.intake import import_images
from train_tools.model.paths import VersionPaths

AWKWARD = [
    "it's [bold]",
    'a "quoted" one',
    "кошка и пёс",
    "猫の絵",
    "🐈‍⬛ & co",
    "100% #1; $HOME",
    " .a.b",
    "x" * 200,
]


def reasons(report):
    return {Path(rejected.source).name: rejected.reason for rejected in report.rejected}


def names(version):
    return sorted(path.name for path in version.origin.iterdir())


def test_photographs_are_copied_byte_for_byte_and_stay_where_they_were(version, photographs):
    before = [hashlib.sha256(path.read_bytes()).digest() for path in photographs]
    steps = []
    report = import_images(version, photographs, progress=lambda done, total: steps.append((done, total)))
    assert (report.images, report.rejected, report.renamed) == (len(photographs), (), ())
    assert [hashlib.sha256((version.origin / path.name).read_bytes()).digest() for path in photographs] == before
    assert [hashlib.sha256(path.read_bytes()).digest() for path in photographs] == before
    assert steps == [(done, len(photographs)) for done in range(1, len(photographs) + 1)]


@pytest.mark.parametrize("suffix", ["png", "PNG", "jpg", "JPEG", "Bmp", "webp", "GIF", "tif", "TIFF", "avif"])
def test_every_allowed_format_is_taken_in_any_letter_case(version, source, picture, suffix):
    image_format = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix.lower(), suffix.upper())
    path = picture(source / f"a.{suffix}", format=image_format)
    assert import_images(version, [path]).images == 1
    assert names(version) == [path.name]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_come_through(version, source, picture, name):
    picture(source / f"{name}.png")
    (source / f"{name}.txt").write_text("a caption")
    report = import_images(version, [source])
    assert (report.images, report.captions, report.rejected) == (1, 1, ())
    (original,) = originals(version)
    assert original.with_suffix(".txt").read_text() == "a caption"
    assert original.stem == name[:120]


def test_a_name_that_is_no_text_is_given_one_and_listed(version, source, picture):
    os.rename(picture(source / "a.png"), os.path.join(os.fsencode(source), b"caf\xe9.png"))  # noqa: PTH104, PTH118
    report = import_images(version, [source])
    assert names(version) == ["caf_.png"]
    assert [name for _, name in report.renamed] == ["caf_.png"]
    assert report.renamed[0][0].encode("utf-8").endswith(b"caf?.png")


def test_folders_are_searched_to_the_bottom(version, source, picture):
    for place in ("a.png", "one/b.png", "one/two/c.png"):
        picture(source / place)
    assert import_images(version, [source]).images == 3
    assert names(version) == ["a.png", "b.png", "c.png"]


def test_what_is_not_taken_is_listed_with_the_reason(version, source, picture):
    good = picture(source / "good.png")
    whole = good.read_bytes()
    for suffix in ("jpg", "webp", "tif", "avif", "bmp"):
        path = picture(source / f"half.{suffix}")
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    bad = {
        "empty.png": b"",
        "truncated.png": whole[: len(whole) // 2],
        "text.jpg": b"<html>not a picture</html>",
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "notes.pdf": b"%PDF",
        "more.7z": b"7z",
        "lone.txt": b"a caption",
        ".hidden.png": whole,
    }
    for name, content in bad.items():
        (source / name).write_bytes(content)
    os.mkfifo(source / "pipe.png")
    (source / "dangling.png").symlink_to(source / "nowhere.png")
    told = reasons(import_images(version, [source, source / "missing.png"]))
    halves = {path.name for path in source.glob("half.*")}
    assert told.keys() == {*bad, *halves, "pipe.png", "dangling.png", "missing.png"}
    for name, words in {
        "empty.png": "0 bytes",
        "truncated.png": "broken or incomplete",
        "text.jpg": "not a picture",
        "script.png": "not a picture",
        "notes.pdf": "not one of png, jpg",
        "lone.txt": "no picture of its name",
        ".hidden.png": "hidden",
        "more.7z": "unpack",
        "pipe.png": "not a plain file",
        "missing.png": "does not exist",
    }.items():
        assert words in told[name]
    assert names(version) == ["good.png"]


def test_a_picture_of_absurd_size_is_refused_without_being_decoded(version, source, picture):
    picture(source / "good.png")
    chunks = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(99))
    written = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    ]
    (source / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(written))
    assert "million pixels" in reasons(import_images(version, [source]))["bomb.png"]


def test_captions_come_along_and_txt_wins_over_caption(version, source, picture):
    for name in ("a", "b", "c"):
        picture(source / f"{name}.png")
    (source / "a.txt").write_text("from txt")
    (source / "a.caption").write_text("from caption")
    (source / "b.caption").write_text("only caption")
    report = import_images(version, [source])
    assert (report.captions, reasons(report).keys()) == (2, {"a.caption"})
    assert (version.origin / "a.txt").read_text() == "from txt"
    assert (version.origin / "b.txt").read_text() == "only caption"
    assert not (version.origin / "c.txt").exists()


def test_a_picture_and_its_caption_may_be_chosen_from_different_folders(version, source, picture):
    (source / "2").mkdir()
    caption = source / "2" / "a.txt"
    caption.write_text("chosen")
    assert import_images(version, [picture(source / "1" / "a.png"), caption]).captions == 1
    assert (version.origin / "a.txt").read_text() == "chosen"


def test_captions_of_other_folders_are_not_taken(version, source, picture):
    picture(source / "1" / "a.png")
    (source / "2").mkdir()
    (source / "2" / "a.txt").write_text("of another picture")
    report = import_images(version, [source])
    assert (report.captions, reasons(report).keys()) == (0, {"a.txt"})


def test_a_caption_that_is_no_utf8_is_listed_and_its_picture_taken(version, source, picture):
    picture(source / "a.png")
    (source / "a.txt").write_bytes("кошка".encode("cp1251"))
    report = import_images(version, [source])
    assert (report.images, report.captions) == (1, 0)
    assert "Save it as UTF-8" in reasons(report)["a.txt"]


def test_importing_again_copies_nothing(version, source, picture):
    picture(source / "a.png")
    import_images(version, [source])
    changed = (version.origin / "a.png").stat().st_mtime_ns
    report = import_images(version, [source])
    assert (report.images, report.already_there) == (0, (str(source / "a.png"),))
    assert (version.origin / "a.png").stat().st_mtime_ns == changed
    assert names(version) == ["a.png"]


def test_the_same_picture_under_another_name_is_there_already(version, source, picture):
    original = picture(source / "a.png")
    (source / "copy.png").write_bytes(original.read_bytes())
    report = import_images(version, [source])
    assert (report.images, report.already_there) == (1, (str(source / "copy.png"),))


@pytest.mark.parametrize("other", ["two/a.png", "two/A.PNG", "two/a.jpg"])
def test_another_picture_of_a_taken_name_gets_a_number_and_keeps_its_own_caption(version, source, picture, other):
    for place, size in (("one/a.png", (48, 32)), (other, (64, 64))):
        path = picture(source / place, size=size)
        path.with_suffix(".txt").write_text(f"caption of {place}")
    report = import_images(version, [source / "one", source / "two"])
    second = f"{Path(other).stem}-2{Path(other).suffix}"
    assert report.renamed == ((str(source / other), second),)
    assert (version.origin / "a.txt").read_text() == "caption of one/a.png"
    assert (version.origin / second).with_suffix(".txt").read_text() == f"caption of {other}"


def test_a_caption_made_later_joins_its_picture_but_never_replaces_another(version, source, picture):
    picture(source / "a.png")
    import_images(version, [source])
    (source / "a.txt").write_text("first")
    assert import_images(version, [source]).captions == 1
    (source / "a.txt").write_text("second")
    report = import_images(version, [source])
    assert "another caption" in reasons(report)["a.txt"]
    assert (version.origin / "a.txt").read_text() == "first"


def test_the_versions_own_folders_are_not_imported_into_it(version, source, picture):
    import_images(version, [picture(source / "a.png")])
    picture(version.processed / "4_cat" / "00000-0-a.png")
    picture(version.base_images / "base.png")
    report = import_images(version, [version.folder, version.origin])
    assert (report.images, len(report.already_there)) == (0, 1)
    assert reasons(report).keys() >= {"processed", "base"}
    assert names(version) == ["a.png"]


def test_the_same_folder_chosen_twice_counts_once(version, source, picture):
    picture(source / "a.png")
    report = import_images(version, [source, source, source / "a.png"])
    assert (report.images, report.already_there) == (1, ())


@pytest.mark.parametrize("chosen", ["nothing", "an empty folder", "a text"])
def test_nothing_to_take_in_is_told_with_the_formats_that_are_allowed(version, source, chosen):
    (source / "empty").mkdir()
    (source / "a.txt").write_text("x")
    sources = {"nothing": [], "an empty folder": [source / "empty"], "a text": [source / "a.txt"]}[chosen]
    with pytest.raises(DatasetNotUsableError, match=r"Allowed are png, jpg, jpeg, bmp, webp, gif, tif, tiff"):
        import_images(version, sources)


def test_a_full_disk_is_told_and_what_is_in_is_whole(tmp_path, source, picture, full_disk):
    for number in range(8):
        Image.frombytes("RGB", (64, 64), os.urandom(12288)).save(source / f"{number}.png")
    Image.frombytes("RGB", (256, 256), os.urandom(196608)).save(source / "large.png")
    version = VersionPaths(tmp_path / "small disk" / "v1")
    with full_disk(tmp_path / "small disk", 150_000):
        with pytest.raises(StorageError, match=r"large\.png"):
            import_images(version, [source])
        copied = originals(version)
        assert len(names(version)) == len(copied) == 8
        assert all(path.read_bytes() == (source / path.name).read_bytes() for path in copied)


def test_a_decomposed_name_is_kept_composed(version, source, picture):
    picture(source / f"{unicodedata.normalize('NFD', 'Zoë')}.png")
    import_images(version, [source])
    assert names(version) == ["Zoë.png"]


def test_captions_of_before_unicode_become_utf_8_when_their_encoding_is_said(version, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    captions = (("a", "red", "a cat, 猫の絵です", "cp932"), ("b", "blue", "a dog, кот", "utf-8"))
    for name, colour, text, encoding in captions:
        Image.new("RGB", (9, 9), colour).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_bytes(text.encode(encoding))
    unsaid = import_images(version, [folder])
    assert "is not UTF-8 text" in reasons(unsaid)["a.txt"]
    said = import_images(version, [folder], encoding="shift_jis")
    assert (said.captions, reasons(said)) == (1, {})
    assert (version.origin / "a.txt").read_text(encoding="utf-8") == "a cat, 猫の絵です\n"
    assert (version.origin / "b.txt").read_bytes() == "a dog, кот".encode()
    assert (folder / "a.txt").read_bytes() == "a cat, 猫の絵です".encode("cp932")


def test_an_encoding_that_is_none_is_told_before_anything_is_copied(version, photographs):
    with pytest.raises(DatasetNotUsableError, match="no encoding 'klingon'"):
        import_images(version, photographs, encoding="klingon")
    assert not version.origin.exists()
