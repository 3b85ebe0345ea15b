from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sd_contract.attempt import Attempt
from tests.faults.stand_in import stand_in_app
from train_tools.app import App, outputs_paths
from train_tools.errors import (
    BaseModelNotUsableError,
    ConfirmationWantedError,
    DatasetNotUsableError,
    InUseError,
    NameNotAllowedError,
    NotFoundError,
    OptionValueError,
)
from train_tools.files import read_toml
from train_tools.grids.cells import Count
from train_tools.model.draft import Draft
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths
from train_tools.model.plan import Turn

POCKET = Path(__file__).parent.parent / "projects_template" / "demo" / "pocket-sd1.safetensors"
PROJECT, VERSION = "it's [red] кот", "v1"
UNLUCKY = "13"
"""The rank with which the stand-in trainer fails."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """An app whose trainer only pretends, with a version of two pictures."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = stand_in_app(tmp_path / "outputs", seconds_per_step=0.001)
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(2):
        Image.new("RGB", (64, 64), (90 * number, 80, 120)).save(pictures / f"{number}.png")
    settings = app.versions.settings(PROJECT, VERSION)
    app.versions.save_settings(
        PROJECT,
        VERSION,
        replace(
            settings,
            preparation=replace(settings.preparation, width_px=64, height_px=64, mirrored_copies=False),
            options={},
            axes={},
        ),
    )
    app.versions.import_images(PROJECT, VERSION, [pictures])
    app.versions.prepare(PROJECT, VERSION)
    yield app
    app.jobs.queue.close()


def wanted(**options: str) -> dict[str, str]:
    return {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8", **options}


def submit(app: App, grid: str | None = None, **options: str):
    return app.grids.submit(PROJECT, VERSION, Draft(assignments=wanted(**options), grid=grid))


def train(app: App) -> None:
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())


def test_a_grid_is_planned_queued_and_trained(app):
    plan = app.grids.plan(PROJECT, VERSION, wanted(network_dim="8,16"))
    submission = submit(app, network_dim="8,16")
    assert len(submission.jobs) == len(plan.to_train) == 2
    assert (submission.grid, submission.already, submission.ahead) == ("grid-001", (), 0)
    assert [job.total_steps for job in app.jobs.all()] == [entry.steps for entry in plan.runs]
    train(app)
    assert [job.state for job in app.jobs.all()] == [JobState.DONE] * 2
    assert len(app.runs.checkpoints(PROJECT, VERSION)) == 4


def test_a_plan_of_what_is_done_costs_nothing(app):
    submit(app)
    train(app)
    plan = app.grids.plan(PROJECT, VERSION, wanted())
    assert [entry.done for entry in plan.runs] == [True]
    assert (plan.steps, plan.seconds, plan.pictures, plan.disk_bytes) == (0, 0, 0, 0)
    assert "measured on this machine (1 finished run)" in plan.seconds_from


def test_what_is_done_or_queued_is_not_queued_again(app):
    first = submit(app, network_dim="8,16")
    again = submit(app, network_dim="16,8,32")
    assert len(first.jobs) == 2
    assert (len(again.jobs), len(again.already), again.ahead) == (1, 2, 2)
    train(app)
    assert submit(app, network_dim="8,16,32").jobs == ()


def test_what_goes_first_is_told_to_be_first(app):
    submit(app, network_dim="8,16")
    hurried = app.grids.submit(PROJECT, VERSION, wanted(network_dim="32"), turn=Turn(priority=5))
    assert (len(hurried.jobs), hurried.ahead) == (1, 0)
    assert submit(app, network_dim="4").ahead == 3


def test_a_run_is_known_again_when_another_option_varies(app):
    submit(app, network_dim="8,16", seed="1")
    train(app)
    grown = submit(app, network_dim="16", seed="1,2")
    assert (len(grown.jobs), len(grown.already)) == (1, 1)
    train(app)
    rows = app.previews.matrix(PROJECT, VERSION, grown.grid).rows
    assert [row.run for row in rows[1:]] == ["seed=1", "seed=1", "seed=2", "seed=2"]


def test_a_run_that_failed_is_queued_again_and_the_others_are_not(app):
    first = submit(app, network_dim=f"8,{UNLUCKY}")
    train(app)
    assert [app.jobs.get(id_).state for id_ in first.jobs] == [JobState.DONE, JobState.FAILED]
    assert app.jobs.get(first.jobs[1]).message == "unlucky"
    again = submit(app, network_dim=f"8,{UNLUCKY}")
    assert (again.jobs, len(again.already)) == (first.jobs[1:], 1)


