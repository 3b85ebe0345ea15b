"""The session that all renderers share, with a renderer that only draws colours."""

import subprocess

from tests.renderers.conformance import RendererConformance
from tests.renderers.scene import (
    ended,
    many_seeds,
    matrix_for,
    new_attempt,
    render,
    request_for,
    spoil_request,
    start,
    told,
    write_lora,
)
from tests.renderers.stand_in import StandInRenderer
from train_tools.previews.renderer import Launch


class TestStandInRenderer(RendererConformance):
    @classmethod
    def renderer(cls):
        return StandInRenderer()


class SmallDisk(StandInRenderer):
    """Files can't grow beyond 4 KB: less than a picture, more than a line of the log."""

    def launch(self, request, attempt):
        launch = super().launch(request, attempt)
        command = ("sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *launch.command)
        return Launch(command=command, folder=launch.folder, environment=launch.environment)


class SpoiltRequest(StandInRenderer):
    def launch(self, request, attempt):
        launch = super().launch(request, attempt)
        spoil_request(attempt.folder / "request.json")
        return launch


def test_a_full_disk_is_one_sentence_and_leaves_no_half_picture(tmp_path):
    rendering = render(SmallDisk(), request_for(tmp_path, matrix_for(tmp_path, []).cells), tmp_path)
    assert rendering.code == 1
    assert rendering.result.outcome == "failed"
    assert "Could not write" in rendering.result.message and ".png" in rendering.result.message
    assert not [file for file in (tmp_path / "version").rglob("*") if file.is_file()]


def test_a_request_that_is_cut_short_is_one_sentence(tmp_path):
    rendering = render(SpoiltRequest(), request_for(tmp_path, matrix_for(tmp_path, []).cells), tmp_path)
    assert rendering.code == 1
    assert "is not a list of pictures to render" in rendering.result.message
    assert told(rendering.output) == [f"error: {rendering.result.message}"]


def test_a_checkpoint_that_vanished_is_named(tmp_path):
    gone = tmp_path / "gone.safetensors"
    rendering = render(StandInRenderer(), request_for(tmp_path, matrix_for(tmp_path, [gone]).cells), tmp_path)
    assert rendering.result.step == 1
    assert "gone.safetensors does not exist" in rendering.result.message


def test_being_terminated_is_a_stop(tmp_path):
    matrix = matrix_for(tmp_path, [write_lora(tmp_path / "zorb.safetensors")], many_seeds(300))
    attempt = new_attempt(tmp_path)
    process = start(StandInRenderer(), request_for(tmp_path, matrix.cells), attempt)
    while process.poll() is None and not list(tmp_path.rglob("*.png")):
        pass
    process.terminate()
    rendering = ended(process, attempt)
    assert (rendering.code, rendering.result.outcome) == (0, "cancelled")


def test_without_a_request_it_says_what_it_wants(tmp_path):
    launch = StandInRenderer().launch(request_for(tmp_path, matrix_for(tmp_path, []).cells), new_attempt(tmp_path))
    asked = subprocess.run(launch.command[:-1], env=dict(launch.environment), capture_output=True, text=True)
    assert asked.returncode == 1
    assert asked.stderr == "error: say which request.json to render, and nothing else.\n"
