from datetime import datetime
from pathlib import Path

import pytest

from train_tools.app import App, open_app
from train_tools.errors import StorageError
from train_tools.model.job import JobState
from train_tools.projects import finished_demo


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """With the demo opened."""
    folder = tmp_path_factory.mktemp("with the démo")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
        app = open_app(folder / "outputs")
        app.open_demo()
    return app


def test_the_opened_demo_is_a_finished_sweep_with_every_picture(app: App) -> None:
    matrix = app.previews.matrix("zorb", "demo")
    assert len(matrix.rows) == 5  # the base model and four runs
    assert [cell for cell in matrix.cells if not cell.file.is_file()] == []
    jobs = app.jobs.all()
    assert [job.state for job in jobs] == [JobState.DONE] * 4
    assert len(app.scores.curve(jobs[0].id).points) > 50


def test_runs_of_the_opened_demo_ended_when_it_was_packed_and_not_now(app: App) -> None:
    assert {datetime.fromtimestamp(job.finished_at or 0) for job in app.jobs.all()} == {datetime(2026, 1, 1)}


def test_paths_in_the_demo_lead_to_this_machine(app: App) -> None:
    version = app.store.open_version("zorb", "demo").paths
    texts = [file.read_text("utf-8") for file in version.trains.rglob("*.toml")]
    assert texts and not any("@" in text for text in texts)
    assert all(str(app.outputs.folder.as_posix()) in text for text in texts if "image_dir" in text)


def test_what_was_planned_of_the_demo_is_done_already(app: App) -> None:
    assert [run.done for run in app.grids.plan("zorb", "demo").runs] == [True] * 4


def test_opening_it_again_changes_nothing(app: App) -> None:
    version = app.store.open_version("zorb", "demo").paths
    before = {file: file.stat().st_mtime_ns for file in version.trains.rglob("*") if file.is_file()}
    app.open_demo()
    assert {file: file.stat().st_mtime_ns for file in version.trains.rglob("*") if file.is_file()} == before


def test_the_contents_of_a_project_are_counted(app: App) -> None:
    found = app.contents("zorb")
    assert (found.versions, found.images, found.runs, found.checkpoints) == (1, 24, 4, 4)


def test_a_damaged_packed_demo_is_told(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "finished.zip").write_bytes(b"PK no zip")
    monkeypatch.setattr(finished_demo, "finished_demo", lambda: tmp_path / "finished.zip")
    version = app.create_version("zorb", "other").paths
    with pytest.raises(StorageError, match="install it again"):
        finished_demo.unpack(version, app.demo_names)
    assert not version.trains.exists()
