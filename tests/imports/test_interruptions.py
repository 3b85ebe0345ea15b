"""Imports that end early: stopped, killed, on a disk that is full, in folders that may not be written."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs.patience import eventually
from train_tools.datasets.origin import originals
from train_tools.imports.intake import import_images

BECOME_NOBODY = """
import_images(VersionPaths(Path({version!r})), [Path({warm!r})])  # so that all that is needed is loaded
os.environ["TRAIN_TOOLS_STATE"] = {state!r}
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
"""
PATH = [entry for entry in sys.path if entry]
IMPORT = """
import os, sys
from pathlib import Path
sys.path[:0] = {path!r}
from train_tools.errors import TrainToolsError
from train_tools.imports.intake import import_images
from train_tools.model.paths import VersionPaths
{before}
try:
    report = import_images(VersionPaths(Path({version!r})), [Path(source) for source in {sources!r}])
    print(report.images, *(f"{{each.source}}: {{each.reason}}" for each in report.rejected), sep="\\n")
except TrainToolsError as error:
    print(error)
"""


def script(version, sources, before=""):
    return [
        sys.executable,
        "-c",
        IMPORT.format(
            path=PATH, version=str(version.folder), sources=[str(each) for each in sources], before=before
        ),
    ]


def hashes(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_stopped_it_keeps_what_is_in_and_goes_on_from_there(version, source, picture):
    for number in range(20):
        picture(source / f"{number:02}.png", size=(32 + number, 32))
    done = []
    report = import_images(
        version, [source], progress=lambda now, _: done.append(now), should_stop=lambda: len(done) == 7
    )
    assert (report.stopped, report.images, len(originals(version))) == (True, 7, 7)
    report = import_images(version, [source])
    assert (report.stopped, report.images, len(report.already_there)) == (False, 13, 7)


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_killed_it_goes_on_without_copying_twice(version, source, picture, tmp_path, packed):
    for number in range(300):
        picture(source / f"{number:03}.png", size=(32 + number % 200, 40)).with_suffix(".txt").write_text(
            f"caption {number}"
        )
    before = hashes(source)
    chosen = source
    if packed:
        import shutil

        chosen = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", source))
    process = subprocess.Popen(script(version, [chosen]), stdout=subprocess.DEVNULL, start_new_session=True)
    eventually(lambda: len(originals(version)) >= 20)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first = {path: path.stat().st_mtime_ns for path in originals(version)}
    report = import_images(version, [chosen])
    assert len(first) < 300
    assert report.images + len(report.already_there) == 300
    assert len(report.already_there) >= len(first) - 1
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert hashes(version.origin) == before
    assert hashes(source) == before
    assert [entry.name for entry in version.origin.parent.iterdir() if entry.name.startswith(".")] == []


def test_what_a_killed_copy_left_is_swept_up(version, source, picture):
    picture(source / "a.png")
    torn = version.origin / f".{'0a' * 16}.tmp"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half")
    other = version.origin / ".mine.tmp"
    other.write_bytes(b"the user's")
    import_images(version, [source])
    assert (torn.exists(), other.exists()) == (False, True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_folders_that_may_not_be_written_or_read_are_named(version, source, picture, tmp_path):
    picture(source / "a.png")
    picture(source / "closed" / "b.png")
    picture(source / "c.png").chmod(0)
    (source / "closed").chmod(0)
    version.folder.mkdir(parents=True)
    parents = [tmp_path, *tmp_path.parents]
    closed = {folder: mode for folder in parents if not (mode := folder.stat().st_mode) & 0o001}
    for folder, mode in closed.items():
        folder.chmod(mode | 0o001)
    for folder in ("for root", "for nobody"):
        (tmp_path / folder).mkdir(mode=0o777)
        (tmp_path / folder).chmod(0o777)
    become_nobody = BECOME_NOBODY.format(
        warm=str(picture(tmp_path / "warm.png")),
        version=str(tmp_path / "for root"),
        state=str(tmp_path / "for nobody"),
    )
    try:
        refused = subprocess.run(script(version, [source], become_nobody), capture_output=True, text=True)
        assert "folder can't be written" in refused.stdout, refused.stderr
        version.folder.chmod(0o777)
        done = subprocess.run(script(version, [source], become_nobody), capture_output=True, text=True)
    finally:
        for folder, mode in closed.items():
            folder.chmod(mode)
    assert not done.stderr
    assert done.stdout.splitlines() == [
        "1",
        f"{source / 'closed'}: the folder can't be read: Permission denied",
        f"{source / 'c.png'}: it can't be read: check its permissions",
    ]
    assert [path.name for path in originals(version)] == ["a.png"]
