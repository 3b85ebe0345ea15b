"""Matrices of a version, shown, rendered, exported and deleted; the trainer and the renderer pretend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.faults.stand_in import StandInEngine
from tests.renderers.scene import write_lora
from tests.renderers.stand_in import StandInRenderer
from train_tools.app import App, outputs_paths
from train_tools.errors import NotFoundError, OptionValueError
from train_tools.model.job import JobState
from train_tools.model.paths import AttemptPaths
from train_tools.previews.kind import PREVIEW_NOW

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
PROJECT, VERSION = "it's [red] кот", "v1"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """A version with a grid of two runs, trained, with nothing rendered."""
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = App(outputs_paths(tmp_path / "outputs"), [StandInEngine(0.001)], StandInRenderer())
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    picture = tmp_path / "0.png"
    Image.new("RGB", (64, 64), "#806040").save(picture)
    settings = app.versions.settings(PROJECT, VERSION)
    small = replace(settings.previews, prompts=("a",), weights=(0.5, 1.0), width_px=64, height_px=64)
    app.versions.save_settings(
        PROJECT,
        VERSION,
        replace(
            settings,
            preparation=replace(settings.preparation, width_px=64, height_px=64),
            options={},
            axes={},
            previews=replace(small, after_training=False),
        ),
    )
    app.versions.import_images(PROJECT, VERSION, [picture])
    app.versions.prepare(PROJECT, VERSION)
    app.grids.submit(PROJECT, VERSION, {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8,16"})
    work(app)
    yield app
    app.jobs.queue.close()


def work(app: App) -> None:
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())


def missing(app: App) -> int:
    return app.previews.missing(PROJECT, VERSION).pictures


def test_a_seed_of_minus_one_is_drawn_once_and_kept(app: App) -> None:
    settings = app.versions.settings(PROJECT, VERSION)
    undrawn = replace(settings.previews, seeds=(-1,))
    app.versions.save_settings(PROJECT, VERSION, replace(settings, previews=undrawn))
    (seed,) = app.previews.settings(PROJECT, VERSION).seeds
    assert seed >= 0
    assert app.versions.settings(PROJECT, VERSION).previews.seeds == (seed,)
    matrix = app.previews.matrix(PROJECT, VERSION)
    assert {cell.picture.seed for cell in matrix.cells} == {seed}
    app.previews.change(PROJECT, VERSION, lambda settings: replace(settings, seeds=(-1, 7)))
    assert app.previews.settings(PROJECT, VERSION).seeds[1] == 7


def test_what_is_missing_is_counted_rendered_once_and_then_costs_a_known_time(app: App) -> None:
    found = app.previews.missing(PROJECT, VERSION)
    assert (found.pictures, found.seconds) == (1 + 4 * 2, None)
    assert found.sentence.startswith("Make the missing: 9 images; how long")
    app.previews.render(PROJECT, VERSION)
    work(app)
    assert missing(app) == 0 and app.previews.missing(PROJECT, VERSION).sentence == "Nothing is missing."
    job = app.previews.render(PROJECT, VERSION).jobs[0]
    work(app)
    assert app.jobs.get(job).step == 0 and app.jobs.get(job).state is JobState.DONE
    more = app.previews.missing(
        PROJECT, VERSION, None, lambda settings: replace(settings, weights=(0.1, 0.5, 1.0))
    )
    assert more.pictures == 4 and more.seconds is not None
    assert "Make the missing: 4 images, about" in more.sentence


def test_a_cell_is_deleted_wherever_it_is_shown_and_everything_at_once(app: App) -> None:
    app.previews.render(PROJECT, VERSION)
    work(app)
    assert app.previews.delete(PROJECT, VERSION, None, 1, 0) >= 1
    assert missing(app) == 1
    assert not list(app.previews.matrix(PROJECT, VERSION).cells[1].file.parent.glob("*-0.5-*.json"))
    mine = app.previews.matrix(PROJECT, VERSION).cells[2].file.parent / "mine.png"
    Image.new("RGB", (8, 8)).save(mine)
    app.previews.change(PROJECT, VERSION, lambda settings: replace(settings, steps=3))
    assert app.previews.delete_all(PROJECT, VERSION) == 8
    assert missing(app) == 9 and mine.exists()
    with pytest.raises(NotFoundError, match="no picture in row 99"):
        app.previews.delete(PROJECT, VERSION, None, 99, 0)


def test_the_matrix_is_taken_along_in_three_forms(app: App, tmp_path: Path) -> None:
    for name in ("m.png", "m.webp", "m.html"):
        assert app.previews.export(PROJECT, VERSION, None, tmp_path / "out" / name).stat().st_size > 500
    with Image.open(tmp_path / "out" / "m.webp") as image:
        assert image.format == "WEBP"
    with pytest.raises(OptionValueError, match=r"m.gif: a matrix is written as"):
        app.previews.export(PROJECT, VERSION, None, tmp_path / "m.gif")


def test_the_newest_checkpoint_of_a_run_is_rendered_beside_what_trains(app: App) -> None:
    run = app.grids.record(PROJECT, VERSION).runs[0]
    (id_,) = app.previews.render_now(PROJECT, VERSION, run).jobs
    assert app.previews.render_now(PROJECT, VERSION, run).jobs == (id_,)
    job = app.jobs.get(id_)
    assert job.kind == PREVIEW_NOW
    claimed = app.jobs.queue.claim("cpu", "here", app.jobs.worker()._heavy)
    assert claimed is None, "it would wait for a training"
    work(app)
    cells = app.previews.matrix(PROJECT, VERSION).cells
    assert [cell.row for cell in cells if cell.file.exists()] == [0, 2, 2]
    with pytest.raises(NotFoundError, match="There is no run 'x'"):
        app.previews.render_now(PROJECT, VERSION, "x")


def test_what_the_trainer_painted_stands_in_the_row_of_its_moment(app: App) -> None:
    run = app.versions.paths(PROJECT, VERSION).run(app.grids.record(PROJECT, VERSION).runs[0])
    steps = [row["checkpoint"] for row in app.previews.matrix(PROJECT, VERSION).rows]
    folder = AttemptPaths.of(run.folder, 1).output / "sample"
    folder.mkdir(parents=True)
    texts = PngInfo()
    texts.add_text("parameters", "a zorb\nSteps: 9, Sampler: Euler, CFG scale: 5, Seed: 4, Size: 64x64")
    Image.new("RGB", (64, 64)).save(folder / "x_000000_00_20260101120000_4.png", pnginfo=texts)
    Image.new("RGB", (64, 64)).save(folder / "x_e000007_01_20260101120000.png")
    (folder / "notes.png").write_bytes(b"")
    matrix = app.previews.matrix(PROJECT, VERSION)
    assert {row["checkpoint"] for row in matrix.rows} == {*steps, "step 0", "epoch 7"}
    painted = [cell for cell in matrix.cells if cell.sampled]
    columns = [matrix.columns[cell.column] for cell in painted]
    assert [(line["source"], line["prompt"], line["seed"]) for line in columns] == [
        ("during training", "a zorb", 4),
        ("during training", "sample prompt 2", 0),
    ]
    assert missing(app) == 9
    shutil.rmtree(folder)


def test_a_lora_from_elsewhere_is_rendered_too(app: App, tmp_path: Path) -> None:
    foreign = write_lora(tmp_path / "theirs.safetensors")
    app.previews.change(PROJECT, VERSION, lambda settings: replace(settings, other_loras=(str(foreign),)))
    app.previews.render(PROJECT, VERSION)
    work(app)
    assert missing(app) == 0
    assert app.previews.matrix(PROJECT, VERSION).rows[-1].label == "theirs"


def test_settings_come_from_a_webuis_picture(app: App, tmp_path: Path) -> None:
    texts = PngInfo()
    texts.add_text("parameters", "a dog\nSteps: 12, Sampler: DPM++ 2M Karras, CFG scale: 4, Seed: 9, Size: 64x128")
    Image.new("RGB", (8, 8)).save(tmp_path / "00001-9.png", pnginfo=texts)
    found = app.previews.like(PROJECT, VERSION, str(tmp_path / "00001-9.png")).settings
    assert (found.prompts, found.steps, found.scheduler, found.seeds) == (("a dog",), 12, "karras", (9,))
    Image.new("RGB", (8, 8)).save(tmp_path / "bare.png")
    with pytest.raises(OptionValueError, match=r"bare.png carries no infotext"):
        app.previews.like(PROJECT, VERSION, str(tmp_path / "bare.png"))
