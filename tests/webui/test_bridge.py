"""The bridge into a WebUI that was started without its API: our service renders with it as with any other."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.renderers.conformance import RendererConformance
from tests.renderers.scene import POCKET
from tests.renderers.webui_stand_in import StandInWebui, stand_in_webui
from tests.webui.conftest import SMALL, WebUI, webuis
from train_tools.jobs.lease import Lease
from train_tools.model.settings import UserSettings, WebuiSettings
from train_tools.renderers.webui_http.client import API, Client, Door
from train_tools.renderers.webui_http.place import door_to
from train_tools.renderers.webui_http.renderer import WebuiRenderer

Bridged = tuple[WebUI, StandInWebui]


def host_file(webui: WebUI) -> Path:
    webui.until(lambda: list((webui.extension / ".webui").glob("*.host")))
    return next((webui.extension / ".webui").glob("*.host"))


@pytest.fixture(scope="module")
def bridged(host_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridged]:
    """A WebUI without a service, and the stand-in that renders for it."""
    folder = tmp_path_factory.mktemp("bridged")
    with stand_in_webui(folder / "data", [POCKET]) as stand_in, webuis(host_python, folder, SMALL) as make:
        webui = make("--train-tools-no-autostart", "--stand-in", stand_in.url)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRAIN_TOOLS_WEBUI", str(host_file(webui)))
            environment.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
            yield webui, stand_in


@pytest.fixture(scope="module")
def client(bridged: Bridged) -> Client:
    return Client(door_to(WebuiSettings()))


class TestWebuiBridge(RendererConformance):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def served(cls, bridged: Bridged) -> None:
        """For as long as the suite lasts."""

    @classmethod
    def renderer(cls):
        return WebuiRenderer(UserSettings)


def test_the_api_is_made_when_it_is_first_wanted(bridged: Bridged, client: Client) -> None:
    client.get(f"{API}/samplers")
    client.get(f"{API}/samplers")
    assert bridged[0].said.count("API made\n") == 1


def test_without_the_token_nobody_comes_over(bridged: Bridged, client: Client) -> None:
    webui, _ = bridged
    for headers in ({}, {"x-train-tools-token": "guess"}, {"x-train-tools-token": ""}):
        assert webui.ask(f"/train-tools-bridge{API}/samplers", headers=headers).status_code == 403
    assert webui.ask(f"{API}/samplers").status_code == 404


def test_the_file_that_tells_the_token_is_the_users_alone(bridged: Bridged) -> None:
    assert host_file(bridged[0]).stat().st_mode & 0o077 == 0


def test_settings_that_name_another_webui_are_followed(bridged: Bridged) -> None:
    assert door_to(WebuiSettings(url="http://127.0.0.1:7861")) == Door(url="http://127.0.0.1:7861")


def test_the_webuis_password_is_sent_on(webui_for: Callable[..., WebUI], tmp_path: Path, monkeypatch) -> None:
    with stand_in_webui(tmp_path / "data", [POCKET], password="secret") as stand_in:
        webui = webui_for("--train-tools-no-autostart", "--api-auth", "me:secret", "--stand-in", stand_in.url)
        monkeypatch.setenv("TRAIN_TOOLS_WEBUI", str(host_file(webui)))
        assert Client(door_to(WebuiSettings())).get(f"{API}/sd-models")


def test_generate_waits_while_a_lock_is_held_and_the_model_is_off_the_card(
    bridged: Bridged, client: Client, tmp_path: Path
) -> None:
    webui, stand_in = bridged
    training = Lease.take(tmp_path / "training.lock")
    assert training is not None
    assert client.post("/-/lease", {"file": str(training.path)}) == {"taken": True}
    assert webui.ask("/queue-is-taken").json() is True
    assert not stand_in.loaded
    training.release()
    webui.until(lambda: webui.ask("/queue-is-taken").json() is False)
    assert stand_in.loaded


def test_reload_ui_gives_nothing_back_too_early(bridged: Bridged, client: Client, tmp_path: Path) -> None:
    webui, _ = bridged
    training = Lease.take(tmp_path / "training.lock")
    assert training is not None
    client.post("/-/lease", {"file": str(training.path)})
    token = json.loads(host_file(webui).read_text())["token"]
    webui.reload()
    assert webui.ask("/queue-is-taken").json() is True
    assert json.loads(host_file(webui).read_text())["token"] == token
    assert client.post("/-/lease", {"file": str(training.path)}) == {"taken": True}
    training.release()
    webui.until(lambda: webui.ask("/queue-is-taken").json() is False)
