from dataclasses import replace

import pytest

from tests.previews.test_infotext import PICTURE
from train_tools.previews.history import Pace, effort_of, note_pace, seconds_for

PACE = Pace(renderer="r 1", host="here", pictures=2, effort=2 * effort_of(PICTURE), seconds=3.0)


def seconds(file, *pictures, renderer="r 1", host="here"):
    return seconds_for(file, pictures, renderer=renderer, host=host)


def test_time_grows_with_steps_and_pixels_and_halves_without_guidance(tmp_path):
    file = tmp_path / "cache" / "paces.jsonl"
    note_pace(file, PACE)
    assert seconds(file, PICTURE) == pytest.approx(1.5)
    assert seconds(file, PICTURE, replace(PICTURE, steps=30, width_px=128)) == pytest.approx(1.5 * (1 + 4))
    assert seconds(file, replace(PICTURE, guidance=1.0)) == pytest.approx(0.75)


def test_only_the_same_renderer_on_the_same_machine_counts(tmp_path):
    file = tmp_path / "paces.jsonl"
    assert seconds(file, PICTURE) is None
    note_pace(file, PACE)
    assert seconds(file, PICTURE, renderer="r 2") is None
    assert seconds(file, PICTURE, host="there") is None


def test_torn_lines_are_passed_over(tmp_path):
    file = tmp_path / "paces.jsonl"
    note_pace(file, PACE)
    file.write_text(file.read_text() * 2 + '{"renderer": "r 1", "ho')
    assert seconds(file, PICTURE) == pytest.approx(1.5)
