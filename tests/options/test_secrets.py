import pytest

from train_tools.options.bundled import bundled_options
from train_tools.options.secrets import is_secret, without_secrets


@pytest.mark.parametrize(
    "name", ["huggingface_token", "wandb_api_key", "HF_TOKEN", "WANDB_API_KEY", "password", "AWS_SECRET", "x_auth"]
)
def test_a_secret_is_known_by_its_name(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", ["class_tokens", "keep_tokens", "max_token_length", "network_dim", "author"])
def test_what_only_sounds_like_it_is_none(name):
    assert not is_secret(name)


def test_no_option_of_the_bundled_trainer_is_a_secret():
    assert without_secrets(bundled_options()) == dict(bundled_options())


def test_secrets_are_left_out():
    assert without_secrets({"network_dim": 8, "wandb_api_key": "abc"}) == {"network_dim": 8}
