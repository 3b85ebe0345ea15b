from __future__ import annotations

import shutil
import threading
from dataclasses import replace

import pytest

from tests.app.conftest import POCKET, PROJECT, VERSION, submit
from train_tools.app import App
from train_tools.errors import ChangedMeanwhileError, InUseError, NotFoundError
from train_tools.model.captions import CaptionEdit, Selection, Trigger

HERE = (PROJECT, VERSION)


def texts(app: App) -> list[str | None]:
    return [image.caption for image in app.captions.images(*HERE)]


def test_edits_outlive_another_preparation_and_originals_stay(app):
    origin = app.versions.paths(*HERE).origin
    before = {path.name: path.read_bytes() for path in origin.iterdir()}
    app.captions.edit(*HERE, CaptionEdit(kind="add", put="new", front=True), Selection(where="text:number 1"))
    app.versions.prepare(*HERE)
    assert texts(app) == ["a zorb, number 0", "new, a zorb, number 1"]
    assert {path.name: path.read_bytes() for path in origin.iterdir()} == before
    app.captions.undo(*HERE)
    assert texts(app) == ["a zorb, number 0", "a zorb, number 1"]


def test_captions_stay_while_runs_wait_that_were_queued_for_them(app):
    (job,) = submit(app)
    image = app.captions.images(*HERE)[0]
    for change in (
        lambda: app.captions.edit(*HERE, CaptionEdit(kind="write", put="x")),
        lambda: app.captions.write(*HERE, image.image, "x", image.edition),
        lambda: app.captions.undo(*HERE),
        lambda: app.captions.convert(*HERE, "gbk"),
    ):
        with pytest.raises(InUseError, match="can't be changed now"):
            change()
    app.jobs.cancel(job)
    assert app.captions.write(*HERE, image.image, "x", image.edition).caption == "x"


def test_of_two_who_write_at_once_one_is_told(app):
    image = app.captions.images(*HERE)[0]
    together, told, written = threading.Barrier(2), [], []

    def write(text: str) -> None:
        together.wait()
        try:
            written.append(app.captions.write(*HERE, image.image, text, image.edition).caption)
        except (ChangedMeanwhileError, InUseError) as error:
            told.append(error)

    writers = [threading.Thread(target=write, args=(text,)) for text in ("mine", "yours")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (len(told), len(written)) == (1, 1)
    assert texts(app)[0] == written[0]


def test_the_check_knows_the_base_model_and_the_length(app, tmp_path):
    model = shutil.copy(POCKET, tmp_path / "anime-zorb.safetensors")
    settings = app.versions.settings(*HERE)
    options = {**settings.options, "pretrained_model_name_or_path": str(model)}
    app.versions.save_settings(*HERE, replace(settings, options=options))
    app.captions.edit(*HERE, CaptionEdit(kind="write", put="A zorb is lying on a table. " * 15))
    problems = {problem.kind: problem.sentence for problem in app.captions.check(*HERE).problems}
    assert "but the base model was taught with tags" in problems["style"]
    assert "Set max_token_length to 150" in problems["tokens"]


def test_the_trigger_is_kept_with_the_version(app):
    trigger = Trigger(policy="prefix", words="zorb, {class}")
    app.captions.set_trigger(*HERE, trigger)
    app.captions.edit(*HERE, CaptionEdit(kind="trigger"))
    assert app.captions.trigger(*HERE) == trigger
    assert app.captions.check(*HERE).coverage == 1.0
    app.versions.prepare(*HERE)
    assert app.captions.check(*HERE).coverage == 1.0


def test_images_that_are_not_there_are_named(app):
    with pytest.raises(NotFoundError, match=r"4_none/a\.png"):
        app.captions.images(*HERE, Selection(images=frozenset({"4_none/a.png"})))
