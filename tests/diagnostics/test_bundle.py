from __future__ import annotations

import zipfile

import pytest

from train_tools.diagnostics.bundle import write_bundle
from train_tools.diagnostics.redaction import Redaction
from train_tools.errors import AlreadyExistsError, NotFoundError

REDACTED = Redaction(["a-planted-secret"])


def test_members_are_redacted_and_a_page_says_what_they_are(tmp_path, awkward_name):
    file = tmp_path / f"{awkward_name}.zip"
    write_bundle(file, {"a/b.txt": "кот 猫 a-planted-secret"}, REDACTED)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["README.txt", "a/b.txt"]
        assert archive.read("a/b.txt").decode() == "кот 猫 <secret>"
        assert b"Look\nthrough the files" in archive.read("README.txt")


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path):
    write_bundle(tmp_path / "b.zip", {"a.txt": "a \udcff name"}, REDACTED)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.read("a.txt") == b"a \\udcff name"


def test_another_file_is_never_written_over(tmp_path):
    (tmp_path / "b.zip").write_text("mine")
    with pytest.raises(AlreadyExistsError, match=r"b\.zip is there already"):
        write_bundle(tmp_path / "b.zip", {}, REDACTED)
    assert (tmp_path / "b.zip").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="no folder"):
        write_bundle(tmp_path / "nowhere" / "b.zip", {}, REDACTED)


def test_one_that_breaks_off_leaves_nothing(tmp_path):
    def breaks_off(text: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "b.zip", {"a": "b"}, breaks_off)
    assert list(tmp_path.iterdir()) == []
