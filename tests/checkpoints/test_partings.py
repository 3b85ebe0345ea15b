from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from train_tools.checkpoints.marks import change_marks, marks_of, paths_of
from train_tools.checkpoints.partings import bring_back, put_away, room_of, twins_of
from train_tools.errors import AlreadyExistsError, NotFoundError, StorageError
from train_tools.model.paths import RunPaths
from train_tools.projects.store import ProjectStore
from train_tools.projects.trash import Trash
from train_tools.runs.checkpoints import checkpoints_of


@pytest.fixture
def trash(outputs):
    return Trash(outputs.trash, lambda: datetime(2026, 1, 31, tzinfo=UTC))


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_belongings(checkpoint):
    """Previews and marks, as a used checkpoint has them."""
    paths_of(checkpoint).images.mkdir(parents=True)
    (paths_of(checkpoint).images / "1.png").write_bytes(b"picture" * 100)
    change_marks(checkpoint, lambda marks: replace(marks, rating=3))
    return checkpoint


def test_what_was_put_away_comes_back_as_it_was(train, trash, version):
    first, second = with_belongings(train("cat-000002")), train("cat", run="run-2")
    train("cat")
    before = everything(version.trains)
    trashed = put_away(trash, version, [first, second])
    assert [each.name for each in checkpoints_of(RunPaths(version.trains / "run-1"))] == ["cat"]
    assert not paths_of(first).folder.exists() and twins_of(first) == []
    assert trashed.what == '2 checkpoints of version "v1" of "it\'s [кот]"'
    assert bring_back(trash, trashed.token, version) == (first.path, second.path)
    assert everything(version.trains) == before
    assert marks_of(first).rating == 3 and twins_of(first)
    assert trash.list() == ()


def test_the_room_counts_a_file_with_two_names_once_and_tells_what_is_shared(train, tmp_path):
    first, second = with_belongings(train("cat-000002")), train("cat-000004")
    both = first.size_bytes + second.size_bytes + 700 + paths_of(first).marks.stat().st_size
    assert room_of([first, second]) == (both, both)
    os.link(second.path, tmp_path / "elsewhere.safetensors")
    assert room_of([first, second]) == (both, both - second.size_bytes)


def test_the_room_is_what_the_trash_says_and_is_free_when_it_is_emptied(train, trash, version):
    checkpoint = with_belongings(train("cat-000002"))
    size, freed = room_of([checkpoint])
    trashed = put_away(trash, version, [checkpoint])
    assert trashed.size_bytes == size == freed
    trash.forget(trashed.token)
    assert not any(file.name.startswith("cat") for file in version.trains.rglob("*"))


def test_a_place_that_is_taken_again_is_not_written_over(train, trash, version):
    token = put_away(trash, version, [train("cat-000002"), train("cat-000004")]).token
    again = train("cat-000004", weights=9.0)
    before = everything(version.trains)
    with pytest.raises(AlreadyExistsError, match="cat-000004"):
        bring_back(trash, token, version)
    assert everything(version.trains) == before
    assert again.path.is_file() and len(trash.list()) == 1


def test_a_run_that_is_gone_does_not_come_back_as_a_ghost(train, trash, version):
    token = put_away(trash, version, [train("cat-000002")]).token
    (version.trains / "run-1").rename(version.trains / "moved")
    with pytest.raises(NotFoundError, match="Bring it back first"):
        bring_back(trash, token, version)
    assert not (version.trains / "run-1").exists()


def test_of_several_all_or_none_are_put_away(train, trash, version):
    first, second = train("cat-000002"), train("cat-000004")
    second.path.unlink()
    before = everything(version.trains)
    with pytest.raises(NotFoundError, match="cat-000004"):
        put_away(trash, version, [first, second])
    assert everything(version.trains) == before
    assert trash.list() == ()


def test_a_trash_that_cannot_be_written_leaves_everything(train, trash, version, outputs):
    outputs.trash.write_text("a file where the folder should be")
    before = everything(version.trains)
    with pytest.raises(StorageError):
        put_away(trash, version, [train("cat-000002")])
    assert everything(version.trains).keys() >= before.keys()


def test_checkpoints_are_not_restored_as_a_version(train, trash, version, outputs):
    token = put_away(trash, version, [train("cat")]).token
    with pytest.raises(NotFoundError, match="checkpoints restore"):
        ProjectStore(outputs).restore(token)


def test_a_file_named_like_a_folder_of_the_run_takes_only_itself_along(train, trash, version):
    put_away(trash, version, [train("attempts")])
    assert (version.trains / "run-1" / "attempts").is_dir()