def test_runs_of_a_renamed_project_are_still_done(app):
    submit(app)
    train(app)
    app.store.rename(PROJECT, "пёс")
    plan = app.grids.plan("пёс", VERSION, wanted())
    assert [entry.done for entry in plan.runs] == [True]


def test_what_was_typed_is_remembered_and_can_be_typed_over(app):
    submit(app, learning_rate="1e-3,1e-4", seed="7")
    settings = app.versions.settings(PROJECT, VERSION)
    assert settings.axes == {"learning_rate": (1e-3, 1e-4)}
    assert settings.options == {"pretrained_model_name_or_path": str(POCKET), "network_dim": 8, "seed": 7}
    plan = app.grids.plan(PROJECT, VERSION, {"learning_rate": "1e-3"})
    assert [entry.run.label for entry in plan.runs] == ["single run"]
    assert app.grids.plan(PROJECT, VERSION).runs[1].run.options["learning_rate"] == 1e-4


def test_the_resolution_is_the_size_of_the_training_images_also_after_it_was_changed(app):
    submit(app)
    app.jobs.cancel(1)
    preparation = app.versions.settings(PROJECT, VERSION).preparation
    app.versions.change_preparation(PROJECT, VERSION, replace(preparation, width_px=128))
    app.versions.prepare(PROJECT, VERSION)
    [entry] = app.grids.plan(PROJECT, VERSION).runs
    assert entry.run.options["resolution"] == "128,64"
    [typed] = app.grids.plan(PROJECT, VERSION, {"resolution": "64"}).runs
    assert typed.run.options["resolution"] == "64"


def test_a_relative_path_to_the_base_model_is_remembered_as_a_whole_one(app, tmp_path, monkeypatch):
    (tmp_path / "a, b.safetensors").symlink_to(POCKET)
    monkeypatch.chdir(tmp_path)
    app.grids.submit(PROJECT, VERSION, wanted(pretrained_model_name_or_path='"a, b.safetensors"'))
    remembered = app.versions.settings(PROJECT, VERSION).options["pretrained_model_name_or_path"]
    assert remembered == str(tmp_path / "a, b.safetensors")


def test_a_version_that_can_not_be_planned_says_what_is_missing(app):
    app.create_version(PROJECT, "empty")
    with pytest.raises(DatasetNotUsableError, match=r"has no training images\. Add some with"):
        app.grids.plan(PROJECT, "empty", wanted())
    with pytest.raises(BaseModelNotUsableError, match=r"No base model is chosen\. Give one with --base-model"):
        app.grids.plan(PROJECT, VERSION, {"network_dim": "8"})
    with pytest.raises(BaseModelNotUsableError, match=r"/gone\.safetensors does not exist"):
        app.grids.plan(PROJECT, VERSION, wanted(pretrained_model_name_or_path="/gone.safetensors"))
    with pytest.raises(OptionValueError, match="network_dim"):
        app.grids.plan(PROJECT, VERSION, wanted(network_dim="8,,16"))


def test_a_refused_grid_leaves_nothing_behind(app):
    before = sorted(app.outputs.projects.rglob("*"))
    with pytest.raises(OptionValueError):
        submit(app, network_dim="eight")
    assert app.jobs.all() == []
    assert sorted(app.outputs.projects.rglob("*")) == before


@pytest.mark.parametrize("name", ["../../../outside", "a/b", "..", " "])
def test_a_grid_can_not_be_named_out_of_its_folder(app, name):
    with pytest.raises(NameNotAllowedError, match="can't be a grid name"):
        submit(app, grid=name)
    assert app.jobs.all() == []


def test_a_grid_that_is_submitted_again_runs_what_is_new_in_it(app):
    first = submit(app, grid="ночь 1", network_dim="8,16")
    assert (first.grid, len(first.jobs)) == ("ночь 1", 2)
    again = app.grids.submit(PROJECT, VERSION, Draft(assignments={"train_batch_size": "1,2"}, grid="ночь 1"))
    assert (len(again.jobs), len(again.already)) == (2, 2)
    assert app.grids.names(PROJECT, VERSION) == ("ночь 1",)


def test_a_grid_file_is_edited_and_submitted_again(app):
    first = submit(app, grid="mine", network_dim="8,16")
    file = app.versions.paths(PROJECT, VERSION).grid("mine").record
    file.write_text(
        file.read_text(encoding="utf-8").replace("[\n    8,\n    16,\n]", '"8:32:*2"'), encoding="utf-8"
    )
    again = app.grids.submit(PROJECT, VERSION, Draft(grid="mine"))
    assert (len(first.jobs), len(again.jobs), len(again.already)) == (2, 1, 2)


