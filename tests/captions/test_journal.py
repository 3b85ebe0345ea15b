from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image

from tests.faults.small_disk import SmallDisk
from train_tools.captions.edits import edit
from train_tools.captions.journal import KEPT, Journal
from train_tools.captions.listing import Listing
from train_tools.captions.operations import Add, Remove, Write
from train_tools.datasets.exclusive import alone_with
from train_tools.errors import ChangedMeanwhileError, InUseError, NotFoundError, NotNowError, StorageError
from train_tools.model.captions import EditState
from train_tools.model.paths import VersionPaths

HEAD = '{"format": 1, "what": "", "when": "", "count": 1}'
NAMES = ("10_cat/a.png", "10_cat/b.png", "3_big dog/c.png")


@pytest.fixture
def files(put):
    """Captions as other programs may have left them, and an image without one."""
    return [
        put(NAMES[0], b"cat, red\r\n"),
        put(NAMES[1], "猫, x".encode("utf-16")),
        put(NAMES[2]),
    ]


def contents(files):
    return [file.read_bytes() if file.exists() else None for file in files]


def test_an_undone_edit_leaves_every_byte_as_it_was(version, files, listed, captions):
    before = contents(files)
    edit(version, listed(), Add(tags=("new",), front=True))
    assert list(captions().values()) == ["new, cat, red", "new, 猫, x", "new"]
    undone = Journal(version).undo()
    assert (undone.images, undone.record.state, undone.changed) == (NAMES, EditState.UNDONE, 3)
    assert contents(files) == before


def test_edits_are_undone_backwards_and_done_again_forwards(version, files, listed, captions):
    for word in ("one", "two", "three"):
        edit(version, listed(), Write(text=word))
    journal = Journal(version)
    told = []
    for step in (journal.undo, journal.undo, journal.redo, journal.redo, journal.undo):
        step()
        told.append(captions()[NAMES[0]])
    assert told == ["two", "one", "two", "three", "two"]
    assert [(each.number, str(each.state)) for each in journal.records()] == [
        (3, "undone"),
        (2, "done"),
        (1, "done"),
    ]


def test_what_was_changed_since_is_named_and_never_overwritten(version, files, listed):
    edit(version, listed(), Add(tags=("new",)))
    files[1].write_text("theirs")
    after = contents(files)
    with pytest.raises(ChangedMeanwhileError, match=r"1 captions .* 10_cat/b\.png\. Leave these"):
        Journal(version).undo()
    assert contents(files) == after
    outcome = Journal(version).undo(leave_changed=True)
    assert (outcome.left, outcome.changed) == ((NAMES[1],), 2)
    assert contents(files) == [b"cat, red\r\n", b"theirs", None]


def test_a_caption_is_not_put_back_without_its_image(version, files, listed):
    edit(version, listed(), Remove(tags=("cat", "red")))
    assert not files[0].exists()
    (version.processed / NAMES[0]).unlink()
    with pytest.raises(ChangedMeanwhileError, match=r"10_cat/a\.png"):
        Journal(version).undo()
    assert not files[0].exists()


def test_an_older_edit_can_be_undone_where_no_later_one_touched(version, files, listed, captions):
    first = edit(version, [listed()[0]], Add(tags=("one",))).record.number
    edit(version, [listed()[1]], Add(tags=("two",)))
    Journal(version).undo(first)
    assert list(captions().values())[:2] == ["cat, red", "猫, x, two"]
    with pytest.raises(NotFoundError, match="Edit 1 can't be undone"):
        Journal(version).undo(first)


def test_without_an_edit_nothing_can_be_undone(version):
    with pytest.raises(NotFoundError, match="no edit that can be undone"):
        Journal(version).undo()
    with pytest.raises(NotFoundError, match="no edit that can be done again"):
        Journal(version).redo()


def test_no_edit_begins_while_a_preparation_is_under_way(version, files, listed):
    before = contents(files)
    with alone_with(version), pytest.raises(InUseError):
        edit(version, listed(), Add(tags=("new",)))
    assert contents(files) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from train_tools.captions import journal
from train_tools.captions.edits import edit
from train_tools.captions.listing import Listing
from train_tools.captions.operations import Add
from train_tools.model.paths import VersionPaths

