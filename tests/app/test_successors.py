"""Runs that are made of other runs."""

from __future__ import annotations

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION, submit, train
from tests.jobs.test_slots import on_path, put_nvidia_smi
from train_tools.app import App
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.files import read_toml
from train_tools.model.job import JobState
from train_tools.model.provenance import Descent, Origin
from train_tools.model.suggestion import Symptom
from train_tools.runs.record import RunRecord

__all__ = ["on_path"]
UNLUCKY = "13"
"""The rank with which the stand-in trainer fails."""


def record_of(app: App, job: int) -> RunRecord:
    return app.runs.find(str(job)).record


def matrix_labels(app: App) -> list[str]:
    return list(dict.fromkeys(row.run for row in app.previews.matrix(PROJECT, VERSION).rows[1:]))


def test_a_clone_is_a_run_of_its_own_with_the_changes_alone(app):
    job, _ = submit(app, network_dim="8,16", seed="7", learning_rate="1e-3")
    [cloned] = app.successors.clone(str(job), {"learning_rate": "1e-4"}).submission.jobs
    original, clone = record_of(app, job), record_of(app, cloned)
    assert {**original.run.options, "learning_rate": 1e-4} == dict(clone.run.options)
    assert clone.origin == Origin(how=Descent.CLONE, run=original.run.name)
    assert clone.label == "network_dim=8 learning_rate=0.0001"
    assert app.jobs.get(cloned).title.endswith(clone.label)
    train(app)
    assert matrix_labels(app) == ["network_dim=8", "network_dim=16", clone.label]


def test_several_values_make_several_clones(app):
    [job] = submit(app, seed="7")
    made = app.successors.clone(str(job), {"network_dim": "4,16", "unet_lr": "=learning_rate/2"})
    assert len(made.submission.jobs) == 2
    assert {record_of(app, each).run.options["network_dim"] for each in made.submission.jobs} == {4, 16}


def test_an_option_goes_back_to_its_default(app):
    [job] = submit(app, seed="7", learning_rate="1e-3")
    [cloned] = app.successors.clone(str(job), {}, ["learning_rate"]).submission.jobs
    assert "learning_rate" not in record_of(app, cloned).run.options


def test_a_clone_changes_neither_the_versions_settings_nor_its_grids(app):
    [job] = submit(app, seed="7")
    before = app.versions.settings(PROJECT, VERSION)
    grid = app.grids.record(PROJECT, VERSION)
    app.successors.clone(str(job), {"network_dim": "4"})
    assert app.versions.settings(PROJECT, VERSION) == before
    assert app.grids.names(PROJECT, VERSION) == (grid.name,)
    assert app.grids.record(PROJECT, VERSION) == grid
    assert app.grids.submit(PROJECT, VERSION).jobs == ()


def test_a_clone_that_is_a_run_already_is_not_trained_again(app):
    job, other = submit(app, network_dim="8,16", seed="7")
    made = app.successors.clone(str(job), {"network_dim": "16"})
    assert (made.submission.jobs, made.submission.already) == ((), (record_of(app, other).run.name,))
    assert record_of(app, other).origin is None
    train(app)
    assert matrix_labels(app) == ["network_dim=8", "network_dim=16"]


def test_a_clone_takes_the_dataset_as_it_is_now(app):
    [job] = submit(app, seed="7")
    [caption] = app.versions.paths(PROJECT, VERSION).processed.rglob("*0-0.txt")
    caption.write_text("another caption", encoding="utf-8")
    [cloned] = app.successors.clone(str(job), {"network_dim": "4"}).submission.jobs
    assert record_of(app, cloned).run.spec.dataset != record_of(app, job).run.spec.dataset
    train(app)
    assert [app.jobs.get(each).state for each in (job, cloned)] == [JobState.FAILED, JobState.DONE]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "needs something to change"),
        ({"network_dim": "eight"}, "network_dim"),
        ({"network_dims": "8"}, "network_dim"),
        ({"output_dir": "/tmp"}, "can't be set"),
    ],
)
def test_a_clone_that_can_not_be_is_refused_and_nothing_is_queued(app, changes, told):
    [job] = submit(app, seed="7")
    with pytest.raises(OptionValueError, match=told):
        app.successors.clone(str(job), changes)
    assert len(app.jobs.all()) == 1


def test_less_memory_is_taken_step_by_step(app, on_path):
    [job] = submit(app, seed="7", train_batch_size="4", network_dim=UNLUCKY)
    train(app)
    said = []
    for _ in range(3):
        made = app.successors.less_memory(str(job))
        [job] = made.submission.jobs
        said.append(made.says[-1].partition(" ")[0])
        train(app)
    assert said == ["batch", "gradient", "rank"]
    record = record_of(app, job)
    changed = {
        name: record.run.options[name] for name in ("train_batch_size", "gradient_checkpointing", "network_dim")
    }
    assert changed == {"train_batch_size": 1, "gradient_checkpointing": True, "network_dim": 6}
    assert record.origin.how is Descent.LESS_MEMORY
    assert app.jobs.get(job).state is JobState.DONE


