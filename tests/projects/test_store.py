from __future__ import annotations

import json
import os
import unicodedata
import zipfile
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from train_tools.errors import (
    AlreadyExistsError,
    InUseError,
    NameNotAllowedError,
    NotFoundError,
    StorageError,
)
from train_tools.files import read_toml
from train_tools.model.paths import OutputsPaths
from train_tools.model.project import Choice
from train_tools.projects.store import ProjectStore

AWKWARD = ["it's [bold] red", "кошка и пёс", "猫の絵", "🐈‍⬛ & co", "v1.5 (new)"]


def ticking():
    """A clock that moves on a second whenever it is looked at."""
    seconds = count()
    return lambda: datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(seconds=next(seconds))


@pytest.fixture
def outputs(tmp_path):
    return OutputsPaths(tmp_path / "outputs")


@pytest.fixture
def store(outputs):
    return ProjectStore(outputs, now=ticking())


def names(items):
    return [item.name for item in items]


def test_an_outputs_folder_that_is_not_there_holds_no_projects(store):
    assert store.list() == ()
    assert store.last_choice() == Choice()
    assert store.trashed() == ()


@pytest.mark.parametrize("name", AWKWARD)
def test_what_is_created_is_listed_and_opened_under_its_name(store, outputs, name):
    store.create(name)
    store.create_version(name, name)
    assert names(store.list()) == [name]
    assert store.open(name).versions == (name,)
    assert store.open_version(name, name).paths.folder == outputs.project(name).version(name).folder


def test_projects_and_versions_are_listed_newest_created_first(store):
    for name in ("a", "c", "b"):
        store.create(name)
        store.create_version("a", f"v-{name}")
    assert names(store.list()) == ["b", "c", "a"]
    assert names(store.versions("a")) == ["v-b", "v-c", "v-a"]
    assert store.open("a").versions == ("v-b", "v-c", "v-a")


@pytest.mark.parametrize("taken", ["cat", "CAT", unicodedata.normalize("NFD", "Zoë"), "zoË"])
def test_a_name_that_differs_only_in_case_or_composition_is_taken(store, taken):
    store.create("Cat")
    store.create("Zoë")
    with pytest.raises(AlreadyExistsError, match="already"):
        store.create(taken)
    assert len(store.list()) == 2


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "..", "x" * 200, "con", "a:b"])
def test_a_name_that_can_be_no_folder_creates_nothing(store, outputs, name):
    store.create("cat")
    with pytest.raises(NameNotAllowedError):
        store.create(name)
    with pytest.raises(NameNotAllowedError):
        store.create_version("cat", name)
    assert [entry.name for entry in outputs.folder.iterdir()] == ["projects"]
    assert names(store.list()) == ["cat"]


@pytest.mark.parametrize("name", ["dog", "../cat", ".", "", "cat/versions"])
def test_an_unknown_name_is_told_with_what_there_is(store, name):
    store.create("cat")
    with pytest.raises(NotFoundError, match=r"There is no project .*cat"):
        store.open(name)


def test_a_folder_made_by_hand_is_a_project_created_when_it_was_changed(store, outputs):
    store.create("ours")
    by_hand = outputs.projects / "by hand"
    (by_hand / "versions" / "v1").mkdir(parents=True)
    (outputs.projects / "notes.txt").write_text("a file among the folders")
    found = {project.name: project for project in store.list()}
    assert set(found) == {"ours", "by hand"}
    assert found["by hand"].created.timestamp() == pytest.approx(by_hand.stat().st_mtime)
    assert found["by hand"].versions == ("v1",)
    assert not (by_hand / "project.toml").exists()


@pytest.mark.parametrize(
    "record", [b"created = ", b"\xff\xfe", b"created = 5\n", b"format = 99\n", b"notes = 1\n"]
)
def test_a_broken_record_is_listed_with_its_problem_and_hides_no_other(store, outputs, record):
    store.create("cat")
    store.create("dog")
    outputs.project("cat").record.write_bytes(record)
    projects = {project.name: project for project in store.list()}
    assert "project.toml" in projects["cat"].problem
    assert projects["dog"].problem == ""


@pytest.mark.parametrize("record", [b"created = ", b"\xff\xfe", b"format = 99\n"])
def test_a_record_that_cannot_be_read_is_not_overwritten(store, outputs, record):
    store.create("cat")
    outputs.project("cat").record.write_bytes(record)
    with pytest.raises(StorageError, match=r"project\.toml"):
        store.set_notes("cat", "mine")
    assert outputs.project("cat").record.read_bytes() == record


