"""Forms show what means something in a training mode, and nothing else."""

from sd_contract.options.groups import MODES
from train_tools.options.bundled import bundled_options


def shown(mode):
    return {name for name, option in bundled_options().items() if not option.modes or mode in option.modes}


def test_a_mode_has_its_own_options_and_none_of_others():
    assert "target_prompt" in shown("ileco")
    assert not {"second_pass_args", "keep_tokens", "max_train_epochs", "text_encoder_lr"} & shown("ileco")
    assert "second_pass_args" in shown("difference") - shown("addift")
    assert not {"original_prompt", "diff_target_name"} & shown("lora")
    assert "keep_tokens" in shown("multi_addift") - shown("difference")


def test_stages_have_all_that_a_training_on_images_has_but_states_inside_of_a_stage():
    only_whole_runs = {"save_state", "save_state_on_train_end", "state_every_n_steps"}
    assert shown("lora") - shown("multi_stage") == only_whole_runs
    assert {"concept_a_keywords", "stage1_share"} <= shown("multi_stage") - shown("lora")


def test_what_all_modes_have_is_never_hidden():
    for name in (
        "mode",
        "network_dim",
        "learning_rate",
        "max_train_steps",
        "train_batch_size",
        "resolution",
        "seed",
    ):
        assert all(name in shown(mode) for mode in MODES), name
