"""Rendering with a WebUI, which is a stand-in: what all renderers have to do, and what its lies come to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.renderers.conformance import RendererConformance
from tests.renderers.scene import (
    POCKET,
    SMALL,
    Rendering,
    ended,
    many_seeds,
    matrix_for,
    new_attempt,
    pixels_of,
    render,
    request_for,
    start,
    told,
    write_lora,
)
from tests.renderers.webui_stand_in import StandInWebui, stand_in_webui
from train_tools.model.preview import PreviewMatrix, PreviewSettings
from train_tools.model.settings import UserSettings, WebuiSettings
from train_tools.previews.matrix import missing
from train_tools.previews.picture_file import is_whole
from train_tools.renderers.webui_http.families import Family
from train_tools.renderers.webui_http.renderer import WebuiRenderer

ONE = replace(SMALL, renderer="webui", weights=(0.0, 1.0))


def renderer_of(webui: StandInWebui, **changes: Any) -> WebuiRenderer:
    settings = UserSettings(webui=WebuiSettings(**{"url": webui.url, "timeout_s": 20, **changes}))
    return WebuiRenderer(lambda: settings)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TRAIN_TOOLS_WEBUI_PASSWORD", raising=False)


class TestWebuiRenderer(RendererConformance):
    webui: StandInWebui

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def served(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        folder = tmp_path_factory.mktemp("webui")
        with stand_in_webui(folder, [POCKET]) as cls.webui, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRAIN_TOOLS_STATE", str(folder / "state"))
            yield

    @classmethod
    def renderer(cls):
        return renderer_of(cls.webui)


@dataclass(frozen=True)
class Trial:
    """One rendering of a LoRA, or of a few, with a WebUI."""

    webui: StandInWebui
    matrix: PreviewMatrix
    rendering: Rendering

    @property
    def message(self) -> str:
        return self.rendering.result.message

    @property
    def rendered(self) -> list[int]:
        """The rows of the pictures that count as rendered."""
        return [cell.row for cell in self.matrix.cells if is_whole(cell.file)]


@contextmanager
def webui_in(folder: Path, *faults: str, **changes: Any) -> Iterator[StandInWebui]:
    with stand_in_webui(folder / "webui", [POCKET], faults=set(faults), **changes) as webui:
        yield webui


def rendered_by(
    webui: StandInWebui, folder: Path, settings: PreviewSettings = ONE, *, loras: int = 1, **changes: Any
) -> Trial:
    files = [write_lora(folder / "loras" / f"zorb-{n}.safetensors", seed=n) for n in range(loras)]
    return of_files(webui, folder, files, settings, **changes)


def of_files(
    webui: StandInWebui, folder: Path, files: list[Path], settings: PreviewSettings = ONE, **changes: Any
) -> Trial:
    matrix = matrix_for(folder, files, settings)
    rendering = render(renderer_of(webui, **changes), request_for(folder, missing(matrix)), folder)
    assert "Traceback" not in rendering.output, rendering.output
    assert not webui.staged()
    return Trial(webui, matrix, rendering)


@pytest.mark.parametrize("family", list(Family))
def test_each_family_renders(tmp_path, family):
    settings = replace(ONE, sampler="DPM++ 2M Karras" if family is not Family.SDNEXT else "Euler a", clip_skip=2)
    folder = tmp_path / "webui" / "models" / "Lora"
    with webui_in(tmp_path, family=family) as webui:
        trial = rendered_by(webui, tmp_path, settings, lora_folder=str(folder))
    assert (trial.rendering.code, trial.message) == (0, "")
    assert trial.rendered == [0, 1]
    asked = webui.pictures_asked()[-1]
    schedules = family not in (Family.CLASSIC, Family.SDNEXT)
    assert (asked.get("scheduler") == "Karras") == schedules
    assert ("force_task_id" in asked) == (family is not Family.SDNEXT)
    assert "/sdapi/v1/cmd-flags" not in webui.paths_asked()


def test_a_request_sets_nothing_that_stays_and_saves_nothing(tmp_path):
    prompt = "a cat <lora:mine:1> (red:1.2) <hypernet:x>"
    with webui_in(tmp_path) as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, prompts=(prompt,), negative_prompt="<lora:bad:2>low"))
    base, lora = webui.pictures_asked()
    assert (base["prompt"], base["negative_prompt"]) == ("a cat  (red:1.2) ", "low")
    assert lora["prompt"].startswith("a cat  (red:1.2)  <lora:tt-") and lora["prompt"].endswith(":1>")
    assert base["override_settings_restore_afterwards"] is True and base["save_images"] is False
    assert base["override_settings"]["sd_model_checkpoint"] == f"sub/{POCKET.name}"
    assert "disable_extra_networks" not in base
    assert trial.rendering.code == 0
    with Image.open(trial.matrix.cells[-1].file) as image:
        assert image.info["train_tools.rendered_by"].startswith(lora["prompt"])
        assert "<lora:zorb-0:1>" in image.info["parameters"]


LIES = {
    "another_model": "instead of sub/pocket-sd1.safetensors",
    "drops_loras": "did not apply zorb-0.safetensors",
    "forgets_files": "did not apply zorb-0.safetensors",
    "no_hashing": "must not be started with --no-hashing",
    "lora_of_its_own": "LoRAs that nobody asked for here: theirs",
    "another_lora": "another file than zorb-0.safetensors",
    "no_effect": "zorb-0.safetensors changes nothing, not even at weight 8",
    "another_sampler": "the sampler 'Euler' instead of 'DDIM'",
    "another_seed": "seed 2 instead of 1",
    "another_size": "size 72x64 instead of 64x64",
    "another_clip_skip": "clip skip 3 instead of 1",
    "somebody_interrupts": "interrupted the WebUI twice",
    "no_picture": "gave 0 pictures where one was asked for",
    "two_pictures": "gave 2 pictures where one was asked for",
    "half_a_picture": "can't be read: it was cut short",
    "black": "is one flat colour",
    "jpeg": "gives JPEG instead of PNG",
    "fails_and_closes": "could not render the base model (500, RuntimeError: mat1 and mat2 shapes)",
    "renders_nothing": "rendered nothing, and does not say why",
    "nan": "The numbers overflowed in the WebUI (NansException",
    "no_memory": "too little memory for a picture",
    "reset": "closed the connection before it had answered",
    "cut_short": "closed the connection before it had answered",
}
"""What the stand-in does: what the user is told."""
AT_THE_LORA = {"drops_loras", "forgets_files", "no_hashing", "another_lora", "no_effect"}


@pytest.mark.parametrize("lie", LIES)
def test_a_picture_that_is_not_the_one_asked_for_does_not_count(tmp_path, lie):
    other = write_lora(tmp_path / "other.safetensors")
    with webui_in(tmp_path, lie) as webui:
        webui.models.append(other)
        trial = rendered_by(webui, tmp_path, replace(ONE, sampler="ddim"))
    assert LIES[lie] in trial.message
    assert trial.rendering.code == 1
    assert trial.rendered == ([0] if lie in AT_THE_LORA else [])
    assert told(trial.rendering.output) == [f"error: {trial.message}"]


def test_another_scheduler_is_told(tmp_path):
    with webui_in(tmp_path, "another_scheduler") as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, sampler="Euler Karras"))
    assert "the scheduler 'Automatic' instead of 'Karras'" in trial.message
    assert trial.rendered == []


@pytest.mark.parametrize("passing", ["reset_once", "somebody_interrupts_once", "prefixed", "grid_first", "weak"])
def test_what_passes_or_is_only_another_form_costs_no_picture(tmp_path, passing):
    with webui_in(tmp_path, passing) as webui:
        trial = rendered_by(webui, tmp_path)
    assert (trial.rendering.code, trial.rendered) == (0, [0, 1])


def test_a_lora_of_another_family_or_with_numbers_that_are_none_is_named_and_the_others_are_rendered(tmp_path):
    foreign = write_lora(tmp_path / "foreign.safetensors", module="lora_te2_text_model_encoder_layers_9_mlp_fc1")
    overflowed = write_lora(tmp_path / "overflowed.safetensors", strength=float("nan"))
    good = write_lora(tmp_path / "good.safetensors", seed=3)
    with webui_in(tmp_path) as webui:
        trial = of_files(webui, tmp_path, [foreign, overflowed, good])
    assert "foreign.safetensors is for SDXL base models, and this one is SD1" in trial.message
    assert "overflowed.safetensors gives no picture" in trial.message
    assert trial.rendered == [0, 3]


def test_a_lora_that_fails_is_named_and_does_not_spoil_the_others(tmp_path):
    """SD.Next's model stays without weights then, until it is unloaded."""
    files = [write_lora(tmp_path / f"{name}.safetensors", seed=n) for n, name in enumerate(("bad", "good"))]
    folder = tmp_path / "webui" / "models" / "Lora"
    for family in (Family.FORGE, Family.SDNEXT):
        with webui_in(tmp_path, "breaks", family=family) as webui:
            trial = of_files(webui, tmp_path / family, files, lora_folder=str(folder))
        assert "could not render bad.safetensors (500, TypeError: conv2d()" in trial.message
        assert trial.rendered == [0, 2]


