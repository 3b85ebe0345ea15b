from __future__ import annotations

import pytest

from train_tools.failures.suggestions import suggestion
from train_tools.model.suggestion import Symptom
from train_tools.options.bundled import bundled_options

OPTIONS = {
    "pretrained_model_name_or_path": "/m.safetensors",
    "max_train_epochs": 10,
    "train_batch_size": 2,
    "learning_rate": 1e-4,
    "unet_lr": 3e-4,
    "text_encoder_lr": (5e-5,),
    "mixed_precision": "fp16",
}


def changes(symptom: Symptom, **options: object) -> dict[str, object]:
    return dict(suggestion(symptom, {**OPTIONS, **options}).options)


def test_what_is_burnt_gets_fewer_epochs_lower_rates_and_more_variety():
    assert changes(Symptom.BURNT) == {
        "max_train_epochs": 6,
        "learning_rate": 5e-5,
        "unet_lr": 1.5e-4,
        "text_encoder_lr": (2.5e-5,),
        "shuffle_caption": True,
    }
    assert "shuffle_caption" not in changes(Symptom.BURNT, shuffle_caption=True)


def test_steps_are_changed_where_no_epochs_are_set():
    assert changes(Symptom.BURNT, max_train_epochs=None)["max_train_steps"] == 960
    assert changes(Symptom.UNLIKE, max_train_epochs=None, max_train_steps=101)["max_train_steps"] == 152


def test_one_epoch_is_not_made_fewer():
    assert "max_train_epochs" not in changes(Symptom.BURNT, max_train_epochs=1)
    assert changes(Symptom.UNLIKE, max_train_epochs=1)["max_train_epochs"] == 2


def test_poor_likeness_gets_more_epochs_and_a_larger_batch():
    assert changes(Symptom.UNLIKE) == {"max_train_epochs": 15, "train_batch_size": 4}


def test_no_effect_gets_the_text_encoder_and_higher_rates():
    found = changes(Symptom.NO_EFFECT, network_train_unet_only=True, unet_lr=None, text_encoder_lr=(0.0,))
    assert found == {"network_train_unet_only": False, "text_encoder_lr": (1e-4,), "learning_rate": 3e-4}


def test_no_number_gets_a_tenth_of_the_rates_and_calmer_numbers():
    found = changes(Symptom.NOT_A_NUMBER, unet_lr=None, text_encoder_lr=None)
    assert found == {"learning_rate": 1e-5, "mixed_precision": "bf16"}
    assert changes(Symptom.NOT_A_NUMBER, mixed_precision="bf16")["mixed_precision"] == "no"
    assert "mixed_precision" not in changes(Symptom.NOT_A_NUMBER, mixed_precision="no")


def test_an_optimizer_that_finds_the_rate_itself_keeps_it():
    found = changes(Symptom.BURNT, optimizer_type="Prodigy", learning_rate=1.0)
    assert {"learning_rate", "unet_lr", "text_encoder_lr"} & set(found) == set()


@pytest.mark.parametrize("symptom", list(Symptom))
def test_each_symptom_has_reasons_advice_and_values_that_the_trainer_takes(symptom):
    found = suggestion(symptom, OPTIONS)
    assert found.changes and found.advice
    assert all(each.reason for each in found.changes)
    assert all(sentence.endswith(".") for sentence in found.advice)
    bundled_options().canonical({**OPTIONS, **found.options})
