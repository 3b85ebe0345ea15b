from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from sd_contract.errors import CheckpointError
from tests.app.conftest import PROJECT, VERSION, submit, train
from train_tools.app import App, open_app
from train_tools.app.checkpoints import Checkpoints
from train_tools.errors import AlreadyExistsError, InUseError, NotFoundError, OptionValueError
from train_tools.model.captions import Trigger
from train_tools.model.checkpoint import Checkpoint, Keep


@pytest.fixture
def desk(app: App) -> Checkpoints:
    return app.checkpoints


@pytest.fixture
def trained(app: App) -> tuple[Checkpoint, ...]:
    """Two runs with a checkpoint after each of three epochs, of which the last is the final one."""
    submit(app, network_dim="4,8", max_train_epochs="3", save_every_n_epochs="1")
    train(app)
    return app.runs.checkpoints(PROJECT, VERSION)


def first_of(found: tuple[Checkpoint, ...], *, final: bool) -> Checkpoint:
    return next(each for each in found if each.final is final)


def test_a_checkpoint_is_found_by_its_run_and_name_or_its_path_and_nothing_else(desk, trained, tmp_path):
    one = first_of(trained, final=False)
    for asked in (one.called, f"{one.called}.safetensors", str(one.path)):
        assert desk.find(PROJECT, VERSION, asked) == one
    with pytest.raises(NotFoundError, match="2 runs have a checkpoint"):
        desk.find(PROJECT, VERSION, one.name)
    (tmp_path / "x.safetensors").write_bytes(one.path.read_bytes())
    for asked in ("", "nothing", "../" + one.called, str(tmp_path / "x.safetensors"), "\0", "x" * 5000):
        with pytest.raises(NotFoundError, match="no checkpoint"):
            desk.find(PROJECT, VERSION, asked)


def test_marks_are_there_for_whoever_lists_and_survive_the_queue(app, desk, trained):
    one = first_of(trained, final=False)
    desk.mark(PROJECT, VERSION, one.called, rating=4, notes="good")
    desk.mark(PROJECT, VERSION, one.called, pinned=True)
    app.jobs.queue.close()
    for file in app.outputs.folder.glob("queue.sqlite3*"):
        file.unlink()
    again = open_app(app.outputs.folder)
    assert again.runs.rescan() == 2
    marked = {each.checkpoint.called: each.marks for each in again.checkpoints.list(PROJECT, VERSION)}
    again.jobs.queue.close()
    assert (marked[one.called].rating, marked[one.called].pinned, marked[one.called].notes) == (4, True, "good")
    assert sum(marks.rating for marks in marked.values()) == 4


def test_the_details_tell_hashes_trigger_words_and_previews(app, desk, trained):
    app.captions.set_trigger(PROJECT, VERSION, Trigger(policy="prefix", words="zorb, red zorb"))
    one = first_of(trained, final=True)
    details = desk.show(PROJECT, VERSION, one.called)
    assert (len(details.sha256), len(details.tensors_sha256)) == (64, 64)
    assert details.trigger == ("zorb", "red zorb")
    one.path.write_bytes(b"\x10")
    with pytest.raises((CheckpointError, NotFoundError)):
        desk.show(PROJECT, VERSION, one.called)


def test_keeping_the_best_says_first_what_goes_and_is_undone_by_one_token(desk, trained):
    best, pinned = first_of(trained, final=False), first_of(trained, final=True)
    desk.mark(PROJECT, VERSION, best.called, rating=5)
    desk.mark(PROJECT, VERSION, pinned.called, pinned=True)
    keep = Keep(rated=4, finals=False)
    told = desk.would_go(PROJECT, VERSION, keep)
    assert len(desk.list(PROJECT, VERSION)) == len(trained) == 4
    assert len(told.going) == 2 and told.token == ""
    assert told.freed_bytes == told.size_bytes > 0
    parting = desk.keep(PROJECT, VERSION, keep)
    left = {each.checkpoint.called for each in desk.list(PROJECT, VERSION)}
    assert left == {each.called for each in told.staying} >= {best.called, pinned.called}
    assert [each.size_bytes for each in desk.trashed(PROJECT, VERSION)] == [told.size_bytes]
    assert {file.stem for file in desk.restore(parting.token)} == {each.name for each in told.going}
    assert {each.checkpoint.called for each in desk.list(PROJECT, VERSION)} == {each.called for each in trained}
    assert desk.trashed(PROJECT, VERSION) == ()
    with pytest.raises(NotFoundError, match="in the trash"):
        desk.restore(parting.token)


