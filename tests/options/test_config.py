from __future__ import annotations

from train_tools.options.config import config_table


def test_values_are_as_toml_holds_them_and_what_is_unset_is_left_out():
    options = {"text_encoder_lr": (1e-4, 5e-5), "network_dim": 8, "unet_lr": None, "optimizer_args": ()}
    assert config_table(options) == {"text_encoder_lr": [1e-4, 5e-5], "network_dim": 8, "optimizer_args": []}