def test_a_picture_does_not_depend_on_those_before(tmp_path):
    """Unless it is told not to, SD.Next leaves traces of each LoRA in the model's weights."""
    files = [write_lora(tmp_path / f"{n}.safetensors", seed=n) for n in (1, 2)]
    folder = tmp_path / "webui" / "models" / "Lora"
    with webui_in(tmp_path, family=Family.SDNEXT) as webui:
        both = of_files(webui, tmp_path / "both", files, lora_folder=str(folder))
        alone = of_files(webui, tmp_path / "alone", files[1:], lora_folder=str(folder))
    assert pixels_of(both.matrix.cells[-1].file).tolist() == pixels_of(alone.matrix.cells[-1].file).tolist()


def test_no_name_is_used_twice(tmp_path):
    """WebUIs remember what they have read by its name: a retrained file would show the old picture."""
    with webui_in(tmp_path) as webui:
        first = rendered_by(webui, tmp_path / "first")
        lora = write_lora(tmp_path / "second" / "loras" / "zorb-0.safetensors", seed=9)
        second = of_files(webui, tmp_path / "second", [lora])
    one, other = (pixels_of(trial.matrix.cells[-1].file) for trial in (first, second))
    assert (one != other).any()
    assert len(webui.remembered) == 2


def test_the_effect_of_a_checkpoint_is_looked_for_once_and_the_base_picture_rendered_once(tmp_path):
    with webui_in(tmp_path) as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, weights=(0.0, 0.5, 1.0), seeds=(1, 2)), loras=2)
        assert len(trial.rendered) == 2 + 2 * 4 == len(webui.pictures_asked())
        for cell in trial.matrix.cells:
            if cell.row == 2:
                cell.file.unlink()
        request = request_for(tmp_path, missing(trial.matrix))
        render(renderer_of(webui), request, tmp_path)
    assert len(webui.pictures_asked()) == 10 + 4 + 1


