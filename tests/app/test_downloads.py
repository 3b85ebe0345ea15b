from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.conftest import POCKET
from tests.base_models.depot import Depot, giving
from tests.jobs.patience import eventually
from train_tools.app import App
from train_tools.errors import ConfirmationWantedError, InUseError, NotFoundError, OptionValueError
from train_tools.model.download import Download, DownloadState

CONTENT = POCKET.read_bytes()
NAME = "anime zorb.safetensors"


@pytest.fixture
def depot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Depot]:
    for variable in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with giving(Depot(CONTENT)) as depot:
        yield depot


def address(depot: Depot) -> str:
    return f"{depot.address}file/{NAME}"


def one(app: App) -> Download:
    [download] = app.downloads.all()
    return download


def test_a_model_is_fetched_in_the_background_and_then_listed(app, depot):
    offer = app.downloads.look(address(depot))
    assert offer.folder == app.outputs.base_models
    started = app.downloads.start(address(depot), offer)
    assert (started.state, started.size_bytes) == (DownloadState.RUNNING, len(CONTENT))
    eventually(lambda: one(app).state is DownloadState.DONE)
    assert one(app).done_bytes == len(CONTENT)
    assert [model.path.name for model in app.base_models.all().models] == [NAME]


def test_one_is_stopped_and_gone_on_with(app, depot):
    offer = app.downloads.look(address(depot))
    depot.held.clear()
    app.downloads.start(address(depot), offer)
    with pytest.raises(InUseError, match="already"):
        app.downloads.start(address(depot), offer)
    eventually(lambda: one(app).done_bytes > 0)
    app.downloads.stop(1)
    depot.held.set()
    eventually(lambda: one(app).state is DownloadState.STOPPED)
    assert app.downloads.look(address(depot)).here_bytes == one(app).done_bytes > 0
    app.downloads.start(address(depot), offer)
    eventually(lambda: app.downloads.all()[0].state is DownloadState.DONE)
    assert (app.outputs.base_models / NAME).read_bytes() == CONTENT
    with pytest.raises(NotFoundError, match="no download 7"):
        app.downloads.stop(7)


def test_one_that_fails_says_why(app, depot):
    app.downloads.start(address(depot), app.downloads.look(address(depot)), "0" * 64)
    eventually(lambda: one(app).state is DownloadState.FAILED)
    assert "sha256" in one(app).message


def test_only_what_was_agreed_to_is_begun_and_only_where_models_are_looked_for(app, depot, tmp_path):
    offer = app.downloads.look(address(depot))
    for other in (replace(offer, size_bytes=1), replace(offer, sent_by="elsewhere.example")):
        with pytest.raises(ConfirmationWantedError, match="agree anew"):
            app.downloads.start(address(depot), other)
    with pytest.raises(OptionValueError, match="none of the folders for base models"):
        app.downloads.start(address(depot), replace(offer, folder=tmp_path))
    app.settings.change({"models.folders": [str(tmp_path)]})
    assert app.downloads.start(address(depot), replace(offer, folder=tmp_path)).target == tmp_path / NAME
    eventually(lambda: one(app).state is DownloadState.DONE)


def test_a_folder_is_chosen_where_nothing_is_agreed_to_by_a_page(app, depot, tmp_path):
    offer = app.downloads.look(address(depot), tmp_path, "other.safetensors")
    assert app.downloads.fetch(address(depot), offer) == Path(tmp_path / "other.safetensors")