def test_a_linked_rate_follows_and_a_value_added_trains_the_difference(app):
    """Two ranks by two rates, the text encoder's rate tied to half the U-Net's: four runs with exact arguments."""
    linked = {"network_dim": "8,16", "unet_lr": "1e-4,2e-4", "text_encoder_lr": "=unet_lr/2"}
    first = submit(app, **linked)
    options = [planned.run.options for planned in app.grids.plan(PROJECT, VERSION, wanted(**linked)).runs]
    assert [(run["network_dim"], run["unet_lr"], run["text_encoder_lr"]) for run in options] == [
        (8, 1e-4, (5e-5,)),
        (8, 2e-4, (1e-4,)),
        (16, 1e-4, (5e-5,)),
        (16, 2e-4, (1e-4,)),
    ]
    more = submit(app, **{**linked, "unet_lr": "1e-4,2e-4,4e-4"})
    assert (len(first.jobs), len(more.jobs), len(more.already)) == (4, 2, 4)
    written = [read_toml(path) for path in app.versions.paths(PROJECT, VERSION).trains.glob("*/run.toml")]
    assert {run["options"]["text_encoder_lr"][0] for run in written} == {5e-5, 1e-4, 2e-4}


def test_a_grid_says_when_its_runs_have_their_turn(app):
    turn = Turn(priority=3, not_before=5e9, stop_after_failures=2)
    app.grids.submit(PROJECT, VERSION, wanted(), turn=turn)
    [job] = app.jobs.all()
    assert (job.priority, job.not_before) == (3, 5e9)
    assert app.jobs.queue.claim("cpu", "here") is None


def test_a_grid_is_given_up_after_so_many_failures(app):
    app.grids.submit(
        PROJECT, VERSION, wanted(network_dim=f"{UNLUCKY}", seed="1..4"), turn=Turn(stop_after_failures=2)
    )
    train(app)
    states = [job.state for job in app.jobs.all()]
    assert (states.count(JobState.FAILED), states.count(JobState.CANCELLED)) == (2, 2)
    assert "2 runs of" in next(job.message for job in app.jobs.all() if job.state is JobState.CANCELLED)


def test_datasets_are_axes(app):
    [processed] = app.versions.paths(PROJECT, VERSION).processed.iterdir()
    for picture in processed.glob("*.png"):
        picture.with_suffix(".txt").write_text("a cat", encoding="utf-8")
    app.store.duplicate_version(PROJECT, VERSION, "v2")
    plan = app.grids.plan(PROJECT, VERSION, wanted(repeats="1,3", captions="as_written,class_only"))
    by_repeats = {planned.run.options["repeats"]: planned.steps for planned in plan.runs}
    assert len(plan.runs) == 4
    assert len({planned.run.spec.dataset for planned in plan.runs}) == 4
    same = app.grids.plan(PROJECT, VERSION, wanted(dataset="v1,v2"))
    assert len(same.runs) == 1, "the copy holds the same pictures"
    submit(app, repeats="3", captions="class_first")
    train(app)
    assert [job.state for job in app.jobs.all()] == [JobState.DONE]
    assert set(by_repeats) == {1, 3}


def test_very_many_runs_are_asked_for_again_with_what_they_cost(app):
    many = wanted(seed="1..2500")
    plan = app.grids.plan(PROJECT, VERSION, many)
    assert (plan.total, len(plan.runs)) == (2500, 1250)
    with pytest.raises(ConfirmationWantedError, match=r"2,500 runs: about .* of disk.*--yes"):
        app.grids.submit(PROJECT, VERSION, many)
    assert not app.jobs.all()
    assert len(app.grids.submit(PROJECT, VERSION, wanted(seed="1..1001"), sure=True).jobs) == 1001
    with pytest.raises(OptionValueError, match="at most 100,000"):
        app.grids.plan(PROJECT, VERSION, wanted(seed="1..2000", network_dim="1..100"))


def test_runs_are_counted_without_a_look_at_any_file(app):
    assert app.grids.count(PROJECT, VERSION, {"network_dim": "8,16", "seed": "1..3"}) == Count(6, exact=True)
    huge = dict.fromkeys(("seed", "network_dim", "keep_tokens"), "1..1000")
    assert app.grids.count(PROJECT, VERSION, huge) == Count(10**9, exact=True)


def test_what_a_job_works_in_is_not_moved_and_not_prepared_anew(app):
    submit(app)
    for change in (
        lambda: app.store.rename(PROJECT, "other"),
        lambda: app.store.trash(PROJECT),
        lambda: app.versions.prepare(PROJECT, VERSION),
    ):
        with pytest.raises(InUseError, match=r"now: job 1 \(.*\) is queued\. Wait for"):
            change()
    app.jobs.cancel(1)
    assert app.store.rename(PROJECT, "other").name == "other"