def test_links_that_leave_the_root_are_not_projects(store, outputs, tmp_path):
    store.create("cat")
    (tmp_path / "elsewhere" / "versions" / "v1").mkdir(parents=True)
    (outputs.projects / "out").symlink_to(tmp_path / "elsewhere")
    (outputs.projects / "loop").symlink_to(outputs.projects / "loop")
    outputs.project("cat").versions.symlink_to(tmp_path / "elsewhere" / "versions")
    assert names(store.list()) == ["cat"]
    assert store.open("cat").versions == ()
    with pytest.raises(NotFoundError):
        store.open("out")


def test_a_folder_whose_name_is_no_text_hides_no_other(store, outputs):
    store.create("cat")
    os.mkdir(os.path.join(os.fsencode(outputs.projects), b"caf\xe9"))  # noqa: PTH102, PTH118
    assert names(store.list()) == ["cat"]


def test_changes_on_disk_appear_at_the_next_call(store, outputs):
    store.create("cat")
    outputs.project("cat").folder.rename(outputs.projects / "lynx")
    assert names(store.list()) == ["lynx"]


def test_renaming_keeps_everything_and_the_choice_follows(store):
    store.create("cat")
    store.create_version("cat", "v1")
    store.set_notes("cat", "mine")
    store.choose("cat", "v1")
    store.rename("cat", "Cat")
    store.rename_version("Cat", "v1", "v2")
    assert store.open("Cat").notes == "mine"
    assert store.last_choice() == Choice(project="Cat", version="v2")


def test_renaming_onto_a_taken_name_changes_nothing(store):
    for name in ("cat", "dog"):
        store.create(name)
    with pytest.raises(AlreadyExistsError):
        store.rename("cat", "DOG")
    assert sorted(names(store.list())) == ["cat", "dog"]


def test_what_is_in_use_is_not_moved(outputs):
    store = ProjectStore(outputs, busy=lambda folder: "run 3 is training.")
    store.create("cat")
    store.create_version("cat", "v1")
    for move in (
        lambda: store.rename("cat", "dog"),
        lambda: store.trash("cat"),
        lambda: store.rename_version("cat", "v1", "v2"),
        lambda: store.trash_version("cat", "v1"),
    ):
        with pytest.raises(InUseError, match=r"run 3 is training\. Wait"):
            move()
    assert store.open("cat").versions == ("v1",)


def test_notes_are_any_text_and_leave_other_keys_alone(store, outputs):
    text = 'first\n"second" = [bold] \\ 猫\n'
    store.create("cat")
    record = outputs.project("cat").record
    record.write_text(record.read_text() + 'pinned = ["v1"]\n')
    assert store.set_notes("cat", text).notes == text
    assert store.open("cat").notes == text
    assert read_toml(record)["pinned"] == ["v1"]


def test_a_project_comes_back_from_the_trash_as_it_was(store, outputs):
    store.create("cat")
    store.create_version("cat", "v1")
    (outputs.project("cat").version("v1").folder / "a.bin").write_bytes(b"x" * 1000)
    before = store.open("cat")
    trashed = store.trash("cat")
    assert store.list() == ()
    assert trashed.what == 'project "cat"'
    assert trashed.size_bytes > 1000
    assert store.trashed() == (trashed,)
    assert store.restore(trashed.token) == before
    assert store.trashed() == ()


def test_what_cannot_be_put_into_the_trash_stays(store, outputs):
    store.create("cat")
    outputs.trash.write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        store.trash("cat")
    assert names(store.list()) == ["cat"]


def test_what_is_restored_onto_a_taken_name_gets_a_number(store):
    store.create("v1.5")
    trashed = store.trash("v1.5")
    store.create("V1.5")
    assert store.restore(trashed.token).name == "v1.5-2"


def test_a_version_comes_back_into_its_project_only(store):
    store.create("cat")
    store.create_version("cat", "v1")
    version = store.trash_version("cat", "v1")
    project = store.trash("cat")
    assert names_in_trash(store) == ['project "cat"', 'version "v1" of "cat"']
    with pytest.raises(NotFoundError):
        store.restore(version.token)
    store.restore(project.token)
    assert store.restore(version.token).name == "v1"


def names_in_trash(store):
    return [trashed.what for trashed in store.trashed()]


def test_discarding_deletes_for_good(store, outputs):
    store.create("cat")
    store.discard(store.trash("cat").token)
    assert list(outputs.trash.iterdir()) == []


