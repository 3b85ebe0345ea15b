"""Whole nights: a stand-in trainer, the real worker, a real site; what the settings want follows each run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.stand_in import StandInEngine
from train_tools.app import App, outputs_paths
from train_tools.commands.queue import work_off
from train_tools.follow_ups.copies import CopyJob
from train_tools.follow_ups.desktop import DesktopJob
from train_tools.follow_ups.webhook import WebhookJob
from train_tools.jobs.kind import JobKind
from train_tools.renderers.diffusers import DiffusersRenderer
from train_tools.runs.training import TrainingJob

POCKET = Path(__file__).parent.parent.parent / "projects_template" / "demo" / "pocket-sd1.safetensors"
PROJECT = "it's [red] кот"
UNLUCKY = "13"
SECRET = "sEcReT"


class WithoutPreviews(App):
    """The app as it is, but for the pictures."""

    def _kinds(self) -> Sequence[JobKind]:
        train = TrainingJob(
            self.outputs,
            self.engines,
            dataset_of=self.versions.trained_on_by,
            previews_of=lambda version, record: None,
        )
        followed = self._followed((train, CopyJob(self.settings.read)))
        return (*followed, WebhookJob(), DesktopJob(self.settings.read))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = WithoutPreviews(outputs_paths(tmp_path / "outputs"), [StandInEngine(0.001)], DiffusersRenderer())
    app.create_project(PROJECT)
    app.create_version(PROJECT, "v1")
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64), (90, 80, 120)).save(tmp_path / "pictures" / "0.png")
    settings = app.versions.settings(PROJECT, "v1")
    size = replace(settings.preparation, width_px=64, height_px=64, mirrored_copies=False)
    app.versions.save_settings(PROJECT, "v1", replace(settings, preparation=size, options={}, axes={}))
    app.versions.import_images(PROJECT, "v1", [tmp_path / "pictures"])
    app.versions.prepare(PROJECT, "v1")
    yield app
    app.jobs.queue.close()


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Lora"
    folder.mkdir(parents=True)
    return folder


def night(app: App, dims: str) -> None:
    """Submits a grid and works until nothing waits."""
    app.grids.submit(PROJECT, "v1", {"pretrained_model_name_or_path": str(POCKET), "network_dim": dims})
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())


def ends(app: App) -> list[tuple[str, str]]:
    return [(job.kind, job.state.value) for job in sorted(app.jobs.all(), key=lambda job: job.id)]


def message(app: App, kind: str) -> str:
    return next(job.message for job in app.jobs.all() if job.kind == kind)


def test_nothing_follows_unless_it_is_wanted(app):
    night(app, "8")
    assert ends(app) == [("train", "done")]


def test_copies_are_made_after_each_run_that_is_done(app, lora):
    app.settings.change({"copies.folder": str(lora)})
    night(app, f"8,16,{UNLUCKY}")
    assert ends(app) == [
        *[("train", "done"), ("train", "done"), ("train", "failed")],
        *[("copy", "done")] * 2,
    ]
    assert sorted(path.name for path in lora.iterdir()) == [
        f"{PROJECT}-v1-net-16.safetensors",
        f"{PROJECT}-v1-net-8.safetensors",
    ]
    finals = {each.path for each in app.runs.checkpoints(PROJECT, "v1") if each.final}
    assert {path.read_bytes() for path in lora.iterdir()} == {path.read_bytes() for path in finals}


def test_a_copy_that_fails_leaves_the_training_done_and_can_be_retried(app, lora):
    app.settings.change({"copies.folder": str(lora)})
    lora.rmdir()
    night(app, "8")
    assert ends(app) == [("train", "done"), ("copy", "failed")]
    lora.mkdir()
    app.jobs.retry(2)
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    assert ends(app) == [("train", "done"), ("copy", "done")]
    assert len(list(lora.iterdir())) == 1


def test_the_webhook_hears_of_a_failed_run_and_of_the_end(app, lora, web):
    app.settings.set_webhook(f"{web.address}/{SECRET}?t={SECRET}")
    app.settings.change({"copies.folder": str(lora)})
    night(app, f"{UNLUCKY},8")
    first, last = (json.loads(body) for _, _, _, body in web.got)
    assert (first["occasions"], first["job"]["message"]) == (["run_failed"], "unlucky")
    assert last["occasions"] == ["grid_finished", "queue_empty"]
    assert last["job"]["kind"] == "copy"
    assert (last["grid"]["done"], last["grid"]["failed"]) == (1, 1)
    assert message(app, "webhook") == "127.0.0.1 was told."


def test_the_webhooks_address_is_in_no_file_of_the_outputs_folder(app, web):
    web.answers = [404]
    app.settings.set_webhook(f"{web.address}/{SECRET}?t={SECRET}")
    night(app, UNLUCKY)
    assert ends(app) == [("train", "failed"), ("webhook", "failed")]
    assert message(app, "webhook") == "127.0.0.1 answered 404 (Not Found)."
    files = [path for path in app.outputs.folder.rglob("*") if path.is_file()]
    assert any(path.name == "run.log" and b"404" in path.read_bytes() for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in str(app.jobs.all())


def test_who_waits_for_a_grid_waits_for_its_news_and_does_not_fail_with_them(app, web):
    web.answers = [404]
    app.settings.set_webhook(web.address)
    wanted = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "8"}
    grid = app.grids.submit(PROJECT, "v1", wanted).grid
    assert not work_off(app, PROJECT, "v1", grid, quiet=True)
    assert ends(app) == [("train", "done"), ("webhook", "failed")]


def test_the_address_may_come_from_the_environment(app, web, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_WEBHOOK", f"{web.address}/{SECRET}")
    night(app, "8")
    assert [path for _, path, _, _ in web.got] == [f"/{SECRET}"]
    files = [path for path in app.outputs.folder.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_an_address_that_can_not_be_used_fails_its_own_job_only(app, monkeypatch):
    monkeypatch.setenv("TRAIN_TOOLS_WEBHOOK", f"gopher://{SECRET}")
    night(app, "8")
    assert ends(app) == [("train", "done"), ("webhook", "failed")]
    assert "has to begin with http:// or https://" in message(app, "webhook")
    assert SECRET not in message(app, "webhook")


@pytest.mark.skipif(sys.platform != "linux", reason="a stand-in for Linux's program")
def test_the_desktop_is_told_where_there_is_one(app, stand_ins):
    app.settings.change({"news.desktop": True})
    night(app, UNLUCKY)
    assert ends(app) == [("train", "failed")]
    stand_ins.put("notify-send")
    night(app, "8")
    assert ends(app)[1:] == [("train", "done"), ("desktop", "done")]
    title, text = stand_ins.calls("notify-send")[0][-2:]
    assert title == "Train Tools: a grid is finished, the queue is empty"
    assert text.startswith(f"Finished: {PROJECT} / v1, grid-002: 1 done.")


def test_settings_that_can_not_be_read_lose_nothing(app, lora):
    app.outputs.settings.write_text("[copies]\nfolder = 3\n")
    night(app, "8")
    assert ends(app) == [("train", "done"), ("copy", "failed"), ("desktop", "failed")]
    assert "line 2: copies.folder = 3 can't be used" in message(app, "copy")
    assert "line 2: copies.folder = 3 can't be used" in message(app, "desktop")
    app.outputs.settings.unlink()
    app.settings.change({"copies.folder": str(lora)})
    app.jobs.retry(2)
    assert app.jobs.worker().run(until=lambda: not app.jobs.queue.waiting())
    assert ends(app)[1] == ("copy", "done")


def test_a_run_that_is_tried_again_is_followed_again(app, web):
    app.settings.set_webhook(web.address)
    night(app, UNLUCKY)
    night(app, UNLUCKY)
    assert ends(app) == [("train", "failed"), ("webhook", "done")]
    assert [json.loads(body)["id"][-4:] for _, _, _, body in web.got] == ["/1/1", "/1/2"]


def test_a_webhook_that_is_switched_off_says_nothing(app, web):
    app.settings.set_webhook(web.address)
    app.settings.change({"news.webhook": False})
    night(app, UNLUCKY)
    app.settings.change({"news.webhook": True, "news.when": []})
    night(app, UNLUCKY)
    assert (web.got, ends(app)) == ([], [("train", "failed")])
