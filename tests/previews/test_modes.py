"""Previews show what a training mode is about when nobody has chosen prompts."""

import pytest

from train_tools.model.preview import PreviewSettings
from train_tools.previews.modes import BOTH_WAYS, settings_in_mode

RED = {"original_prompt": ("a red box", "a red tin"), "target_prompt": ("a blue box",)}


@pytest.mark.parametrize(
    ("options", "prompts"),
    [
        ({"mode": "ileco", **RED}, ("a red box", "a red tin", "a blue box")),
        ({"mode": "leco", "original_prompt": ("a red box",)}, ("a red box",)),
        ({"mode": "slider", **RED}, ("a red box", "a red tin")),
        ({"mode": "difference"}, ("a face",)),
        ({"mode": "addift", "original_prompt": ("somebody",)}, ("somebody",)),
    ],
)
def test_each_mode_shows_its_prompts_over_weights_both_ways(options, prompts):
    settings = settings_in_mode(PreviewSettings(), options, ("a face", "another"))

    assert (settings.prompts, settings.weights) == (prompts, BOTH_WAYS)


def test_weights_that_were_chosen_stay():
    chosen = PreviewSettings(weights=(1.0,))

    assert settings_in_mode(chosen, {"mode": "ileco", **RED}, ()).weights == (1.0,)


def test_on_images_nothing_is_other_than_before():
    assert settings_in_mode(PreviewSettings(), RED, ("a face",)) == PreviewSettings()
