from __future__ import annotations

import os
import stat
import struct
import tracemalloc
import zipfile

import pytest

from train_tools.datasets.origin import originals
from train_tools.errors import DatasetNotUsableError, StorageError
from train_tools.imports import archives
from train_tools.imports.archives import ArchiveNotUsableError, unpack
from train_tools.imports.intake import import_images
from train_tools.model.paths import VersionPaths

WANTED = (".png", ".txt")


@pytest.fixture
def archive(tmp_path):
    """Writes a zip file of names and contents, and gives its path."""

    def written(files, name="pictures.zip", **settings):
        with zipfile.ZipFile(tmp_path / name, "w", **settings) as opened:
            for entry, content in files.items():
                opened.writestr(entry, content)
        return tmp_path / name

    return written


def entry(name, mode=0, flags=0):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.flag_bits |= flags
    return info


def reasons(unpacked):
    return dict(unpacked.left_out)


def files_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_pictures_and_captions_of_an_archive_are_imported_like_those_of_a_folder(
    version, source, picture, archive
):
    content = picture(source / "a.png").read_bytes()
    files = {"cats/a.png": content, "cats/a.txt": "a cat", "cats/deep/b.PNG": content[:99], "x.psd": "?"}
    packed = archive(files)
    before = packed.read_bytes()
    report = import_images(version, [packed])
    assert (report.images, report.captions) == (1, 1)
    assert (version.origin / "a.png").read_bytes() == content
    assert (version.origin / "a.txt").read_text() == "a cat"
    told = {each.source: each.reason for each in report.rejected}
    assert told.keys() == {f"{packed}/cats/deep/b.PNG", f"{packed}/x.psd"}
    assert "format is not one of png" in told[f"{packed}/x.psd"]
    assert packed.read_bytes() == before
    assert not version.staging.exists()


def test_an_archive_in_a_folder_is_unpacked_too(version, source, picture, archive):
    content = picture(source / "inside.png").read_bytes()
    (source / "inside.png").unlink()
    archive({"inside.png": content}, name="my pictures/more.zip")
    assert import_images(version, [source]).images == 1
    assert [path.name for path in originals(version)] == ["inside.png"]


@pytest.mark.parametrize(
    "name",
    ["../a.png", "a/../../b.png", "/etc/a.png", "\\a.png", "..\\a.png", "C:/a.png", "c:a.png", "//host/a.png"],
)
def test_no_file_is_written_outside_the_folder(tmp_path, archive, name):
    packed = archive({name: b"x", "good.png": b"y"})
    unpacked = unpack(packed, tmp_path / "staging" / "here", WANTED)
    assert files_in(unpacked.folder) == ["good.png"]
    assert list(reasons(unpacked).values()) == ["its name leads out of the archive"]
    assert files_in(tmp_path) == sorted(
        ["pictures.zip", *(path.relative_to(tmp_path).as_posix() for path in (tmp_path / "staging").rglob("*.*"))]
    )


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_left_out(tmp_path, archive, kind):
    packed = archive({entry("a.png", mode=kind | 0o777): "/etc/passwd", entry("b.png", stat.S_IFREG): "x"})
    unpacked = unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(unpacked.folder) == ["b.png"]
    assert reasons(unpacked) == {"a.png": "it is a link or a device, no plain file"}


def test_what_is_hidden_or_an_archive_itself_is_left_out(tmp_path, archive):
    names = ["__MACOSX/._a.png", ".secret/a.png", "more.zip", "deep/more.7Z", "b.png"]
    told = reasons(unpack(archive(dict.fromkeys(names, b"x")), tmp_path / "staging", WANTED))
    assert told.keys() == set(names) - {"b.png"}
    assert "archive in an archive" in told["more.zip"]
    assert "archive in an archive" in told["deep/more.7Z"]


def test_names_of_old_programs_are_read_as_cp437(tmp_path, archive):
    packed = archive({"a_?.png": b"x"})
    raw = packed.read_bytes().replace(b"a_?.png", b"a_\x81.png")
    packed.write_bytes(raw)
    assert files_in(unpack(packed, tmp_path / "staging", WANTED).folder) == ["a_ü.png"]
    packed.write_bytes(raw.replace(b"a_\x81.png", b"a\xc3\xbc.png"))
    assert files_in(unpack(packed, tmp_path / "staging", WANTED).folder) == ["aü.png"]


def test_names_no_disk_takes_are_shortened_and_stay_pairs(tmp_path, archive):
    name = "x" * 300
    packed = archive({f"{name}.png": b"x", f"{name}.txt": b"y", 'line\nbreak "q" 🐈.png': b"z"})
    found = files_in(unpack(packed, tmp_path / "staging", WANTED).folder)
    assert found == ['line_break "q" 🐈.png', f"{'x' * 120}.png", f"{'x' * 120}.txt"]


def test_of_two_files_of_one_name_the_first_counts(tmp_path, archive):
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed = archive({entry("a.png"): b"first", entry("a.png"): b"second"})
    unpacked = unpack(packed, tmp_path / "staging", WANTED)
    assert (unpacked.folder / "a.png").read_bytes() == b"first"
    assert reasons(unpacked) == {"a.png": "another file of this name is in the archive"}