def test_what_is_worth_keeping_alone_moves_nothing(desk, trained):
    scores = {each.called: 1.0 for each in trained}
    assert desk.keep(PROJECT, VERSION, Keep(best=1, scores=scores)).token == ""


def test_a_pinned_checkpoint_is_not_put_away(desk, trained):
    one = first_of(trained, final=False)
    desk.mark(PROJECT, VERSION, one.called, pinned=True)
    with pytest.raises(InUseError, match="pinned"):
        desk.trash(PROJECT, VERSION, one.called)
    assert one.path.is_file()


def test_a_final_checkpoint_that_goes_says_what_that_means(desk, trained):
    parting = desk.trash(PROJECT, VERSION, first_of(trained, final=True).called)
    assert "trains it anew" in parting.notes[0]


def test_only_the_trash_of_checkpoints_is_brought_back_or_deleted_here(app, desk, trained):
    token = desk.trash(PROJECT, VERSION, first_of(trained, final=False).called).token
    desk.discard(token)
    assert desk.trashed(PROJECT, VERSION) == ()
    app.create_project("other")
    token = app.store.trash("other").token
    for act in (desk.restore, desk.discard):
        with pytest.raises(NotFoundError, match="not of checkpoints"):
            act(token)
    assert app.store.restore(token).name == "other"


def test_what_a_job_needs_is_neither_moved_nor_rewritten(app, desk, trained):
    one = first_of(trained, final=False)
    app.successors.continue_from(str(one.path), 1)
    for act in (
        lambda: desk.trash(PROJECT, VERSION, one.called),
        lambda: desk.edit(PROJECT, VERSION, one.called, {"ss_training_comment": "x"}),
    ):
        with pytest.raises(InUseError, match="goes on from it"):
            act()
    other = next(each for each in trained if each.run != one.run)
    assert desk.trash(PROJECT, VERSION, other.called).token
    app.previews.render(PROJECT, VERSION)
    with pytest.raises(InUseError, match="previews"):
        desk.trash(PROJECT, VERSION, trained[0].called)
    assert one.path.is_file()


def test_a_copy_goes_to_the_folder_of_the_settings_with_all_that_is_known(app, desk, trained, tmp_path):
    one = first_of(trained, final=False)
    with pytest.raises(OptionValueError, match=r"copies\.folder"):
        desk.copy(PROJECT, VERSION, one.called)
    folder = tmp_path / "Lora"
    folder.mkdir()
    app.settings.change({"copies.folder": str(folder)})
    made = desk.copy(PROJECT, VERSION, one.called, weight=0.7)
    assert made.path.parent == folder and "-net-" in made.path.stem
    assert desk.copy(PROJECT, VERSION, one.called).was_there


def test_an_export_has_the_file_its_pictures_and_the_words(desk, trained, tmp_path):
    one = first_of(trained, final=True)
    images = one.path.with_suffix("") / "images"
    images.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(images / "1.png")
    desk.mark(PROJECT, VERSION, one.called, notes="use it at 0.8")
    made = desk.export(PROJECT, VERSION, one.called, tmp_path, "my zorb")
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*.*")) == [
        "my zorb.json",
        "my zorb.safetensors",
        "my zorb.txt",
        "pictures/01.png",
    ]
    words = (made / "my zorb.txt").read_text(encoding="utf-8")
    assert "<lora:my zorb:1>" in words and "use it at 0.8" in words
    with pytest.raises(AlreadyExistsError):
        desk.export(PROJECT, VERSION, one.called, tmp_path, "my zorb")
    with pytest.raises(NotFoundError):
        desk.export(PROJECT, VERSION, one.called, tmp_path / "gone")
    (tmp_path / "zip").mkdir()
    packed = zipfile.ZipFile(desk.export_zip(PROJECT, VERSION, one.called, tmp_path / "zip"))
    assert packed.testzip() is None and len(packed.namelist()) == 4


def test_a_file_of_an_older_train_tools_can_be_rated_too(app: App, desk: Checkpoints) -> None:
    """Its version is not changed by being read; a rating is one small file of the user's."""
    import shutil

    legacy = Path(__file__).parents[1] / "projects" / "s1_version"
    folder = app.outputs.project(PROJECT).version("old").folder
    shutil.copytree(legacy, folder)
    [one, *_] = [each.checkpoint for each in desk.list(PROJECT, "old")]
    assert desk.mark(PROJECT, "old", one.called, rating=2).rating == 2
    assert [each.marks.rating for each in desk.list(PROJECT, "old") if each.checkpoint == one] == [2]