@pytest.mark.parametrize("token", ["..", ".", "", "../projects/cat", "unknown"])
def test_a_token_is_never_a_path(store, token):
    store.create("cat")
    store.trash_version("cat", store.create_version("cat", "v1").name)
    for act in (store.restore, store.discard):
        with pytest.raises(NotFoundError, match="in the trash"):
            act(token)
    assert store.open("cat").versions == ()


def test_a_new_version_begins_with_the_templates_settings(store):
    store.create("cat")
    record = read_toml(store.create_version("cat", "v1").paths.record)
    assert {"format", "created", "preparation", "options", "previews"} <= record.keys()
    assert record["options"]["network_dim"] == 32


def test_a_duplicate_has_the_dataset_and_settings_but_no_runs(store):
    store.create("cat")
    version = store.create_version("cat", "v1").paths
    of_jobs = (version.dataset_jobs / "1" / "run.log", version.staging / "half.png")
    trained = (version.run("r").folder / "x.safetensors", version.grids / "g")
    for path in (version.origin / "a.png", *of_jobs, *trained):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")
    (version.origin / "secret").symlink_to("/etc/hostname")
    copy = store.duplicate_version("cat", "v1", "v2").paths
    assert (copy.origin / "a.png").read_bytes() == b"content"
    assert sorted(entry.name for entry in copy.folder.iterdir()) == ["dataset", "version.toml"]
    assert [entry.name for entry in copy.origin.iterdir()] == ["a.png"]
    assert [entry.name for entry in copy.origin.parent.iterdir()] == ["origin"]
    assert store.open("cat").versions == ("v2", "v1")


def test_an_exported_project_unpacks_to_the_same_files(store, outputs, tmp_path):
    name = AWKWARD[0]
    store.create(name)
    version = store.create_version(name, "v1").paths
    run = version.run("r").folder
    kept = [version.origin / "猫.png", run / "a.safetensors", run / "attempts" / "001" / "run.log"]
    left = [run / "attempts" / "001" / "out" / "a.safetensors", run / "attempts" / "001" / "state" / "s"]
    for path in kept + left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    target = store.export(name, tmp_path / "out.zip")
    zipfile.ZipFile(target).extractall(tmp_path / "unpacked")
    for path in kept:
        assert (tmp_path / "unpacked" / path.relative_to(outputs.projects)).read_bytes() == path.read_bytes()
    assert not any((tmp_path / "unpacked" / path.relative_to(outputs.projects)).exists() for path in left)
    assert ProjectStore(OutputsPaths(tmp_path)).list() == ()


def test_an_export_leaves_out_what_it_is_told_to(store, tmp_path):
    store.create("cat")
    version = store.create_version("cat", "v1").paths
    for path in (version.origin / "a.png", version.run("r").folder / "x.safetensors"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"content")
    target = store.export("cat", tmp_path / "out.zip", include_origin=False, include_trains=False)
    assert zipfile.ZipFile(target).namelist() == ["cat/project.toml", "cat/versions/v1/version.toml"]


def test_an_export_overwrites_nothing_and_never_holds_itself(store, outputs, tmp_path):
    store.create("cat")
    there = tmp_path / "there.zip"
    there.write_bytes(b"mine")
    with pytest.raises(AlreadyExistsError):
        store.export("cat", there)
    with pytest.raises(StorageError, match="inside"):
        store.export("cat", outputs.project("cat").folder / "out.zip")
    with pytest.raises(StorageError):
        store.export("cat", tmp_path / "missing" / "out.zip")
    assert there.read_bytes() == b"mine"


def test_the_choice_is_kept_in_the_file_and_keys_of_older_layouts(store, outputs):
    store.create("cat")
    store.create_version("cat", "v1")
    assert store.choose("cat") == Choice(project="cat", version="v1")
    written = json.loads((outputs.projects / "train_tools_config.json").read_text())
    assert written == {"select_project": "cat", "select_version": "v1"}


def test_a_choice_that_is_gone_gives_way_to_what_was_created_last(store, outputs):
    for name in ("a", "b"):
        store.create(name)
        for version in ("v1", "v2"):
            store.create_version(name, version)
    store.choose("a", "v1")
    store.trash_version("a", "v1")
    assert store.last_choice() == Choice(project="a", version="v2")
    store.trash("a")
    assert store.last_choice() == Choice(project="b", version="v2")
    outputs.selection.write_text("{broken")
    assert store.last_choice() == Choice(project="b", version="v2")


def test_a_disk_that_takes_no_project_leaves_nothing_behind(outputs):
    outputs.folder.mkdir(parents=True)
    outputs.projects.write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Could not write"):
        ProjectStore(outputs).create("cat")
    assert [entry.name for entry in outputs.folder.iterdir()] == ["projects"]
