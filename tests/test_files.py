from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from train_tools.errors import StorageError
from train_tools.files import (
    link_or_copy,
    read_toml,
    sha256_of,
    storage_error,
    unused,
    whole_file,
    whole_folder,
    write_json,
    write_text,
    write_toml,
)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path, awkward_name):
    file = tmp_path / awkward_name
    write_text(file, "first")
    write_text(file, "second, кот")
    assert file.read_bytes() == "second, кот".encode()
    assert names(tmp_path) == [awkward_name]


def test_a_file_with_the_longest_name_there_can_be_is_written(tmp_path):
    write_text(tmp_path / ("x" * 255), "it fits")
    assert names(tmp_path) == ["x" * 255]


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "old")
    with pytest.raises(ZeroDivisionError), whole_file(file) as half:
        half.write(b"new, but")
        raise ZeroDivisionError
    assert (file.read_text(), names(tmp_path)) == ("old", ["a.txt"])


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "old")
    script = "import sys, time; from pathlib import Path; from train_tools.files import whole_file\n"
    script += "with whole_file(Path(sys.argv[1])) as half:\n    half.write(b'new'); half.flush()\n"
    script += "    print('half', flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        assert writer.stdout.readline() == "half\n"
        writer.send_signal(signal.SIGKILL)
    assert file.read_text() == "old"


def test_threads_that_write_one_file_at_once_leave_what_one_of_them_wrote(tmp_path):
    file = tmp_path / "a.txt"
    texts = [str(number) * 20_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            list(pool.map(lambda text: write_text(file, text), texts))
            assert file.read_text() in texts
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_is_not_there_is_told_with_the_files_name(tmp_path):
    with pytest.raises(StorageError, match=r"Could not write a\.txt in .*gone\. The system says"):
        write_text(tmp_path / "gone" / "a.txt", "")


def test_what_is_no_text_is_told_and_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(StorageError, match=r"Could not write a\.txt .*is not UTF-8 text"):
        write_text(tmp_path / "a.txt", "bytes of a file's name: \udcff")
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "The disk is full: free some space"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EACCES, "can't be written: check its permissions"),
        (errno.EROFS, "can't be written"),
        (errno.EIO, "The system says: Input/output error"),
    ],
)
def test_what_to_do_is_told_for_each_kind_of_trouble(tmp_path, number, advice):
    text = str(storage_error(tmp_path / "a.txt", OSError(number, os.strerror(number))))
    assert text.startswith(f"Could not write a.txt in {tmp_path}. ")
    assert advice in text


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with whole_folder(tmp_path / "good") as building:
        (building / "a.txt").write_text("a")
        assert not (tmp_path / "good").exists()
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "bad") as building:
        (building / "a.txt").write_text("a")
        raise ZeroDivisionError
    assert names(tmp_path) == ["good"]
    assert names(tmp_path / "good") == ["a.txt"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(StorageError, match="Could not write full"), whole_folder(tmp_path / "full"):
        pass
    assert (tmp_path / "full" / "mine").read_text() == "mine"
    assert names(tmp_path) == ["full"]


def test_json_and_toml_are_written_as_text_for_people(tmp_path):
    write_json(tmp_path / "a.json", {"name": "кот", "list": [1]})
    write_toml(tmp_path / "a.toml", {"name": "кот", "number": 1e-06, "list": [1, 2]})
    assert '"кот"' in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_toml(tmp_path / "a.toml") == {"name": "кот", "number": 1e-06, "list": [1, 2]}


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"a = ", "is not valid TOML"), (b"\xff\xfe", "is not valid TOML"), (None, "Could not read")],
)
def test_a_file_that_is_no_toml_is_told(tmp_path, content, told):
    file = tmp_path / "a.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(StorageError, match=told) as refusal:
        read_toml(file)
    assert str(file) in str(refusal.value)


def test_a_hash_is_that_of_the_content_and_tells_how_much_was_read(tmp_path):
    content = os.urandom(3_000_001)
    (tmp_path / "a").write_bytes(content)
    read: list[int] = []
    assert sha256_of(tmp_path / "a", read.append) == hashlib.sha256(content).hexdigest()
    assert sum(read) == len(content)


def test_a_linked_file_outlives_its_source_and_takes_no_second_place(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("content")
    target.write_text("old")
    link_or_copy(source, target)
    link_or_copy(source, target)
    assert target.samefile(source)
    source.unlink()
    assert (target.read_text(), names(tmp_path)) == ("content", ["target"])


def test_links_of_one_file_that_are_made_at_once_leave_nothing_beside_it(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("content")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(50):
            list(pool.map(lambda _: link_or_copy(source, target), range(8)))
            assert names(tmp_path) == ["source", "target"]
            target.unlink()


def test_where_links_do_not_work_the_file_is_copied(tmp_path):
    source, target = Path("/proc/self/status"), tmp_path / "target"
    link_or_copy(source, target)
    assert target.read_text().startswith("Name:")
    assert names(tmp_path) == ["target"]


def test_a_name_that_is_taken_gets_the_next_number(tmp_path):
    for taken in ("a.txt", "a-2.txt", "folder"):
        (tmp_path / taken).mkdir()
    assert unused(tmp_path / "a.txt").name == "a-3.txt"
    assert unused(tmp_path / "folder").name == "folder-2"
    assert unused(tmp_path / "free").name == "free"


def test_a_writer_in_the_middle_is_never_seen_by_a_reader(tmp_path):
    file = tmp_path / "a.txt"
    write_text(file, "0" * 100_000)
    seen = set()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write_text(file, str(number) * 100_000) for number in range(9)])
        while not writing.done():
            text = file.read_text()
            seen.add((len(text), len(set(text))))
            time.sleep(0)
    assert seen == {(100_000, 1)}