def test_a_huge_prompt_reaches_the_webui_whole(tmp_path):
    prompt = "a cat, " * 40_000
    with webui_in(tmp_path) as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, prompts=(prompt,)))
    assert trial.rendering.code == 0
    assert webui.pictures_asked()[0]["prompt"] == prompt


def test_a_checkpoint_deleted_while_it_is_rendered_is_rendered_to_its_end(tmp_path):
    lora = write_lora(tmp_path / "zorb.safetensors")
    with webui_in(tmp_path, step_s=0.05) as webui:
        matrix = matrix_for(tmp_path, [lora], replace(ONE, weights=(0.5, 1.0), seeds=(1, 2)))
        attempt = new_attempt(tmp_path)
        process = start(renderer_of(webui), request_for(tmp_path, matrix.cells), attempt)
        while process.poll() is None and len(webui.pictures_asked()) < 3:
            time.sleep(0.01)
        lora.unlink()
        rendering = ended(process, attempt)
    assert rendering.code == 0, rendering.output
    assert all(is_whole(cell.file) for cell in matrix.cells)


class TestStopping:
    def stopped(self, folder: Path, webui: StandInWebui) -> Rendering:
        """Stopped while the WebUI renders its first picture."""
        matrix = matrix_for(folder, [write_lora(folder / "zorb.safetensors")], many_seeds(3))
        attempt = new_attempt(folder)
        process = start(renderer_of(webui), request_for(folder, missing(matrix)), attempt)
        assert webui.rendering.wait(60)
        attempt.stop.touch()
        rendering = ended(process, attempt)
        assert (rendering.code, rendering.result.outcome) == (0, "cancelled")
        assert not list((folder / "version").rglob("*.png"))
        assert not webui.staged()
        return rendering

    def test_our_own_picture_is_interrupted(self, tmp_path):
        with webui_in(tmp_path, step_s=5) as webui:
            self.stopped(tmp_path, webui)
            assert "/sdapi/v1/interrupt" in webui.paths_asked()

    def test_where_the_webui_does_not_say_whose_it_is_nothing_is_interrupted(self, tmp_path):
        with webui_in(tmp_path, step_s=0.5, family=Family.SDNEXT) as webui:
            matrix = matrix_for(tmp_path, [], many_seeds(3))
            attempt = new_attempt(tmp_path)
            process = start(renderer_of(webui), request_for(tmp_path, missing(matrix)), attempt)
            assert webui.rendering.wait(60)
            attempt.stop.touch()
            assert ended(process, attempt).result.outcome == "cancelled"
            assert "/sdapi/v1/interrupt" not in webui.paths_asked()

    def test_somebody_elses_picture_is_left_alone(self, tmp_path):
        """Ours waits behind it."""
        with webui_in(tmp_path) as webui:
            matrix = matrix_for(tmp_path, [], many_seeds(3))
            attempt = new_attempt(tmp_path)
            with webui.lock:
                process = start(renderer_of(webui), request_for(tmp_path, missing(matrix)), attempt)
                while process.poll() is None and not webui.pictures_asked():
                    time.sleep(0.01)
                attempt.stop.touch()
                assert ended(process, attempt).result.outcome == "cancelled"
            assert "/sdapi/v1/interrupt" not in webui.paths_asked()

    def test_a_picture_that_does_not_come_on_is_given_up(self, tmp_path):
        with webui_in(tmp_path, "stuck") as webui:
            trial = rendered_by(webui, tmp_path, timeout_s=1)
            assert "has not come on with a picture for 1 s" in trial.message
            assert "/sdapi/v1/interrupt" in webui.paths_asked()

    @pytest.mark.skipif(os.name != "posix", reason="killing outright is POSIX's")
    def test_what_a_killed_session_left_behind_is_cleared_by_the_next(self, tmp_path):
        with webui_in(tmp_path, step_s=5) as webui:
            lora = write_lora(tmp_path / "zorb.safetensors")
            own = write_lora(webui.lora_folder / "train_tools" / "mine.safetensors")
            matrix = matrix_for(tmp_path, [lora], many_seeds(2))
            request = request_for(tmp_path, [cell for cell in matrix.cells if cell.checkpoint])
            process = start(renderer_of(webui), request, new_attempt(tmp_path))
            assert webui.rendering.wait(60)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert len(webui.staged()) == 2
            webui.interrupted = True
            webui.step_s = 0.0
            again = render(renderer_of(webui), request, tmp_path)
            assert again.code == 0, again.output
            assert webui.staged() == [own]