def test_a_namesakes_job_keeps_nobody_from_moving(app):
    submit(app)
    app.create_project(PROJECT + "2")
    assert app.store.rename(PROJECT + "2", "free").name == "free"


def test_the_end_of_a_log_is_text_whatever_was_written(app):
    submit(app)
    job = app.jobs.queue.claim("cpu", "here")
    assert app.jobs.log(job.id) == ""
    log = AttemptPaths.of(app.outputs.folder / job.folder, job.attempt).log
    log.parent.mkdir(parents=True)
    log.write_bytes(b"first\nsteps: 1%\rsteps: 50%\rsteps: 100%\nwindows\r\n\xff \xd0\xba\n")
    assert app.jobs.log(job.id).split("\n") == ["first", "steps: 100%", "windows", "\ufffd к", ""]
    assert app.jobs.log(job.id, lines=3).split("\n") == ["windows", "\ufffd к", ""]


def test_cancelling_a_running_job_asks_its_process_at_once(app):
    submit(app)
    job = app.jobs.queue.claim("cpu", "here")
    attempt = AttemptPaths.of(app.outputs.folder / job.folder, job.attempt)
    attempt.folder.mkdir(parents=True)
    app.jobs.cancel(job.id)
    assert Attempt(attempt.folder).stop_requested


def test_a_run_whose_folder_was_deleted_fails_with_a_sentence_and_the_others_go_on(app):
    submit(app, network_dim="8,16")
    gone = app.outputs.folder / app.jobs.all()[0].folder
    shutil.rmtree(gone)
    train(app)
    ended = {job.state: job.message for job in app.jobs.all()}
    assert set(ended) == {JobState.DONE, JobState.FAILED}
    assert "run.toml" in ended[JobState.FAILED]
    assert not gone.exists()


def test_the_queue_is_rebuilt_from_the_folders(app):
    submit(app, network_dim=f"8,{UNLUCKY}")
    train(app)
    before = {job.folder: (job.state, job.title) for job in app.jobs.all()}
    app.jobs.queue.close()
    for file in app.outputs.folder.glob("queue.sqlite3*"):
        file.unlink()
    again = stand_in_app(app.outputs.folder)
    assert (again.jobs.all(), again.runs.rescan(), again.runs.rescan()) == ([], 2, 0)
    assert {job.folder: (job.state, job.title) for job in again.jobs.all()} == before
    resubmitted = again.grids.submit(PROJECT, VERSION, wanted(network_dim=f"8,{UNLUCKY}"))
    assert (len(resubmitted.jobs), len(resubmitted.already)) == (1, 1)
    train(again)
    assert again.jobs.get(resubmitted.jobs[0]).attempt == 2
    again.jobs.queue.close()


def test_only_files_below_the_outputs_folder_are_shown(app, tmp_path):
    inside = app.outputs.folder / "a.png"
    inside.write_text("")
    (tmp_path / "outside.png").write_text("")
    (app.outputs.folder / "link.png").symlink_to(tmp_path / "outside.png")
    assert app.confined(inside) == inside.resolve()
    for path in ("link.png", "../../outside.png", "gone.png", "projects"):
        with pytest.raises(NotFoundError, match="no such file"):
            app.confined(app.outputs.folder / path)


def test_the_demo_is_made_once_and_what_was_changed_in_it_is_kept(app):
    demo = app.prepare_demo()
    dataset = app.versions.dataset(demo.project, demo.version)
    plan = app.grids.plan(demo.project, demo.version)
    assert (dataset.image_count, len(plan.runs)) == (24, 4)
    caption = dataset.folders[0].images[0].path.with_suffix(".txt")
    caption.write_text("mine", encoding="utf-8")
    app.prepare_demo()
    assert caption.read_text(encoding="utf-8") == "mine"
    assert [project.name for project in app.store.list()].count(demo.project) == 1


def test_the_outputs_folder_is_chosen_or_named_by_the_environment_or_beside_the_program(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_OUTPUTS", str(tmp_path / "named"))
    monkeypatch.chdir(tmp_path)
    assert outputs_paths(Path("chosen")).folder == tmp_path / "chosen" / "train_tools"
    assert outputs_paths(tmp_path / "train_tools").folder == tmp_path / "train_tools"
    assert outputs_paths(None).folder == tmp_path / "named" / "train_tools"
    monkeypatch.delenv("TRAIN_TOOLS_OUTPUTS")
    assert outputs_paths(None).folder == POCKET.parents[2] / "outputs" / "train_tools"
