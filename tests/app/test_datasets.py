from __future__ import annotations

import os
import shutil
import sys
import threading

import pytest
from PIL import Image

from tests.app.conftest import PROJECT, VERSION, submit
from tests.jobs.patience import eventually
from train_tools.app import LIGHT, App, open_app
from train_tools.datasets.origin import originals
from train_tools.errors import DatasetNotUsableError, InUseError, NotFoundError
from train_tools.jobs.tree import bearers
from train_tools.model.job import JobState

PICTURES = 30


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An app whose version holds nothing yet."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    app = open_app(tmp_path / "outputs")
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    yield app
    app.jobs.queue.close()


@pytest.fixture
def large(tmp_path):
    """Pictures that take some time, each another file."""
    folder = tmp_path / "large"
    folder.mkdir()
    Image.linear_gradient("L").resize((3000, 3000)).convert("RGB").save(folder / "0.png")
    for number in range(1, PICTURES):
        shutil.copy(folder / "0.png", folder / f"{number}.png")
        with (folder / f"{number}.png").open("ab") as file:
            file.write(bytes([number]))
    return folder


def work(app: App) -> None:
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())


def taken(app: App) -> int:
    return len(originals(app.versions.paths(PROJECT, VERSION)))


@pytest.fixture
def at_work(empty):
    """The app with a worker that goes on until the test ends."""
    ended = threading.Event()

    def run() -> None:
        empty.jobs.worker().run(until=ended.is_set)
        empty.jobs.queue.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield empty
    ended.set()
    thread.join()


def started(app: App, large) -> int:
    """An import that has taken something in."""
    job = app.datasets.import_later(PROJECT, VERSION, [large])
    eventually(lambda: app.jobs.get(job.id).step >= 1)
    return job.id


def test_what_is_done_about_datasets_waits_for_no_training():
    assert {"import", "prepare", "check"} <= LIGHT
    assert not {"train", "preview", "caption"} & LIGHT


def test_an_import_and_a_preparation_are_jobs_with_progress_and_a_report(empty, tmp_path):
    for number in range(3):
        Image.new("RGB", (64 + number, 64), "red").save(tmp_path / f"{number}.png")
    (tmp_path / "x.psd").write_bytes(b"?")
    one = empty.datasets.import_later(PROJECT, VERSION, sorted(tmp_path.glob("*.p*")))
    work(empty)
    two = empty.datasets.prepare_later(PROJECT, VERSION)
    work(empty)
    jobs = [empty.jobs.get(job.id) for job in (one, two)]
    assert [(job.state, job.step, job.total_steps) for job in jobs] == [(JobState.DONE, 3, 3)] * 2
    assert jobs[0].message == "3 pictures and 0 captions are new, 1 files were left out."
    (name,) = empty.datasets.imports(PROJECT, VERSION)
    assert empty.datasets.import_report(PROJECT, VERSION, name)["images"] == 3
    assert empty.versions.dataset(PROJECT, VERSION).image_count == 6, "each with its mirrored copy"


def test_an_import_that_is_cancelled_keeps_what_is_in_and_goes_on_when_tried_again(at_work, large):
    id_ = started(at_work, large)
    at_work.jobs.cancel(id_)
    eventually(lambda: at_work.jobs.get(id_).state.finished)
    assert at_work.jobs.get(id_).state is JobState.CANCELLED
    assert 1 <= taken(at_work) < PICTURES
    at_work.jobs.retry(id_)
    eventually(lambda: at_work.jobs.get(id_).state is JobState.DONE, most_s=120)
    assert taken(at_work) == PICTURES


def test_an_import_that_is_killed_is_begun_again_by_itself(at_work, large):
    id_ = started(at_work, large)
    for process in bearers(f"{at_work.jobs.queue.id}/{id_}/1"):
        process.kill()
    eventually(lambda: at_work.jobs.get(id_).state is JobState.DONE, most_s=120)
    assert at_work.jobs.get(id_).attempt == 2
    assert taken(at_work) == PICTURES


def test_what_does_not_exist_is_told_before_anything_is_queued(empty, tmp_path):
    with pytest.raises(DatasetNotUsableError, match=r"nothing to import: .*nowhere"):
        empty.datasets.import_later(PROJECT, VERSION, [tmp_path / "nowhere"])
    with pytest.raises(NotFoundError):
        empty.datasets.import_later(PROJECT, "v9", [tmp_path])
    assert empty.jobs.all() == []


def test_a_preparation_that_waits_is_the_one_that_is_asked_for_again(empty):
    assert empty.datasets.prepare_later(PROJECT, VERSION).id == empty.datasets.prepare_later(PROJECT, VERSION).id


def test_a_preparation_of_nothing_fails_with_what_to_do(empty):
    job = empty.datasets.prepare_later(PROJECT, VERSION)
    work(empty)
    assert empty.jobs.get(job.id).state is JobState.FAILED
    assert "Import some first" in empty.jobs.get(job.id).message


def test_while_runs_wait_the_dataset_is_not_prepared(app):
    submit(app)
    with pytest.raises(InUseError, match="can't be changed now"):
        app.datasets.prepare_later(PROJECT, VERSION)


def test_a_look_at_all_pixels_is_a_light_job_that_waits_once(empty, tmp_path):
    for number in range(2):
        Image.new("RGB", (64, 64), (90 * number, 80, 120)).save(tmp_path / f"{number}.png")
    empty.versions.import_images(PROJECT, VERSION, sorted(tmp_path.glob("*.png")))
    empty.versions.prepare(PROJECT, VERSION)
    first = empty.datasets.check_later(PROJECT, VERSION)
    assert empty.datasets.check_later(PROJECT, VERSION).id == first.id
    work(empty)
    done = empty.jobs.get(first.id)
    assert (done.state, done.message.split(";")[0]) == (JobState.DONE, "4 images looked at")
    assert empty.checks.found(PROJECT, VERSION).not_looked_at == 0