def test_an_encrypted_archive_is_refused_with_what_to_do(tmp_path, archive):
    packed = archive({"a.png": b"x"})
    content = bytearray(packed.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + offset] |= 1
    packed.write_bytes(content)
    with pytest.raises(ArchiveNotUsableError, match="encrypted: unpack it with its password"):
        unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(tmp_path / "staging") == []


def test_a_bomb_is_refused_before_a_byte_of_it_is_written(tmp_path, archive):
    packed = archive({"a.png": bytes(150 * 1024**2)}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ArchiveNotUsableError, match="more than 100 times as much"):
        unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(tmp_path / "staging") == []


def test_a_bomb_among_honest_files_is_left_out(tmp_path, archive):
    honest = os.urandom(2 * 1024**2)
    packed = archive({"a.png": bytes(150 * 1024**2), "b.png": honest}, compression=zipfile.ZIP_DEFLATED)
    unpacked = unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(unpacked.folder) == ["b.png"]
    assert "claims to become" in reasons(unpacked)["a.png"]


def test_a_file_that_lies_about_its_size_is_left_out(tmp_path, archive):
    packed = archive({"a.png": bytes(100_000), "b.png": b"x"}, compression=zipfile.ZIP_DEFLATED)
    packed.write_bytes(packed.read_bytes().replace(struct.pack("<L", 100_000), struct.pack("<L", 500)))
    unpacked = unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(unpacked.folder) == ["b.png"]
    assert "broken in the archive" in reasons(unpacked)["a.png"]


@pytest.mark.parametrize("large", [False, True], ids=["plain", "zip64"])
def test_an_archive_that_claims_millions_of_files_is_refused_unread(tmp_path, archive, large):
    packed = archive({"a.png": b"x"})
    content = packed.read_bytes()
    end = content.index(b"PK\5\6")
    if large:
        record = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 5_000_000, 5_000_000, 2**32, 0)
        content = content[:end] + record + b"PK\6\7" + struct.pack("<LQL", 0, end, 1) + content[end:]
        what = "5,000,000 files"
    else:
        content = content[:end] + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, 2**30, 0, 0)
        what = "1 files"
    packed.write_bytes(content)
    with pytest.raises(ArchiveNotUsableError, match=f"it holds {what}"):
        unpack(packed, tmp_path / "staging", WANTED)


def test_more_files_than_are_unpacked_are_refused(tmp_path, archive, monkeypatch):
    monkeypatch.setattr(archives, "MOST_ENTRIES", 10)
    packed = archive({f"{n}.png": b"x" for n in range(11)})
    with pytest.raises(ArchiveNotUsableError, match=r"it holds 11 files, and at most 10 are unpacked"):
        unpack(packed, tmp_path / "staging", WANTED)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all" * 99, b"PK\5\6" + bytes(18)])
def test_what_is_no_archive_or_an_empty_one_is_told(version, tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DatasetNotUsableError, match="No picture could be taken in"):
        import_images(version, [tmp_path / "a.zip"])
    assert not version.staging.exists()


def test_a_truncated_archive_is_told(tmp_path, archive):
    packed = archive({f"{n}.png": os.urandom(999) for n in range(9)})
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(ArchiveNotUsableError, match="its end is missing"):
        unpack(packed, tmp_path / "staging", WANTED)


def test_a_file_with_flipped_bits_is_left_out_and_the_others_come(tmp_path, archive):
    packed = archive({"a.png": bytes(range(256)), "b.png": b"x"})
    packed.write_bytes(packed.read_bytes().replace(bytes(range(256)), bytes(reversed(range(256)))))
    unpacked = unpack(packed, tmp_path / "staging", WANTED)
    assert files_in(unpacked.folder) == ["b.png"]


def test_a_pipe_called_zip_is_not_waited_for(version, tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(DatasetNotUsableError, match="not a plain file"):
        import_images(version, [tmp_path / "a.zip"])


def test_an_archive_is_never_held_in_memory(tmp_path, archive):
    packed = archive({"a.png": os.urandom(64 * 1024**2)})
    tracemalloc.start()
    try:
        unpack(packed, tmp_path / "staging", WANTED)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024**2
    finally:
        tracemalloc.stop()


def test_what_was_unpacked_whole_is_not_unpacked_again(tmp_path, archive):
    packed = archive({"a.png": b"x", "b.psd": b"y"})
    first = unpack(packed, tmp_path / "staging", WANTED)
    (first.folder / "a.png").write_bytes(b"marked")
    assert unpack(packed, tmp_path / "staging", WANTED) == first
    assert (first.folder / "a.png").read_bytes() == b"marked"


def test_stopped_in_the_middle_it_is_unpacked_anew(tmp_path, archive):
    packed = archive({f"{n}.png": b"x" for n in range(9)})
    done = []
    unpack(packed, tmp_path / "staging", WANTED, lambda now, _: done.append(now), lambda: len(done) == 4)
    assert len(files_in(unpack(packed, tmp_path / "staging", WANTED).folder)) == 9


def test_on_a_full_disk_nothing_stays_of_an_archive(tmp_path, archive, full_disk):
    packed = archive({f"{n}.png": os.urandom(50_000) for n in range(9)})
    version = VersionPaths(tmp_path / "small disk" / "v1")
    with full_disk(tmp_path / "small disk", 150_000):
        with pytest.raises((StorageError, DatasetNotUsableError), match=r"free: free some space|full"):
            import_images(version, [packed])
        assert originals(version) == ()
        assert not version.staging.exists()
