"""Finding runs, what sets them apart, and the command that trains one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sd_contract.attempt import EVENTS_VARIABLE
from tests.app.conftest import PROJECT, VERSION, submit, train
from tests.faults.stand_in import stand_in_app
from train_tools.app import App
from train_tools.errors import NotFoundError, TrainToolsError
from train_tools.model.job import NewJob
from train_tools.runs.comparison import compare_files


def version_of(app: App):
    return app.versions.paths(PROJECT, VERSION)


def folder_of(app: App, job: int) -> Path:
    return app.outputs.folder / app.jobs.get(job).folder


def test_a_run_is_found_by_job_name_and_path(app, monkeypatch):
    [job] = submit(app)
    train(app)
    folder = folder_of(app, job)
    [final] = folder.glob("*1.safetensors")
    relative = folder.relative_to(app.outputs.folder).as_posix()
    for asked in (str(job), folder.name, str(folder), relative, str(folder / "run.toml"), str(final)):
        found = app.runs.find(asked)
        assert (found.paths.folder, found.version.folder) == (folder, version_of(app).folder)
    monkeypatch.chdir(folder.parent)
    assert app.runs.find(f"./{folder.name}").paths.folder == folder


def test_a_job_that_renders_a_runs_previews_is_about_that_run(app):
    [job] = submit(app)
    folder = app.jobs.get(job).folder
    [previews] = app.jobs.queue.add([NewJob(kind="preview", title="previews", folder=f"{folder}/previews")])
    assert app.runs.find(str(previews)).paths == app.runs.find(str(job)).paths
    [others] = app.jobs.queue.add([NewJob(kind="preview", title="all previews", folder="projects/x/grids/g")])
    with pytest.raises(NotFoundError, match="is not about one run"):
        app.runs.find(str(others))


@pytest.mark.parametrize(
    "asked", ["77", "9" * 30, "nothing", "", ".", "..", "a/b", "x" * 5000, "~nobody/x", "a\0b"]
)
def test_what_is_no_run_is_told(app, asked):
    with pytest.raises(NotFoundError, match=r"There is no (run|job)"):
        app.runs.find(asked)


def test_a_name_that_two_versions_have_is_not_guessed(app):
    [job] = submit(app)
    folder = folder_of(app, job)
    app.store.duplicate_version(PROJECT, VERSION, "v2")
    shutil.copytree(folder, app.versions.paths(PROJECT, "v2").run(folder.name).folder)
    with pytest.raises(NotFoundError, match="more than one run"):
        app.runs.find(folder.name)
    assert app.runs.find(str(folder)).paths.folder == folder


def test_a_run_of_another_outputs_folder_can_be_read_but_not_trained(app, tmp_path, monkeypatch):
    [job] = submit(app)
    other = stand_in_app(tmp_path / "other")
    path = str(folder_of(app, job))
    assert not any(other.records.difference(path, path).sections.values())
    for act in (other.records.command, other.successors.reproduce):
        with pytest.raises(NotFoundError, match="lies outside of"):
            act(path)


def test_two_runs_differ_by_option_and_by_file_of_the_dataset(app):
    [one] = submit(app, network_dim="8")
    train(app)
    [caption] = version_of(app).processed.rglob("*0-0.txt")
    caption.write_text("another caption", encoding="utf-8")
    _, picture = sorted(version_of(app).processed.rglob("*.png"))
    picture.unlink()
    [other] = submit(app, network_dim="16")
    found = app.records.difference(str(one), str(other))
    assert [(change.what, change.before, change.after) for change in found.options] == [("network_dim", "8", "16")]
    assert [(change.what.partition("/")[2], change.after) for change in found.dataset] == [
        (f"{caption.parent.name}/{caption.stem}.png: caption", "another caption"),
        (f"{picture.parent.name}/{picture.name}", ""),
    ]
    assert (found.code, found.packages, found.notes) == ((), (), ())


def test_the_command_trains_the_run_by_hand_and_leaves_it_as_it_is(app):
    [job] = submit(app, seed="7")
    train(app)
    folder = folder_of(app, job)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    pasted = app.records.command(str(job))
    assert pasted.notes == ()
    shell = ["powershell", "-Command"] if sys.platform == "win32" else ["sh", "-c"]
    environment = {**os.environ, EVENTS_VARIABLE: str(folder / "by-hand" / "events.jsonl")}
    done = subprocess.run([*shell, pasted.text], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    made = sorted((folder / "by-hand" / "out").glob("*.safetensors"))
    assert len(made) == 2
    assert all(compare_files(file, folder / file.name).equal for file in made)
    assert {path: path.read_bytes() for path in before} == before


def test_the_command_may_write_elsewhere(app, tmp_path):
    [job] = submit(app)
    out = tmp_path / "my [files]"
    assert str(out) in app.records.command(str(job), out).text
    assert out.is_dir()


def test_the_command_tells_what_is_not_as_it_was(app):
    [job] = submit(app)
    [caption] = version_of(app).processed.rglob("*0-0.txt")
    caption.write_text("another caption", encoding="utf-8")
    notes = app.records.command(str(job)).notes
    assert "0-0.png: caption" in notes[0]
    assert "No seed was given" in notes[1]


def test_a_run_for_a_trainer_that_is_not_here_has_no_command(app):
    [job] = submit(app)
    record = folder_of(app, job) / "run.toml"
    text = record.read_text(encoding="utf-8")
    record.write_text(text.replace('engine = "bundled"', 'engine = "future"'), encoding="utf-8")
    with pytest.raises(TrainToolsError, match=r"trainer 'future', which is not installed here"):
        app.records.command(str(job))
