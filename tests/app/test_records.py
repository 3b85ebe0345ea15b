"""What is written down about runs that are really queued and trained."""

from __future__ import annotations

import shutil

from tests.app.conftest import POCKET, PROJECT, VERSION, submit, train
from tests.faults.stand_in import stand_in_app
from train_tools.datasets.manifests import read_manifest
from train_tools.files import read_toml
from train_tools.model.paths import AttemptPaths, RunPaths
from train_tools.runs.machine import read_machine
from train_tools.runs.provenance import provenance_of
from train_tools.runs.record import read_record


def runs_of(app) -> list[RunPaths]:
    trains = app.versions.paths(PROJECT, VERSION).trains
    return [RunPaths(file.parent) for file in sorted(trains.glob("*/run.toml"))]


def test_a_record_says_what_the_run_is_made_with_and_of(app):
    submit(app, seed="7")
    [run] = runs_of(app)
    record = read_record(run)
    assert record.made_with == provenance_of(app.engines["bundled"])
    assert (record.origin, read_toml(run.record)["seed"]) == (None, 7)
    version = app.versions.paths(PROJECT, VERSION)
    files = read_manifest(version, record.run.spec.dataset)
    assert (version.folder / record.dataset_files).is_file()
    assert [file.caption for file in files.values()] == ["a zorb, number 0", "a zorb, number 1"]


def test_many_runs_of_one_dataset_share_one_list_of_its_files(app):
    submit(app, network_dim="4,8,16")
    submit(app, network_dim="4,8", repeats="2")
    named = [read_record(run).dataset_files for run in runs_of(app)]
    version = app.versions.paths(PROJECT, VERSION)
    lists = {path.relative_to(version.folder).as_posix() for path in version.manifest("x").parent.iterdir()}
    assert (len(named), set(named), len(lists)) == (5, lists, 2)


def test_a_dataset_of_another_version_is_listed_too(app):
    app.store.duplicate_version(PROJECT, VERSION, "v2")
    submit(app, dataset="v2")
    [run] = runs_of(app)
    files = read_manifest(app.versions.paths(PROJECT, VERSION), read_record(run).run.spec.dataset)
    assert len(files) == 2
    assert all(path.startswith("processed/") for path in files)


def test_each_attempt_says_where_and_with_what_it_ran(app):
    submit(app)
    train(app)
    [run] = runs_of(app)
    machine = read_machine(AttemptPaths.of(run.folder, 1))
    assert machine.slot == "cpu" or machine.gpu is not None
    assert machine.made_with == read_record(run).made_with
    assert machine.threads == 1


def test_a_record_stays_as_it_is_when_the_run_is_asked_for_again(app):
    submit(app, grid="first", network_dim="13")
    train(app)
    [run] = runs_of(app)
    before = run.record.read_bytes()
    submit(app, grid="again", network_dim="13")
    app.jobs.queue.close()
    for file in app.outputs.folder.glob("queue.sqlite3*"):
        file.unlink()
    reopened = stand_in_app(app.outputs.folder)
    [job] = submit(reopened, grid="after the queue was lost", network_dim="13")
    assert run.record.read_bytes() == before
    assert reopened.jobs.get(job).subject["grid"] == "after the queue was lost"
    reopened.jobs.queue.close()


def test_secrets_of_the_environment_are_written_nowhere(app, monkeypatch):
    for name in ("HF_TOKEN", "WANDB_API_KEY", "SOME_PASSWORD"):
        monkeypatch.setenv(name, "s3cr3t-of-tests")
    submit(app)
    train(app)
    [run] = runs_of(app)
    written = [file for file in run.folder.rglob("*") if file.is_file()]
    assert {"run.toml", "machine.json", "run.log", "launch.json"} <= {file.name for file in written}
    assert [file for file in written if b"s3cr3t-of-tests" in file.read_bytes()] == []


def test_runs_of_the_first_format_are_still_known(app):
    """A run that an earlier version has trained is done, and shown, though its record says less."""
    submit(app)
    train(app)
    [run] = runs_of(app)
    table = read_toml(run.record)
    text = run.record.read_text(encoding="utf-8").replace("format = 2", "format = 1")
    head, _, rest = text.partition("[made_with]")
    text = head + "[varied]" + rest.partition("[varied]")[2]
    run.record.write_text(text.replace(f'files = "{table["dataset"]["files"]}"\n', ""), encoding="utf-8")
    assert read_record(run).made_with is None
    assert submit(app) == ()
    assert len(app.runs.checkpoints(PROJECT, VERSION)) == 2
    shutil.rmtree(AttemptPaths.of(run.folder, 1).folder)
    assert app.grids.plan(PROJECT, VERSION, {"pretrained_model_name_or_path": str(POCKET)}).runs[0].done
