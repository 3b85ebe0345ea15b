"""Captioning as a job of the queue: the real process, and models as small as their formats allow."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

from tests.captioners import tiny
from tests.captioners.hub import Describer, Hub, giving, saying, serving
from tests.jobs.patience import eventually
from train_tools.app import App, open_app
from train_tools.errors import ConfirmationWantedError, DatasetNotUsableError, InUseError, OptionValueError
from train_tools.model.captioning import CaptionSettings, Chosen, ExistingCaption, TagWords
from train_tools.model.job import JobState

PROJECT, VERSION = "it's [red] кот", "v1"
FILE_NAME = CaptionSettings(captioners=(Chosen(name="file-name"),))


@pytest.fixture
def app(tmp_path, monkeypatch):
    app = open_app(tmp_path / "outputs")
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    source = tmp_path / "source"
    source.mkdir()
    for name, colour in (("red_rose", (255, 0, 0)), ("blue sky", (0, 0, 255)), ("кот (2)", (0, 255, 0))):
        Image.new("RGB", (64, 64), colour).save(source / f"{name}.png")
    (source / "кот (2).txt").write_text("my cat", encoding="utf-8")
    app.versions.import_images(PROJECT, VERSION, [source])
    yield app
    app.jobs.queue.close()


def captioned(app: App, settings: CaptionSettings, **how):
    """Asks for captions, works, and gives the job as it ended."""
    job = app.captioners.start(PROJECT, VERSION, settings, **how)
    worker = app.jobs.worker()
    worker.most_losses = 1
    assert worker.run(until=lambda: not app.jobs.queue.waiting())
    return app.jobs.get(job.id)


def captions(app: App) -> dict[str, str]:
    origin = app.versions.paths(PROJECT, VERSION).origin
    return {path.stem: path.read_text(encoding="utf-8").rstrip("\n") for path in sorted(origin.glob("*.txt"))}


def events(app: App, job) -> list[dict[str, object]]:
    folder = app.outputs.folder / job.folder / "attempts" / f"{job.attempt:03}"
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def test_originals_are_captioned_and_preparing_takes_the_captions_along(app):
    model = tiny.wd(app.outputs.captioners / "SmilingWolf--wd-swinv2-tagger-v3")
    tags = TagWords(undesired=("saber (fate)", "^_^", "1girl"))
    settings = CaptionSettings(
        captioners=(Chosen(name="file-name"), Chosen(name="wd-v3")), tags=tags, existing=ExistingCaption.PREPEND
    )
    job = captioned(app, settings)
    assert (job.state, job.message) == (JobState.DONE, "3 captions written.")
    # A tag that the file name says already stands once.
    assert captions(app) == {
        "red_rose": "red rose",
        "blue sky": "blue sky",
        "кот (2)": "my cat кот, green grass",
    }
    assert [each["step"] for each in events(app, job) if each["type"] == "StepDone"] == [1, 2, 3]
    assert all(model.rglob("*.onnx"))
    prepared = app.versions.prepare(PROJECT, VERSION)
    texts = {path.read_text(encoding="utf-8").strip() for path in prepared.folder.glob("*.txt")}
    assert texts == set(captions(app).values())


def test_asked_for_the_same_again_nothing_is_done_and_edits_stay(app):
    assert captioned(app, FILE_NAME).message == "3 captions written."
    edited = app.versions.paths(PROJECT, VERSION).origin / "red_rose.txt"
    edited.write_text("edited by hand", encoding="utf-8")
    again = captioned(app, FILE_NAME)
    assert (again.state, again.message) == (JobState.DONE, "Every original was captioned already.")
    assert captions(app)["red_rose"] == "edited by hand"
    assert captioned(app, FILE_NAME, again=True).message == "3 captions written."
    assert captions(app)["red_rose"] == "red rose"
    assert captioned(app, FILE_NAME).message == "Every original was captioned already."


def test_other_settings_start_from_the_users_own_captions(app):
    for existing, cat in (
        (ExistingCaption.PREPEND, "my cat кот"),
        (ExistingCaption.APPEND, "кот my cat"),
        (ExistingCaption.IGNORE, "кот"),
        (ExistingCaption.COPY, "my cat"),
    ):
        assert captioned(app, replace(FILE_NAME, existing=existing)).state is JobState.DONE
        assert captions(app) == {"red_rose": "red rose", "blue sky": "blue sky", "кот (2)": cat}
    undone = app.captioners.undo(PROJECT, VERSION)
    assert (undone.restored, undone.left) == (3, ())
    assert captions(app) == {"кот (2)": "my cat"}


def test_copying_leaves_the_users_own_file_as_it_is(app):
    path = app.versions.paths(PROJECT, VERSION).origin / "кот (2).txt"
    path.write_bytes(b"\xef\xbb\xbfmy cat\r\n")
    job = captioned(app, replace(FILE_NAME, existing=ExistingCaption.COPY))
    assert job.message == "2 captions written. 1 of the user's own stay."
    assert path.read_bytes() == b"\xef\xbb\xbfmy cat\r\n"


def test_a_picture_that_fails_is_listed_and_stops_no_other(app):
    origin = app.versions.paths(PROJECT, VERSION).origin
    (origin / "a page.png").write_bytes(b"<html>")
    (origin / "red_rose.txt").write_bytes(b"\xff\xfe\xff caption of another kind \xff")
    job = captioned(app, FILE_NAME)
    assert job.state is JobState.DONE
    assert job.message.startswith("2 captions written. 2 could not be captioned: a page.png: it is not a pict")
    assert "red_rose.png" in job.message
    assert sum(each["type"] == "Warned" for each in events(app, job)) == 2
    assert (origin / "red_rose.txt").read_bytes().startswith(b"\xff\xfe\xff caption")


def test_what_is_missing_is_fetched_only_after_a_yes(app, tmp_path, monkeypatch):
    settings = CaptionSettings(captioners=(Chosen(name="wd-v3"),))
    files = tiny.wd(tmp_path / "theirs")
    hub = Hub("SmilingWolf/wd-swinv2-tagger-v3", {path.name: path.read_bytes() for path in files.iterdir()})
    with serving(hub) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(ConfirmationWantedError, match=r"model\.onnx, selected_tags\.csv .* --download"):
            app.captioners.start(PROJECT, VERSION, settings)
        assert hub.asked == []
        job = captioned(app, settings, download=True)
    assert job.message == "3 captions written."
    assert any("fetching model.onnx" in str(each.get("name")) for each in events(app, job))
    assert captions(app)["red_rose"] == "red rose, saber (fate), ^_^, 1girl"
    assert app.captioners.all()[0].models[0].place is not None
    assert app.base_models.all().models == ()


def test_a_fetch_that_fails_fails_the_job_in_words(app, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    job = captioned(app, CaptionSettings(captioners=(Chosen(name="florence-2"),)), download=True)
    assert job.state is JobState.FAILED
    assert "can't be reached" in job.message
    assert captions(app) == {"кот (2)": "my cat"}


def test_a_stopped_job_goes_on_where_it_was(app):
    begun = []

    def asked(handler):
        begun.append(1)
        if len(begun) == 2:
            app.jobs.cancel(job.id)
            eventually(lambda: (app.outputs.folder / job.folder / "attempts" / "001" / "stop").exists())
        saying(f"picture {len(begun)}")(handler)

    settings = CaptionSettings(captioners=(Chosen(name="endpoint"),))
    with pytest.raises(OptionValueError, match="has no address"):
        app.captioners.start(PROJECT, VERSION, settings)
    with serving(describer=Describer([asked])) as address:
        app.settings.change({"captions.endpoint": f"{address}/v1"})
        app.settings.change_typed({"caption_key": "sk-secret"})
        job = app.captioners.start(PROJECT, VERSION, settings)
        assert app.captioners.start(PROJECT, VERSION, settings).id == job.id
        with pytest.raises(InUseError, match=f"by job {job.id}"):
            app.captioners.start(PROJECT, VERSION, FILE_NAME)
        with pytest.raises(InUseError, match=f"by job {job.id}"):
            app.captioners.undo(PROJECT, VERSION)
        assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
        assert app.jobs.get(job.id).state is JobState.CANCELLED
        assert sorted(captions(app).values()) == ["my cat", "picture 1", "picture 2"]
        app.jobs.retry(job.id)
        assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    assert app.jobs.get(job.id).message == "1 caption written."
    assert sorted(captions(app).values()) == ["picture 1", "picture 2", "picture 3"]
    written = "".join(
        path.read_text(encoding="utf-8") for path in (app.outputs.folder / job.folder).rglob("*") if path.is_file()
    )
    assert "sk-secret" not in written


def test_a_wrong_key_ends_the_job_at_once(app):
    describer = Describer([saying("fine"), giving(b"no", 401)])
    with serving(describer=describer) as address:
        app.settings.change({"captions.endpoint": f"{address}/v1"})
        job = captioned(app, CaptionSettings(captioners=(Chosen(name="endpoint"),)))
    assert job.state is JobState.FAILED
    assert job.message.endswith("1 of 3 captions written.")
    assert "refuses the key (401)" in job.message
    assert len(describer.questions) == 2


def test_without_originals_there_is_nothing_to_do(app):
    app.create_version(PROJECT, "empty")
    with pytest.raises(DatasetNotUsableError, match="Import some"):
        app.captioners.start(PROJECT, "empty", FILE_NAME)


def test_the_captioner_follows_from_the_base_models_style(app, monkeypatch):
    assert app.captioners.suggested(PROJECT, VERSION).name == "wd-v3"
    model = app.outputs.base_models / "photoreal.safetensors"
    model.parent.mkdir(parents=True, exist_ok=True)
    from tests.app.conftest import POCKET

    model.write_bytes(POCKET.read_bytes())
    app.base_models.choose(PROJECT, VERSION, str(model))
    for style, name in (("prose", "florence-2"), ("tags", "wd-v3")):
        app.base_models.set_style(str(model), style)
        suggested = app.captioners.suggested(PROJECT, VERSION)
        assert (suggested.name, style in suggested.reason) == (name, True)


def test_weights_of_captioners_are_no_base_models(app):
    tiny.blip(app.outputs.captioners / "Salesforce--blip-image-captioning-base")
    assert app.base_models.all().models == ()
    (blip,) = (each for each in app.captioners.all() if each.name == "blip")
    assert (blip.ready, blip.models[0].missing) == (True, ())
