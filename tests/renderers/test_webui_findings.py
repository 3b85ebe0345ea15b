"""What `train-tools webui check` finds, by a WebUI that is a stand-in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.renderers.scene import POCKET, write_lora
from tests.renderers.webui_stand_in import StandInWebui, stand_in_webui
from tests.test_cli import Say, command_line
from train_tools.model.finding import Level
from train_tools.model.settings import WebuiSettings
from train_tools.renderers.webui_http.families import Family
from train_tools.renderers.webui_http.findings import webui_findings
from train_tools.renderers.webui_http.staging import leftovers


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    return tmp_path / "state" / "webui"


def found(webui: StandInWebui, **changes: object) -> dict[str, Level]:
    settings = replace(WebuiSettings(url=webui.url), **changes)
    return {finding.message: finding.level for finding in webui_findings(settings)}


def test_a_webui_that_can_render_is_well_and_nothing_stays_in_its_folder(tmp_path):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        told = found(webui)
        assert set(told.values()) == {Level.OK}
        assert f"A1111 v1.10.1 answers at {webui.url}." in told
        assert not list(webui.lora_folder.iterdir())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("no_api", "runs without its API"),
        ("no_webui", "not as a WebUI does"),
        ("redirects", "leads elsewhere"),
        ("other_lora_folder", "does not see what is put into"),
        ("no_hashing", "started with --no-hashing"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, fault, says):
    with stand_in_webui(tmp_path, [POCKET], faults={fault}) as webui:
        stops = [message for message, level in found(webui).items() if level is Level.STOP]
        assert len(stops) == 1 and says in stops[0]
        assert not list(webui.lora_folder.iterdir())


def test_sdnext_tells_its_folders_by_where_its_models_are(tmp_path):
    model = tmp_path / "models" / "Stable-diffusion" / "a.safetensors"
    with stand_in_webui(tmp_path, [model], family=Family.SDNEXT) as webui:
        assert f"What is put into its LoRA folder {webui.lora_folder} it sees." in found(webui)
        webui.models = [POCKET]
        assert any("does not say where its LoRA folder is" in message for message in found(webui))


def test_sdnext_has_to_give_png_by_its_own_settings(tmp_path):
    folder = str(tmp_path / "models" / "Lora")
    with stand_in_webui(tmp_path, [POCKET], family=Family.SDNEXT, faults={"own_format"}) as webui:
        stops = [message for message, level in found(webui, lora_folder=folder).items() if level is Level.STOP]
        assert len(stops) == 1 and "SD.Next gives JPG pictures" in stops[0]
        webui.faults.clear()
        assert Level.STOP not in found(webui, lora_folder=folder).values()


def test_an_sdnext_that_leaves_traces_of_loras_is_told(tmp_path):
    folder = str(tmp_path / "models" / "Lora")
    with stand_in_webui(tmp_path, [POCKET], family=Family.SDNEXT, faults={"of_2025"}) as webui:
        warnings = [each for each, level in found(webui, lora_folder=folder).items() if level is Level.WARNING]
    assert len(warnings) == 1 and "traces of the LoRAs" in warnings[0]


def test_a_webui_on_another_machine_wants_its_lora_folder_said(tmp_path):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        told = found(webui, lora_folder=str(tmp_path / "not mounted"))
    assert any("share that folder" in message for message in told)


def test_what_a_dead_session_has_left_is_cleared_and_what_a_living_one_has_stays(tmp_path, state):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        corner = webui.lora_folder / "train_tools"
        dead, foreign = corner / ("a" * 32), corner / ("b" * 32)
        for place in (dead, foreign):
            write_lora(place / "tt-abc-01234567.safetensors")
        state.mkdir(parents=True)
        (state / f"{dead.name}.lock").touch()
        assert list(leftovers(webui.lora_folder, state)) == [dead]
        assert any("What 1 killed jobs had left" in message for message in found(webui))
        assert not dead.exists() and foreign.exists()


@pytest.fixture
def say(tmp_path: Path) -> Say:
    return command_line(tmp_path)


def test_the_command_says_it_and_ends_by_it(say, tmp_path):
    with stand_in_webui(tmp_path, [POCKET]) as webui:
        say("settings", f"webui.url={webui.url}")
        well = say("webui", "check")
        assert (well.code, "answers at" in well.out) == (0, True)
        assert say("webui", "check", "--json").json["level"] == "ok"
        sections = {each["title"]: each for each in say("doctor", "--json").json["sections"]}
        assert any("A1111" in each["message"] for each in sections["WebUI"]["findings"])
    down = say("webui", "check")
    assert (down.code, "No WebUI answers" in down.out) == (1, True)


def test_an_address_that_is_none_is_refused_when_it_is_set(say):
    said = say("settings", "webui.url=127.0.0.1:7860")
    assert (said.code, "has to begin with http" in said.err) == (1, True)
    said = say("settings", "webui.timeout_s=soon")
    assert (said.code, "a whole number" in said.err) == (1, True)
