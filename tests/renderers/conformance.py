"""What every renderer has to do; a test class for each renderer inherits this and says how to make one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sd_contract.events import AttemptStarted, ImageRendered, RunFinished, StepDone, Tail
from tests.renderers.scene import (
    Rendering,
    ended,
    many_seeds,
    matrix_for,
    new_attempt,
    pixels_of,
    pocket,
    render,
    request_for,
    start,
    told,
    write_lora,
)
from train_tools.model.preview import PreviewMatrix
from train_tools.previews.infotext import parse_infotext
from train_tools.previews.matrix import BaseModelFile, missing
from train_tools.previews.picture_file import is_whole, read_infotext, read_picture
from train_tools.previews.renderer import Renderer


class RendererConformance:
    """Inherited once for each renderer."""

    @classmethod
    def renderer(cls) -> Renderer:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def scene(cls, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreviewMatrix, Rendering]:
        """A matrix of two checkpoints and a third that is cut short, rendered once."""
        folder = tmp_path_factory.mktemp("it's a [bold] Кот 猫 🐈")
        files = [write_lora(folder / "loras" / f"zorb-{n:06}.safetensors", seed=n) for n in (1, 2)]
        broken = folder / "loras" / "broken.safetensors"
        broken.write_bytes(files[0].read_bytes()[:-100])
        matrix = matrix_for(folder, [files[0], broken, files[1]])
        return folder, matrix, render(cls.renderer(), request_for(folder, missing(matrix)), folder)

    def test_renders_every_picture_of_whole_checkpoints(self, scene):
        _, matrix, _ = scene
        good = [cell for cell in matrix.cells if cell.row != 2]
        assert len(good) == 1 + 2 * 2
        assert all(is_whole(cell.file) for cell in good)
        assert all(pixels_of(cell.file).shape == (64, 64, 3) for cell in good)

    def test_a_broken_checkpoint_is_told_and_fails_the_whole_only_at_the_end(self, scene):
        _, matrix, rendering = scene
        assert not any(cell.file.exists() for cell in matrix.cells if cell.row == 2)
        assert rendering.code == 1
        assert rendering.result.outcome == "failed"
        assert "2 of 7 pictures could not be rendered" in rendering.result.message
        assert "broken.safetensors" in rendering.result.message
        assert len(told(rendering.output)) == 1 and "Traceback" not in rendering.output

    def test_pictures_of_two_weights_and_of_two_checkpoints_differ(self, scene):
        _, matrix, _ = scene
        pixels = {pixels_of(cell.file).tobytes() for cell in matrix.cells if cell.file.exists()}
        assert len(pixels) == 5

    def test_each_picture_says_what_it_shows(self, scene):
        _, matrix, _ = scene
        for cell in (cell for cell in matrix.cells if cell.file.exists()):
            assert read_picture(cell.file) == cell.picture
            said = parse_infotext(read_infotext(cell.file))
            assert said.prompt.startswith("a red circle on a white background")
            assert ("<lora:zorb-" in said.prompt) == (cell.checkpoint is not None)

    def test_the_events_tell_each_picture_from_start_to_end(self, scene):
        folder, _, rendering = scene
        events = rendering.events
        assert isinstance(events[0], AttemptStarted) and isinstance(events[-1], RunFinished)
        files = [event.file for event in events if isinstance(event, ImageRendered)]
        assert files == list(rendering.result.files) and len(files) == 5
        assert all(is_whole(folder / "version" / file) for file in files)
        steps = [event.step for event in events if isinstance(event, StepDone)]
        assert steps == sorted(steps) and steps[-1] == 7

    def test_what_is_rendered_already_is_left_alone(self, scene):
        folder, matrix, _ = scene
        good = [cell for cell in matrix.cells if cell.row != 2]
        before = {cell.file: cell.file.stat().st_mtime_ns for cell in good}
        rendering = render(self.renderer(), request_for(folder, good), folder)
        assert (rendering.code, rendering.result.outcome) == (0, "done")
        assert rendering.result.step == rendering.result.total_steps == 0
        assert before == {cell.file: cell.file.stat().st_mtime_ns for cell in good}

    def test_ends_between_pictures_when_asked_to_stop(self, tmp_path):
        matrix = matrix_for(tmp_path, [write_lora(tmp_path / "zorb.safetensors")], many_seeds(300))
        attempt = new_attempt(tmp_path)
        process = start(self.renderer(), request_for(tmp_path, missing(matrix)), attempt)
        while process.poll() is None and not any(isinstance(e, StepDone) for e in Tail(attempt.events).events()):
            time.sleep(0.01)
        attempt.stop.touch()
        rendering = ended(process, attempt)
        assert rendering.code == 0, rendering.output
        assert rendering.result.outcome == "cancelled"
        assert 0 < rendering.result.step < 600
        whole = [cell for cell in matrix.cells if is_whole(cell.file)]
        assert len(whole) == rendering.result.step == len(list(tmp_path.rglob("*.png")))

    def test_a_stop_that_is_there_first_renders_nothing(self, tmp_path):
        matrix = matrix_for(tmp_path, [])
        attempt = new_attempt(tmp_path)
        attempt.stop.touch()
        rendering = ended(start(self.renderer(), request_for(tmp_path, missing(matrix)), attempt), attempt)
        assert (rendering.code, rendering.result.outcome) == (0, "cancelled")
        assert not list(tmp_path.rglob("*.png"))

    def test_a_base_model_that_is_not_there_is_one_sentence(self, tmp_path):
        gone = BaseModelFile(path=tmp_path / "gone.safetensors", sha256=pocket().sha256)
        matrix = matrix_for(tmp_path, [], base=gone)
        rendering = render(self.renderer(), request_for(tmp_path, missing(matrix), base=gone), tmp_path)
        assert rendering.code == 1
        assert rendering.result.outcome == "failed"
        assert "gone.safetensors does not exist" in rendering.result.message
        assert told(rendering.output) == [f"error: {rendering.result.message}"]
        assert "Traceback" not in rendering.output
