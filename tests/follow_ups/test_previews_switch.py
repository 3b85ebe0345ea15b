"""Previews after a training (S1-50): the version's switch, and the order that says otherwise."""

from __future__ import annotations

import pytest

from train_tools.app import App, open_app
from train_tools.follow_ups.followed import Followed
from train_tools.jobs.errand import Errand
from train_tools.model.grid import Run, RunSpec
from train_tools.model.job import Job, JobState, NewJob, Verdict
from train_tools.model.plan import Turn
from train_tools.runs.record import RunRecord, now
from train_tools.runs.training import training_job


class Trained(Errand):
    """A kind of job that always asks for previews, and for something else."""

    name = "train"

    def follow_ups(self, job, folder, verdict):
        return [NewJob(kind=kind, title=kind, folder=f"{job.folder}/{kind}") for kind in ("preview", "other")]


@pytest.fixture
def app(tmp_path) -> App:
    app = open_app(tmp_path / "outputs")
    app.create_project("cat")
    app.create_version("cat", "v1")
    yield app
    app.jobs.queue.close()


def following(app: App, ordered: bool | None) -> list[str]:
    """The kinds of jobs behind a run that was ordered so."""
    paths = app.versions.paths("cat", "v1")
    spec = RunSpec(options={}, dataset="d", base_model="b", engine="bundled", contract=1)
    run = Run(name="a", spec=spec, varied={}, options={})
    record = RunRecord(run=run, grid="grid-001", steps=1, work=1.0, created=now())
    new = training_job(app.outputs, paths, record, "a", Turn(previews=ordered))
    job = Job(
        id=1,
        kind="train",
        title="a",
        folder=new.folder,
        subject=new.subject,
        state=JobState.RUNNING,
        attempt=1,
        position=1,
    )
    (followed,) = app._followed([Trained()])
    assert isinstance(followed, Followed)
    verdict = Verdict(state=JobState.DONE)
    return [each.kind for each in followed.follow_ups(job, app.outputs.folder / job.folder, verdict)]


def test_a_run_is_rendered_unless_its_version_says_otherwise(app):
    assert following(app, None) == ["preview", "other"]
    app.versions.render_after_training("cat", "v1", False)
    assert following(app, None) == ["other"]
    app.versions.render_after_training("cat", "v1", True)
    assert following(app, None) == ["preview", "other"]


def test_an_order_that_says_so_outweighs_the_version(app):
    assert following(app, False) == ["other"]
    app.versions.render_after_training("cat", "v1", False)
    assert following(app, True) == ["preview", "other"]


def test_the_switch_is_a_line_in_version_toml(app):
    app.versions.render_after_training("cat", "v1", False)
    record = app.versions.paths("cat", "v1").record
    assert "after_training = false" in record.read_text()
    record.write_text(record.read_text().replace("after_training = false\n", ""))
    assert app.versions.settings("cat", "v1").previews.after_training