version, moment, action = VersionPaths(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
write, done = journal.exchange, []

def stopped(path, before, after):
    if len(done) == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(path)
    return write(path, before, after)

journal.exchange = stopped
if action == "edit":
    edit(version, Listing().images(version), Add(tags=("new",)))
else:
    journal.Journal(version).undo()
"""


@pytest.mark.parametrize("moment", [0, 1, 2])
@pytest.mark.parametrize("action", ["edit", "undo"])
def test_what_was_killed_is_finished_at_the_next_opening(version, files, listed, captions, action, moment):
    before = contents(files)
    if action == "undo":
        edit(version, listed(), Add(tags=("new",)))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(version.folder), str(moment), action])
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while Journal(version).records()[0].state not in (EditState.DONE, EditState.UNDONE):
        assert time.monotonic() < deadline
        assert Journal(version).mend() == ()
    assert [file.name for file in version.processed.rglob(".*")] == []
    if action == "edit":
        assert list(captions().values()) == ["cat, red, new", "猫, x, new", "new"]
        Journal(version).undo()
    assert contents(files) == before


def test_what_was_killed_leaves_alone_what_others_saved_since(version, files):
    subprocess.run([sys.executable, "-c", KILLED, str(version.folder), "1", "edit"])
    files[1].write_text("theirs")
    assert Journal(version).mend() == (NAMES[1],)
    assert contents(files) == [b"cat, red, new\n", b"theirs", b"new\n"]


WITHOUT_ROOT = """
import os, sys
from pathlib import Path
from train_tools.captions.edits import edit
from train_tools.captions.journal import Journal
from train_tools.captions.listing import Listing
from train_tools.captions.operations import Add
from train_tools.errors import StorageError
from train_tools.model.paths import VersionPaths

home = Path(sys.argv[1])
version = VersionPaths(home / "v1")
edit(version, Listing().images(version)[:1], Add(tags=("first",)))  # while Python may still read all of itself
Journal(version).undo()
if os.geteuid() == 0:
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    os.setuid(65534)
try:
    edit(version, Listing().images(version), Add(tags=("new",)))
except StorageError as error:
    print(error)
print([str(each.state) for each in Journal(version).records()])
"""


def test_an_edit_that_can_t_be_written_is_taken_back():
    with TemporaryDirectory() as home:  # pytest's own folders let nobody else in
        version = VersionPaths(Path(home, "v1"))
        for image, caption in (("1_cat/a.png", b"cat, red\r\n"), ("2_dog/b.png", None)):
            path = version.processed / image
            path.parent.mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(path)
            if caption:
                path.with_suffix(".txt").write_bytes(caption)
        path.parent.chmod(0o500)  # the second caption would be a new file there
        told = subprocess.run(
            [sys.executable, "-c", WITHOUT_ROOT, home],
            env={**os.environ, "TRAIN_TOOLS_STATE": str(Path(home, "state"))},
            capture_output=True,
            text=True,
        )
        path.parent.chmod(0o700)
        assert told.returncode == 0, told.stderr
        assert "Could not write b.txt" in told.stdout
        assert "check its permissions" in told.stdout
        assert told.stdout.endswith("['undone', 'undone']\n")
        texts = [file.read_bytes() for file in version.processed.rglob("*.txt")]
        assert texts == [b"cat, red\r\n"]


def test_a_full_disk_changes_nothing(tmp_path):
    disk = SmallDisk(tmp_path / "disk", megabytes=1)
    if not disk.mounted:
        pytest.skip("this system lets us have no disk of our own")
    try:
        version = VersionPaths(disk.folder / "v1")
        folder = version.processed / "10_cat"
        folder.mkdir(parents=True)
        for number in range(60):
            Image.new("RGB", (8, 8)).save(folder / f"{number:02}.png")
        disk.fill(leave_bytes=40 * 4096)  # there is room for the journal and some of the captions
        with pytest.raises(NotNowError, match="The disk is full"):
            edit(version, Listing().images(version), Write(text="cat"))
        assert list(folder.glob("*.txt")) == []
        disk.free()
        Journal(version).redo()
        assert len(list(folder.glob("*.txt"))) == 60
    finally:
        disk.unmount()


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"format": 1}', '{"format": 1, "what": "", "when": "", "captions": [["../../x", null, "y"]]}'],
)
def test_a_damaged_or_smuggled_edit_is_told_and_not_followed(version, files, text):
    version.caption_edits.mkdir(parents=True)
    (version.caption_edits / "000001.done.jsonl").write_text(text)
    with pytest.raises(StorageError, match="is not a whole edit"):
        Journal(version).undo()


def test_old_edits_are_forgotten(version, put, listed):
    put("10_cat/a.png", "cat")
    for number in range(KEPT + 3):
        edit(version, listed(), Write(text=str(number)))
    numbers = [each.number for each in Journal(version).records()]
    assert (len(numbers), numbers[0]) == (KEPT, KEPT + 3)
