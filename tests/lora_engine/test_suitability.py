"""Options that one base model takes and another does not, told before any model is loaded."""

from dataclasses import replace

import pytest

from lora_engine.families.speed import refuse_missing_attention
from sd_contract.errors import CheckpointError, OptionError
from sd_contract.options import settings_from
from sd_contract.steps import plan_batches
from sd_contract.suitability import idle_options, refuse_misfitting_options


def refusal(base, **values):
    with pytest.raises((OptionError, CheckpointError)) as caught:
        refuse_misfitting_options(settings_from(values), base)
    return str(caught.value)


def v_prediction(base):
    return replace(base, prediction_type="v_prediction")


def test_a_weight_for_the_other_kind_of_prediction_is_refused(tiny_base):
    assert "is for v-prediction models" in refusal(tiny_base, scale_v_pred_loss_like_noise_pred=True)
    assert "is for models that predict noise" in refusal(v_prediction(tiny_base), v_pred_like_loss=0.5)

    refuse_misfitting_options(settings_from({"v_pred_like_loss": 0.5}), tiny_base)


def test_lists_of_blocks_are_counted_before_the_model_is_loaded(tiny_base):
    assert "block_dims has 2 values" in refusal(tiny_base, network_args=["block_dims=1,2"])


def test_a_file_to_begin_with_must_be_whole(tiny_base, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"\x10\0\0\0")

    assert "half.safetensors" in refusal(tiny_base, network_weights=str(tmp_path / "half.safetensors"))


def test_attention_for_gpus_is_refused_without_one():
    import torch

    options = settings_from({"xformers": True}).training
    with pytest.raises(OptionError, match="xformers needs an NVIDIA GPU"):
        refuse_missing_attention(options, torch.device("cpu"))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"full_bf16": True}, 'full_bf16 needs mixed_precision = "bf16"'),
        ({"dim_from_weights": True}, "which is not set"),
        ({"base_weights": ["a"], "base_weights_multiplier": [1, 2]}, "Give one value a file"),
        ({"adaptive_noise_scale": 0.1}, "has no effect without noise_offset"),
        ({"min_timestep": 500, "max_timestep": 400}, "Swap them"),
        ({"max_timestep": 1001}, "1000 is the most allowed"),
        ({"loss_type": "huber", "huber_c": 0}, "both must be above 0"),
        ({"use_8bit_adam": True, "optimizer_type": "Lion"}, "use_8bit_adam contradicts optimizer_type"),
        ({"lr_decay_steps": 2.5}, "lr_decay_steps = 2.5: a number with a point is a share"),
        ({"network_dropout": 1.0}, "Less than 1 is allowed"),
        ({"optimizer_type": "Prodigy", "unet_lr": 0.5}, "finds one learning rate for all weights"),
        ({"optimizer_type": "prodigy", "network_args": ["loraplus_lr_ratio=4"]}, "finds one learning rate"),
    ],
)
def test_options_that_contradict_each_other_are_refused_by_name(values, told):
    with pytest.raises(OptionError) as caught:
        settings_from(values)
    assert told in str(caught.value)


def test_older_spellings_choose_the_optimizer():
    assert settings_from({"use_8bit_adam": True}).optimizer.optimizer == "AdamW8bit"
    assert settings_from({"use_lion_optimizer": True}).optimizer.optimizer == "Lion"


def idle(*, validates=False, **values):
    settings = settings_from({"output_name": "cat", "max_train_epochs": 2, **values})
    plan = plan_batches(settings, batches_per_epoch=3)
    return list(idle_options(settings, steps=plan.total_steps, epochs=plan.epochs, validates=validates))


def test_options_at_their_defaults_are_never_idle():
    assert idle() == []
    assert idle(max_train_epochs=1) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"save_every_n_steps": 7}, "save_every_n_steps = 7 never comes: the run has 6 steps"),
        ({"save_every_n_epochs": 3}, "save_every_n_epochs = 3 never comes: the run has 2 epochs"),
        (
            {"sample_every_n_steps": 9, "sample_prompts": "p.txt"},
            "sample_every_n_steps = 9 never comes: the run has 6 steps",
        ),
        (
            {"sample_every_n_epochs": 4, "sample_prompts": "p.txt"},
            "sample_every_n_epochs = 4 never comes: the run has 2 epochs",
        ),
        (
            {"state_every_n_steps": 8, "state_dir": "s"},
            "state_every_n_steps = 8 never comes: the run has 6 steps",
        ),
        ({"max_train_steps": 500}, "max_train_steps = 500 has no effect beside max_train_epochs = 2"),
        (
            {"save_every_n_epochs": 1, "save_n_epoch_ratio": 2},
            "save_every_n_epochs = 1 has no effect beside save_n_epoch_ratio = 2",
        ),
        (
            {"text_encoder_lr": [1e-5, 1e-6], "network_train_unet_only": True},
            "text_encoder_lr = 1e-05 1e-06 has no effect beside network_train_unet_only = true",
        ),
        (
            {"unet_lr": 1e-5, "network_train_text_encoder_only": True},
            "unet_lr = 1e-05 has no effect beside network_train_text_encoder_only = true",
        ),
        ({"save_last_n_steps_state": 1}, "save_last_n_steps_state = 1 has no effect without save_state"),
        ({"save_last_n_epochs_state": 1}, "save_last_n_epochs_state = 1 has no effect without save_state"),
        ({"state_every_n_steps": 2}, "state_every_n_steps = 2 has no effect without state_dir"),
        (
            {"noise_offset_random_strength": True},
            "noise_offset_random_strength = true has no effect without noise_offset",
        ),
        ({"multires_noise_discount": 0.5}, "multires_noise_discount = 0.5 has no effect without multires_noise"),
    ],
)
def test_an_option_that_changes_nothing_is_told(values, told):
    (warning,) = idle(**values)
    assert warning.startswith(told)


def test_images_may_be_held_out_by_the_dataset_config_alone():
    assert idle(validate_every_n_steps=2) == ["validate_every_n_steps = 2 has no effect without validation_split"]
    assert idle(validate_every_n_steps=2, validates=True) == []


@pytest.mark.parametrize(
    "values",
    [
        {"save_every_n_steps": 6, "save_every_n_epochs": 2},
        {"save_last_n_epochs_state": 1, "save_state": True},
        {"state_every_n_steps": 2, "state_dir": "s"},
        {"text_encoder_lr": [1e-5], "unet_lr": 1e-4},
    ],
)
def test_an_option_that_changes_something_is_not_told(values):
    assert idle(**values) == []
