from dataclasses import replace

import pytest

from lora_engine.output.causes import no_number, out_of_memory
from sd_contract.options import settings_from


def told(base, *, first=False, losses=(), **options):
    return no_number("the loss is nan", settings_from(options), base, step=9, first=first, rate=0.1, losses=losses)


def causes(text):
    """The first words of each cause."""
    return [part.split(" ")[1:3] for part in text.replace("(", "\n").splitlines() if part[1:2] == ")"]


def test_after_some_steps_the_learning_rate_is_suspected_first(tiny_base):
    text = told(tiny_base, losses=(0.1, 0.2, 0.5))

    assert text.startswith("the loss is nan at step 9, so training was stopped.")
    assert "(1) the learning rate (0.1) is too high for this model (the loss rose from 0.1 to 0.5 before)" in text
    assert "rose" not in told(tiny_base, losses=(0.5, 0.1))


def test_at_the_first_step_it_can_not_be_the_learning_rate(tiny_base):
    text = told(tiny_base, first=True, mixed_precision="fp16")

    assert causes(text) == [["the", "model"], ["fp16", "overflowed:"], ["the", "VAE"], ["the", "learning"]]
    assert "(1) the model is trained towards noise, as v_parameterization or the file says" in text


@pytest.mark.parametrize(("prediction", "first"), [("epsilon", "model"), ("v_prediction", "learning")])
def test_pure_noise_fits_only_models_that_predict_velocity(tiny_base, prediction, first):
    base = replace(tiny_base, prediction_type=prediction)

    assert causes(told(base, zero_terminal_snr=True))[0] == ["the", first]


def test_other_errors_are_not_about_memory():
    assert out_of_memory(ValueError("can't"), "training") is None
