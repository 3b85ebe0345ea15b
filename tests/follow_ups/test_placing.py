from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from train_tools.errors import NotFoundError, StorageError
from train_tools.follow_ups.placing import PIECE_BYTES, Placed, place
from train_tools.jobs.errand import StoppedError

LIMITED = """
import resource, sys
from pathlib import Path
from tests.follow_ups.test_placing import no_links
from train_tools.follow_ups.placing import place
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
place(Path(sys.argv[1]), Path(sys.argv[2]), "cat.safetensors", link=no_links)
"""


def no_links(source: Path, target: Path) -> None:
    """A disk without hard links, or another disk than the source's."""
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "run" / "cat.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"weights" * 500_000)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "it's [Lora] кот"
    made.mkdir()
    return made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_where_links_work_the_file_takes_no_room(source, folder):
    placed = place(source, folder, "cat.safetensors")
    assert placed == Placed(path=folder / "cat.safetensors")
    assert placed.path.samefile(source)


def test_where_they_do_not_it_is_copied(source, folder):
    placed = place(source, folder, "cat.safetensors", link=no_links)
    assert not placed.path.samefile(source)
    assert placed.path.read_bytes() == source.read_bytes()
    assert names(folder) == ["cat.safetensors"]


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="a second disk is wanted")
def test_on_another_disk_it_is_copied(source, folder):
    other = Path("/dev/shm") / f"train-tools-{os.getpid()}"
    if other.parent.stat().st_dev == source.stat().st_dev:
        pytest.skip("/dev/shm is the same disk")
    other.mkdir()
    try:
        placed = place(source, other, "cat.safetensors")
        assert placed.path.read_bytes() == source.read_bytes()
        assert names(other) == ["cat.safetensors"]
    finally:
        for file in other.iterdir():
            file.unlink()
        other.rmdir()


@pytest.mark.parametrize("link", [os.link, no_links])
def test_another_file_is_never_written_over(source, folder, link):
    for name in ("cat.safetensors", "cat-2.safetensors"):
        (folder / name).write_text(f"mine {name}")
    assert place(source, folder, "cat.safetensors", link=link).path.name == "cat-3.safetensors"
    assert (folder / "cat.safetensors").read_text() == "mine cat.safetensors"
    assert (folder / "cat-2.safetensors").read_text() == "mine cat-2.safetensors"


@pytest.mark.parametrize("link", [os.link, no_links])
def test_what_is_there_already_is_not_put_there_twice(source, folder, link):
    (folder / "cat.safetensors").write_bytes(bytes(source.stat().st_size))  # as long, and something else
    first = place(source, folder, "cat.safetensors", link=link)
    again = place(source, folder, "cat.safetensors", link=link)
    assert again == Placed(path=first.path, was_there=True)
    assert names(folder) == ["cat-2.safetensors", "cat.safetensors"]


@pytest.mark.parametrize("link", [os.link, no_links])
def test_a_folder_or_a_link_to_nowhere_is_another_thing_too(source, folder, link):
    (folder / "cat.safetensors").mkdir()
    (folder / "cat-2.safetensors").symlink_to(folder / "nowhere")
    assert place(source, folder, "cat.safetensors", link=link).path.name == "cat-3.safetensors"
    assert not (folder / "nowhere").exists()


def test_a_name_that_somebody_takes_meanwhile_is_left_to_him(source, folder):
    def taken_meanwhile(one: Path, target: Path) -> None:
        if target.name == "cat.safetensors":
            target.write_text("mine")
        raise OSError(errno.EPERM, "Operation not permitted")

    assert place(source, folder, "cat.safetensors", link=taken_meanwhile).path.name == "cat-2.safetensors"
    assert (folder / "cat.safetensors").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_copy_that_does_not_fit_leaves_nothing(source, folder):
    said = subprocess.run(
        [sys.executable, "-c", LIMITED, str(source), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Could not write cat.safetensors" in said.stderr
    assert names(folder) == []


def test_what_a_killed_copy_left_is_gone_after_the_next_try(source, folder):
    seen = []

    def look(one: Path, target: Path) -> None:
        seen.extend(name for name in names(folder) if name not in seen)
        no_links(one, target)

    place(source, folder, "cat.safetensors", link=look)
    part = next(name for name in seen if name.endswith(".part"))
    (folder / "cat.safetensors").unlink()
    (folder / part).write_bytes(b"half" * 3_000_000)
    placed = place(source, folder, "cat.safetensors", link=no_links)
    assert placed.path.read_bytes() == source.read_bytes()
    assert names(folder) == ["cat.safetensors"]


def test_a_copy_can_be_stopped_and_leaves_nothing(source, folder):
    asked = iter([False, True])
    assert source.stat().st_size > 2 * PIECE_BYTES
    with pytest.raises(StoppedError):
        place(source, folder, "cat.safetensors", stopped=lambda: next(asked), link=no_links)
    assert names(folder) == []


def test_a_folder_that_is_gone_is_not_made_again(source, tmp_path):
    """It may lie on a disk that isn't there now."""
    with pytest.raises(NotFoundError, match="is not there any more"):
        place(source, tmp_path / "gone", "cat.safetensors")
    assert not (tmp_path / "gone").exists()


def test_a_checkpoint_that_is_gone_is_told(source, folder):
    source.unlink()
    with pytest.raises(NotFoundError, match=r"cat\.safetensors is not there any more"):
        place(source, folder, "cat.safetensors")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_can_not_be_written_is_told(source, folder):
    folder.chmod(0o555)
    with pytest.raises(StorageError, match=r"copies\.folder"):
        place(source, folder, "cat.safetensors")
    folder.chmod(0o755)