def down(tmp_path: Path) -> tuple[StandInWebui, Rendering]:
    with webui_in(tmp_path) as webui:
        pass
    matrix = matrix_for(tmp_path, [], ONE)
    return webui, render(renderer_of(webui), request_for(tmp_path, matrix.cells), tmp_path)


def test_a_webui_that_is_down_is_one_sentence(tmp_path):
    webui, rendering = down(tmp_path)
    assert f"No WebUI answers at {webui.url}" in rendering.result.message
    assert "Start it with --api" in rendering.result.message
    assert told(rendering.output) == [f"error: {rendering.result.message}"]


def test_a_webui_that_goes_down_meanwhile_keeps_what_is_rendered(tmp_path):
    with webui_in(tmp_path) as webui:
        matrix = matrix_for(tmp_path, [write_lora(tmp_path / "zorb.safetensors")], many_seeds(400))
        attempt = new_attempt(tmp_path)
        process = start(renderer_of(webui), request_for(tmp_path, missing(matrix)), attempt)
        while process.poll() is None and len(webui.pictures_asked()) < 3:
            time.sleep(0.01)
        webui.faults.add("hangs")
        threading.Timer(0.3, webui.ended.set).start()
    rendering = ended(process, attempt)
    assert rendering.result.outcome == "failed" and rendering.result.step >= 1
    assert "WebUI" in rendering.result.message