def test_steps_that_failed_too_are_passed_over(app, on_path):
    """The button may be pressed on the first failure again and again."""
    [job] = submit(app, seed="7", train_batch_size="4", network_dim=UNLUCKY)
    train(app)
    counts = []
    for _ in range(3):
        made = app.successors.less_memory(str(job))
        counts.append(len(made.says))
        train(app)
    assert counts == [1, 2, 3]
    again = app.successors.less_memory(str(job)).submission
    assert (again.jobs, len(again.already)) == ((), 1)


def test_when_nothing_is_left_the_webui_is_named(app, on_path):
    [job] = submit(app, seed="7", network_dim="4", gradient_checkpointing="true")
    with pytest.raises(OptionValueError, match=r"Nothing is left .* --medvram or --lowvram"):
        app.successors.less_memory(str(job))


def test_with_a_card_the_8_bit_optimizer_is_a_step(app, on_path):
    put_nvidia_smi(on_path, 'echo "GPU 0: NVIDIA H200 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000001)"')
    [job] = submit(app, seed="7", network_dim="4", gradient_checkpointing="true")
    [made] = app.successors.less_memory(str(job)).submission.jobs
    assert record_of(app, made).run.options["optimizer_type"] == "AdamW8bit"


def test_a_checkpoint_is_gone_on_from_in_a_new_run(app):
    [job] = submit(app, seed="7", max_train_steps="40")
    train(app)
    first, _ = app.runs.checkpoints(PROJECT, VERSION)
    [made] = app.successors.continue_from(str(first.path), 3).submission.jobs
    record = record_of(app, made)
    options = record.run.options
    assert (options["network_weights"], options["dim_from_weights"]) == (str(first.path), True)
    assert (options["max_train_epochs"], "max_train_steps" in options) == (3, False)
    assert record.origin.how is Descent.CONTINUATION
    assert (record.origin.run, record.origin.checkpoint) == (record_of(app, job).run.name, first.name)
    assert record.label == f"max_train_epochs=3 (on from {first.name})"
    train(app)
    assert app.jobs.get(made).state is JobState.DONE
    assert record.label in matrix_labels(app)


def test_weights_that_were_replaced_are_not_gone_on_from(app):
    submit(app, seed="7")
    train(app)
    _, final = app.runs.checkpoints(PROJECT, VERSION)
    [made] = app.successors.continue_from(str(final.path), 1).submission.jobs
    content = bytearray(final.path.read_bytes())
    content[-1] ^= 1
    final.path.write_bytes(content)
    train(app)
    assert app.jobs.get(made).state is JobState.FAILED
    assert "does not hold the weights any more" in app.jobs.get(made).message


def test_what_is_no_checkpoint_is_told_with_those_there_are(app):
    [job] = submit(app, seed="7")
    train(app)
    folder = app.runs.find(str(job)).paths.folder
    for asked in (str(folder / "gone.safetensors"), str(folder), str(job)):
        with pytest.raises(NotFoundError, match=r"is no checkpoint of .*step00000020\.safetensors"):
            app.successors.continue_from(asked, 3)
    with pytest.raises(NotFoundError, match="There is no run"):
        app.successors.continue_from(str(POCKET), 3)
    [final] = (file for file in folder.glob("*.safetensors") if "step" not in file.name)
    with pytest.raises(OptionValueError, match="max_train_epochs"):
        app.successors.continue_from(str(final), 0)


def test_a_suggestion_queues_nothing_and_can_be_cloned(app):
    [job] = submit(app, seed="7", learning_rate="1e-3", max_train_epochs="10")
    found = app.successors.suggest(str(job), Symptom.BURNT)
    assert (found.options["max_train_epochs"], found.options["learning_rate"]) == (6, 5e-4)
    assert len(app.jobs.all()) == 1
    typed = {name: str(value).lower() for name, value in found.options.items()}
    [made] = app.successors.clone(str(job), typed).submission.jobs
    assert {name: record_of(app, made).run.options[name] for name in found.options} == dict(found.options)


def test_a_successor_of_a_successor_remembers_its_own_parent(app):
    [job] = submit(app, seed="7")
    [second] = app.successors.clone(str(job), {"network_dim": "4"}).submission.jobs
    [third] = app.successors.clone(str(second), {"learning_rate": "1e-3"}).submission.jobs
    record = record_of(app, third)
    assert record.origin.run == record_of(app, second).run.name
    assert record.grid == record_of(app, job).grid
    assert read_toml(app.runs.find(str(third)).paths.record)["origin"]["how"] == "clone"
