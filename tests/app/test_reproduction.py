"""The same run once more, beside itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from tests.app.conftest import POCKET, PROJECT, VERSION, submit, train
from tests.faults.stand_in import stand_in_app
from train_tools.app import App
from train_tools.errors import BaseModelNotUsableError, DatasetNotUsableError
from train_tools.model.job import JobState
from train_tools.model.provenance import Descent, Origin
from train_tools.runs.record import read_record
from train_tools.runs.training import training_job


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def trained(app: App, **options: str) -> int:
    [job] = submit(app, **options)
    train(app)
    return job


def test_the_same_comes_out_and_the_original_is_only_read(app):
    job = trained(app, seed="7")
    original = app.runs.find(str(job))
    before = contents(original.paths.folder)
    again = app.successors.reproduce(str(job))
    train(app)
    assert app.jobs.get(again.job).state is JobState.DONE
    assert again.run.folder.name == f"{original.paths.folder.name}-again"
    comparison = app.records.comparison(str(job), str(again.job))
    assert (comparison.equal, len(comparison.files)) == (True, 2)
    assert (again.surroundings.surroundings, again.notes) == ((), ())
    assert contents(original.paths.folder) == before


def test_the_record_says_what_it_reproduces(app):
    job = trained(app, seed="7")
    original = app.runs.find(str(job)).record
    again = read_record(app.successors.reproduce(str(job)).run)
    assert again.origin == Origin(how=Descent.REPRODUCTION, run=original.run.name)
    assert again.run.spec.fingerprint == original.run.spec.fingerprint
    assert "again" in app.jobs.all()[0].title


def test_each_reproduction_has_a_folder_of_its_own(app):
    job = trained(app, seed="7")
    names = [app.successors.reproduce(str(job)).run.folder.name for _ in range(3)]
    first = app.runs.find(str(job)).paths.folder.name
    assert names == [f"{first}-again", f"{first}-again-2", f"{first}-again-3"]


def test_original_and_reproduction_are_not_confused(app):
    """Whether the run is trained is asked of the original alone, and a rescan finds both as what they are."""
    [job] = submit(app, seed="7")
    again = app.successors.reproduce(str(job))
    app.jobs.cancel(job)
    train(app)
    plan = app.grids.plan(PROJECT, VERSION)
    assert [entry.done for entry in plan.runs] == [False]
    assert app.runs.find(plan.runs[0].run.name).record.origin is None
    app.jobs.retry(job)
    train(app)
    before = {entry.folder: (entry.title, entry.state) for entry in app.jobs.all()}
    app.jobs.queue.close()
    for file in app.outputs.folder.glob("queue.sqlite3*"):
        file.unlink()
    reopened = stand_in_app(app.outputs.folder)
    assert reopened.runs.rescan() == 2
    assert {entry.folder: (entry.title, entry.state) for entry in reopened.jobs.all()} == before
    assert reopened.records.comparison(str(again.original.folder), str(again.run.folder)).equal
    reopened.jobs.queue.close()


def test_a_reproduction_stands_beside_the_run_in_its_grids_matrix(app):
    job, _ = submit(app, seed="7", network_dim="8,16")
    train(app)
    app.successors.reproduce(str(job))
    train(app)
    labels = [row.run for row in app.previews.matrix(PROJECT, VERSION).rows[1:]]
    assert labels == ["network_dim=8"] * 2 + ["network_dim=16"] * 2 + ["network_dim=8 (again)"] * 2
    assert app.grids.names(PROJECT, VERSION) == ("grid-001",)
    assert app.grids.submit(PROJECT, VERSION).grid == "grid-001"


def test_a_run_whose_grid_is_gone_gets_one_again(app):
    job = trained(app, seed="7")
    shutil.rmtree(app.versions.paths(PROJECT, VERSION).grids)
    app.successors.reproduce(str(job))
    train(app)
    assert len(app.previews.matrix(PROJECT, VERSION).rows) == 1 + 2 + 2


def test_a_dataset_that_changed_can_not_be_reproduced(app):
    job = trained(app, seed="7")
    [caption] = app.versions.paths(PROJECT, VERSION).processed.rglob("*0-0.txt")
    caption.write_text("another caption", encoding="utf-8")
    with pytest.raises(DatasetNotUsableError, match=r"can't be reproduced.*0-0\.png: caption"):
        app.successors.reproduce(str(job))
    assert len(app.jobs.all()) == 1


def test_a_base_model_that_is_another_now_can_not_be_reproduced(app, tmp_path):
    base = tmp_path / "base.safetensors"
    base.write_bytes(POCKET.read_bytes())
    job = trained(app, seed="7", pretrained_model_name_or_path=str(base))
    base.write_bytes(b"other")
    with pytest.raises(BaseModelNotUsableError, match="is another model now"):
        app.successors.reproduce(str(job))


def test_a_seed_that_was_drawn_is_given(app):
    """The stand-in tells no seed, so a file plays the trainer's."""
    job = trained(app)
    assert "No seed was given" in app.successors.reproduce(str(job)).notes[0]
    for file in app.runs.find(str(job)).paths.folder.glob("*.safetensors"):
        metadata = {"ss_seed": "4711", "ss_steps": "20" if "step" in file.name else "40"}
        save_file(load_file(file), file, metadata)
    again = app.successors.reproduce(str(job))
    assert again.notes == ("No seed was given; the trainer drew 4711, which is given now.",)
    assert read_record(again.run).run.options["seed"] == 4711


def test_surroundings_that_changed_are_told_before_it_is_trained(app):
    [job] = submit(app, seed="7")
    found = app.runs.find(str(job))
    text = found.paths.record.read_text(encoding="utf-8")
    version = found.record.made_with.packages["torch"]
    found.paths.record.write_text(text.replace(f'torch = "{version}"', 'torch = "1.13.1"'), encoding="utf-8")
    [change] = app.successors.reproduce(str(job)).surroundings.surroundings
    assert (change.what, change.before, change.after) == ("torch", "1.13.1", version)


def test_a_run_without_checkpoints_has_nothing_to_be_compared_with(app):
    [job] = submit(app, seed="7")
    assert app.successors.reproduce(str(job)).notes == ("The original has no checkpoints to compare with.",)


def test_a_job_is_that_of_the_run_in_its_own_folder(app):
    job = trained(app, seed="7")
    again = app.successors.reproduce(str(job))
    version = app.versions.paths(PROJECT, VERSION)
    made = training_job(app.outputs, version, read_record(again.run), "title")
    assert app.outputs.folder / made.folder == again.run.folder