WRONG = {
    "redirects": "leads elsewhere, to http://elsewhere.example:",
    "no_webui": "not as a WebUI does",
    "no_api": "runs without its API. Start it with --api",
    "other_lora_folder": "does not see what is put into",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_webui_or_can_not_be_used_is_told_before_anything_is_rendered(tmp_path, wrong):
    with webui_in(tmp_path, wrong) as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, weights=(1.0,)))
    assert WRONG[wrong] in trial.message
    assert "token" not in trial.message


def test_a_wrong_password_is_told_and_the_right_one_is_in_no_file(tmp_path, monkeypatch):
    with webui_in(tmp_path, password="sEcReT") as webui:
        without = rendered_by(webui, tmp_path / "1")
        monkeypatch.setenv("TRAIN_TOOLS_WEBUI_PASSWORD", "wrong")
        wrong = rendered_by(webui, tmp_path / "2", user="me")
        monkeypatch.setenv("TRAIN_TOOLS_WEBUI_PASSWORD", "sEcReT")
        right = rendered_by(webui, tmp_path / "3", user="me")
    assert "wants a user and a password (401)" in without.message
    assert "refuses the user 'me' or the password (401)" in wrong.message
    assert right.rendering.code == 0
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sEcReT" in file.read_bytes()]


def test_a_base_model_that_the_webui_does_not_list_is_told(tmp_path):
    with stand_in_webui(tmp_path / "webui", []) as webui:
        trial = rendered_by(webui, tmp_path)
    assert "does not list the base model" in trial.message and "models/Stable-diffusion" in trial.message
    assert "/sdapi/v1/refresh-checkpoints" in webui.paths_asked()


def test_a_base_model_is_known_by_its_content_and_elsewhere_by_name_and_hash(tmp_path):
    copy = tmp_path / "another name.safetensors"
    copy.write_bytes(POCKET.read_bytes())
    with stand_in_webui(tmp_path / "webui", [copy]) as webui:
        assert rendered_by(webui, tmp_path / "1").rendering.code == 0
    with webui_in(tmp_path, "models_elsewhere") as webui:
        assert rendered_by(webui, tmp_path / "2").rendering.code == 0
        webui.faults.add("no_hashing")
        assert "[no hash] instead of" in rendered_by(webui, tmp_path / "3").message


def test_a_sampler_that_the_webui_does_not_have_is_told_with_those_it_has(tmp_path):
    with webui_in(tmp_path) as webui:
        trial = rendered_by(webui, tmp_path, replace(ONE, sampler="Restart"))
    assert "no sampler 'Restart'. It has: DDIM, DPM++ 2M, Euler, Euler a." in trial.message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_lora_folder_that_can_not_be_written_is_told(tmp_path):
    with webui_in(tmp_path) as webui:
        webui.lora_folder.chmod(0o500)
        trial = rendered_by(webui, tmp_path)
    assert "can't be written" in trial.message and "webui.lora_folder=DIR" in trial.message


def test_a_lora_folder_that_is_a_file_is_told(tmp_path):
    """Also for root, who may write everywhere."""
    with webui_in(tmp_path) as webui:
        (webui.lora_folder / "train_tools").write_text("in the way")
        matrix = matrix_for(tmp_path, [write_lora(tmp_path / "zorb.safetensors")], ONE)
        rendering = render(renderer_of(webui), request_for(tmp_path, missing(matrix)), tmp_path)
    assert "LoRA folder" in rendering.result.message and "can't be written" in rendering.result.message


def test_a_lora_folder_on_another_machine_is_told(tmp_path):
    with webui_in(tmp_path) as webui:
        trial = rendered_by(webui, tmp_path, lora_folder=str(tmp_path / "not mounted"))
    assert "is not there on this machine" in trial.message and "share that folder" in trial.message
