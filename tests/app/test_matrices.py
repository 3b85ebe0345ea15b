"""Matrices in pages, in another order, filtered; what becomes of missing pictures."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image
from safetensors.numpy import save_file

from sd_contract.attempt import Attempt
from sd_contract.events import EventLog, StepDone
from train_tools.app import App, open_app
from train_tools.app.matrices import CHECKPOINTS_OF_A_PAGE
from train_tools.errors import NotFoundError
from train_tools.model.job import JobState, Verdict
from train_tools.model.matrix_view import NOBODY, Fate, MatrixView, Sort
from train_tools.model.preparation import Preparation
from train_tools.model.preview import PreviewSettings
from train_tools.previews.alike import alike
from train_tools.previews.picture_file import write_picture

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
ZORB, V1 = "zorb", "v1"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """A grid of two runs with three checkpoints each, at steps 10, 20 and 30, of which none is rendered."""
    app = open_app(tmp_path / "outputs")
    app.create_project(ZORB)
    app.create_version(ZORB, V1)
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    stored = app.versions.settings(ZORB, V1)
    small = PreviewSettings(prompts=("a zorb",), weights=(0.5, 1.0), seeds=(4,), width_px=64, height_px=64)
    prepared = Preparation(width_px=64, height_px=64, mirrored_copies=False)
    app.versions.save_settings(ZORB, V1, replace(stored, previews=small, preparation=prepared))
    app.versions.import_images(ZORB, V1, [tmp_path / "a.png"])
    app.versions.prepare(ZORB, V1)
    for job in app.grids.submit(
        ZORB, V1, {"pretrained_model_name_or_path": str(POCKET), "network_dim": "2, 4"}, anyway=True
    ).jobs:
        app.jobs.cancel(job)
    for number, run in enumerate(runs(app)):
        for step in (10, 20, 30):
            write_checkpoint(run / f"zorb-v1-step{step:08}.safetensors", 100 * number + step, step)
    return app


def write_checkpoint(file: Path, content: int, step: int) -> None:
    save_file({"weight": numpy.full(2, float(content))}, file, metadata={"ss_steps": str(step)})


def runs(app: App) -> list[Path]:
    return sorted(app.versions.paths(ZORB, V1).trains.iterdir())


def told(app: App, **wish) -> list[str]:
    page = app.matrices.page(ZORB, V1, None, MatrixView(**wish))
    return [f"{row.run.removeprefix('network_dim=')} {row.label}" for row in page.matrix.rows if not row.is_base]


def test_rows_are_put_in_order_and_left_out_by_what_is_known_of_checkpoints(app: App) -> None:
    first, second = (run.name for run in runs(app))
    app.checkpoints.mark(ZORB, V1, f"{first}/zorb-v1-step00000020", rating=3, notes="Good HANDS")
    app.checkpoints.mark(ZORB, V1, f"{second}/zorb-v1-step00000010", rating=5)
    assert told(app) == ["2 step 10", "2 step 20", "2 step 30", "4 step 10", "4 step 20", "4 step 30"]
    assert told(app, sort=Sort.RATING, descending=True)[:2] == ["4 step 10", "2 step 20"]
    assert told(app, rated=3) == ["2 step 20", "4 step 10"]
    assert told(app, text="hands GOOD") == ["2 step 20"]
    assert told(app, sort=Sort.STEP, descending=True, run=second) == ["4 step 30", "4 step 20", "4 step 10"]
    assert told(app, steps_from=20, steps_to=25) == ["2 step 20", "4 step 20"]
    assert told(app, loss_below=1.0) == []
    with pytest.raises(NotFoundError, match="no run 'none'"):
        told(app, run="none")


def test_losses_are_those_of_the_steps_that_led_to_a_checkpoint(app: App) -> None:
    events = runs(app)[1] / "attempts" / "001" / "events.jsonl"
    events.parent.mkdir(parents=True)
    log = EventLog(events)
    for step in range(1, 31):
        log.emit(StepDone(step, 30, loss=float(step)))
    log.close()
    seen = app.matrices.page(ZORB, V1).checkpoints
    assert [each.loss for each in seen] == [None, None, None, 9.5, 19.0, 28.5]
    assert told(app, sort=Sort.LOSS, descending=True)[:3] == ["4 step 30", "4 step 20", "4 step 10"]


def test_pages_are_whole_runs_and_a_page_too_far_is_the_last(app: App) -> None:
    run = runs(app)[0]
    for number in range(CHECKPOINTS_OF_A_PAGE):
        write_checkpoint(run / f"zorb-v1-{number:06}.safetensors", number, 0)
    page = app.matrices.page(ZORB, V1, page=9)
    assert (page.pages, page.page, page.shown) == ((CHECKPOINTS_OF_A_PAGE + 3, 3), 1, CHECKPOINTS_OF_A_PAGE + 6)
    assert [seen.called for seen in page.checkpoints] == ["step 10", "step 20", "step 30"]


def test_axes_of_a_view_turn_the_matrix(app: App) -> None:
    page = app.matrices.page(ZORB, V1, None, MatrixView(rows=("network_dim",), columns=("checkpoint", "weight")))
    assert [line["network_dim"] for line in page.matrix.rows] == [2, 4]
    assert {"network_dim", "checkpoint", "run", "seed"} <= {axis.name for axis in page.axes}
    assert (len(page.alike.prompts), page.alike.seeds) == (1, (4,))
    assert app.previews.settings(ZORB, V1).rows == (), "a look changes nothing"


def test_a_seed_of_the_training_is_not_taken_for_that_of_the_pictures(app: App) -> None:
    changed = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "2", "seed": "7, 8"}
    queued = app.grids.submit(ZORB, V1, changed, anyway=True)
    for job in queued.jobs:
        app.jobs.cancel(job)
    for name in (run.name for run in app.matrices.runs(ZORB, V1, queued.grid)):
        run = app.versions.paths(ZORB, V1).run(name).folder
        write_checkpoint(run / "zorb-v1.safetensors", len(name), 30)
    matrix = app.matrices.page(ZORB, V1, queued.grid).matrix
    assert [(row.run, row["seed"]) for row in matrix.rows[1:]] == [("seed=7", None), ("seed=8", None)]
    assert {column["seed"] for column in matrix.columns} == {4}


def fates(app: App) -> list[Fate]:
    page = app.matrices.page(ZORB, V1)
    return [page.expected.get(cell.picture.key, NOBODY).fate for cell in page.matrix.cells]


def test_missing_pictures_say_whether_a_job_is_about_them(app: App) -> None:
    cells = app.matrices.page(ZORB, V1).matrix.cells
    with pytest.raises(NotFoundError, match="not missing"):
        app.previews.render(ZORB, V1, pictures=["nothing"])
    (single,) = app.previews.render(ZORB, V1, pictures=[cells[3].picture.key]).jobs
    assert [place for place, fate in enumerate(fates(app)) if fate is Fate.QUEUED] == [3]
    assert app.jobs.get(single).total_steps == 1
    app.jobs.cancel(single)
    (whole,) = app.previews.render(ZORB, V1).jobs
    assert set(fates(app)) == {Fate.QUEUED}
    queue = app.jobs.queue
    job = queue.claim("cpu", "here")
    assert job is not None and job.id == whole
    kind = next(kind for kind in app._kinds() if kind.name == "preview")
    folder = app.outputs.folder / job.folder
    attempt = Attempt(folder / "attempts" / "001")
    attempt.folder.mkdir(parents=True)
    kind.prepare(job, folder, attempt)
    queue.start(job.id, job.attempt)
    queue.progress(job.id, job.attempt, step=2)
    painted = sorted(cells, key=lambda cell: str(cell.checkpoint or ""))
    write_picture(painted[0].file, Image.new("RGB", (8, 8)), painted[0].picture, base_stem="b", lora_stem=None)
    now = {cell.picture.key: fate for cell, fate in zip(cells, fates(app), strict=True)}
    assert [now[cell.picture.key] for cell in painted[:4]] == [
        Fate.MISSING,
        Fate.FAILED,
        Fate.RUNNING,
        Fate.QUEUED,
    ]
    queue.finish(job.id, job.attempt, Verdict(state=JobState.FAILED, message="It broke."))
    page = app.matrices.page(ZORB, V1)
    assert {told.fate for told in page.expected.values()} == {Fate.FAILED}
    assert [job.message for job in page.jobs] == ["It broke."]


def test_a_row_whose_settings_differ_is_marked(app: App) -> None:
    matrix = app.matrices.page(ZORB, V1).matrix
    odd = replace(matrix.cells[4], picture=replace(matrix.cells[4].picture, steps=50, prompt="another"))
    cells = tuple(odd if cell is matrix.cells[4] else cell for cell in matrix.cells)
    found = alike(replace(matrix, cells=cells))
    marked = [at for at, words in enumerate(found.rows) if words]
    assert marked == [odd.row] and found.rows[odd.row] == ("prompt", "steps")
    assert len(found.prompts) == 2
