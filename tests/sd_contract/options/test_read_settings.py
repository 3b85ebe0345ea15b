import pytest

from sd_contract.errors import OptionError
from sd_contract.options import OPTIONS, optimizer_arguments, read_settings, require, settings_from


@pytest.fixture
def config(tmp_path):
    def write(text, name="run.toml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(*arguments):
    with pytest.raises(OptionError) as caught:
        read_settings([str(argument) for argument in arguments])
    return str(caught.value)


def test_without_arguments_everything_is_as_default():
    assert read_settings([]).values() == {spec.name: spec.default for spec in OPTIONS}


def test_sections_of_any_name_are_flattened(config):
    path = config('output_name = "x"\n[a]\nnetwork_dim = 8\n[b]\nnetwork_alpha = 4\n')

    settings = read_settings(["--config_file", str(path)])

    assert (settings.output.output_name, settings.rank, settings.alpha) == ("x", 8, 4.0)


def test_the_command_line_wins_over_the_file(config):
    path = config("network_dim = 8\nseed = 1\n")

    settings = read_settings(["--config_file", str(path), "--network_dim", "16", "--sdpa"])

    assert (settings.network.network_dim, settings.training.seed, settings.training.sdpa) == (16, 1, True)


def test_the_suffix_of_the_file_may_be_left_out(config):
    assert read_settings(["--config_file", str(config("seed = 3\n").with_suffix(""))]).get("seed") == 3


def test_texts_of_any_language_are_read(config, awkward_name):
    path = config(f'training_comment = "日本語 {awkward_name[:9]}"\n')

    settings = read_settings(["--config_file", str(path)])

    assert settings.metadata.training_comment == f"日本語 {awkward_name[:9]}"


def test_a_misspelt_key_names_the_file_and_the_nearest_option(config):
    path = config("network_dimm = 8\n")

    assert refusal("--config_file", path) == (
        f"{path}: unknown option 'network_dimm'. Did you mean 'network_dim'?"
    )


def test_a_key_in_two_sections_is_refused(config):
    path = config("[a]\nseed = 1\n[b]\nseed = 2\n")

    assert refusal("--config_file", path) == f"{path}: option 'seed' stands there twice. Remove one of them."


def test_a_table_in_a_table_is_refused(config):
    path = config("[a.b]\nnetwork_alpha = 8\n")

    assert "[a.b] is a table inside a table" in refusal("--config_file", path)


def test_a_wrong_type_names_the_file(config):
    path = config('learning_rate = "1e-4"\n')

    assert refusal("--config_file", path) == (
        f'{path}: learning_rate = "1e-4": a number, without quotes is wanted.'
    )


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('network_train_unet_only = "false"', "true or false, without quotes is wanted."),
        ("resolution = 64", "resolution = 64: a text in quotes is wanted."),
        ('unet_lr = "1e-4"', 'unet_lr = "1e-4": a number, without quotes is wanted.'),
        ("network_dim = 8.0", "network_dim = 8.0: a whole number, without quotes is wanted."),
        ('save_precision = "float8"', 'save_precision = "float8" can\'t be used. Allowed: float, fp16, bf16.'),
        ('network_module = ""', 'network_module = "" can\'t be used. Allowed: networks.lora, lycoris'),
        ("deepspeed = true", "option 'deepspeed' is not supported by the bundled engine."),
        ("[train]\nseed = 1\n[train]\nsdpa = true", "is not TOML"),
        ("shuffle_caption = True", "is not TOML"),
    ],
)
def test_what_a_file_says_is_checked_as_strictly_as_the_command_line(config, line, told):
    path = config(f"{line}\n")

    assert refusal("--config_file", path).startswith(str(path))
    assert told in refusal("--config_file", path)


def test_a_list_may_mix_whole_numbers_and_others(config):
    settings = read_settings(["--config_file", str(config("text_encoder_lr = [1e-5, 0]\n"))])

    assert settings.optimizer.text_encoder_lr == (1e-5, 0.0)


def test_an_unsupported_option_that_changes_nothing_is_let_pass(config):
    assert read_settings(["--config_file", str(config("async_upload = false\n"))]).values()
    assert "'async_upload' is not supported" in refusal("--config_file", config("async_upload = true\n"))


def test_what_belongs_on_the_command_line_is_refused_in_a_file(config):
    told = "has a meaning only on the trainer's command line"

    assert told in refusal("--config_file", config("output_config = true\n"))
    assert told in refusal("--config_file", config('config_file = "other"\n'))
    assert read_settings(["--config_file", str(config("output_config = false\n"))]).values()


def test_a_missing_file_and_broken_toml_are_told(config, tmp_path):
    assert refusal("--config_file", tmp_path / "gone.toml").endswith("can't be read: No such file or directory.")
    assert "run.toml is not TOML" in refusal("--config_file", config("seed = \n"))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--network_dimm", "8"], "command line: unknown option 'network_dimm'. Did you mean 'network_dim'?"),
        (["--max_train_step", "5"], "command line: unknown option 'max_train_step'."),
        (["--full_fp16", "0.1"], "command line: option 'full_fp16' is not supported"),
        (["--network_dim", "x"], "command line: network_dim = x: a whole number is wanted."),
        (["--save_precision", "float8"], 'command line: save_precision = "float8" can\'t be used. Allowed: float'),
        (["--network_dim"], "command line: argument --network_dim: expected one argument."),
        (["stray"], "command line: 'stray' belongs to no option."),
    ],
)
def test_a_wrong_command_line_is_refused(words, text):
    assert refusal(*words).startswith(text)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"network_train_unet_only": True, "network_train_text_encoder_only": True}, "are both set"),
        ({"save_last_n_epochs": 2}, "Set save_every_n_epochs too."),
        ({"resolution": "512x512"}, 'resolution = "512x512" is not a size.'),
        ({"lr_warmup_steps": 10.0}, "is a share of all steps, 1.0 at most. Write 10 for steps."),
        ({"output_name": "a/b"}, "output_name = 'a/b' is not a plain file name. Put the folder in output_dir."),
        ({"output_name": "../a"}, "is not a plain file name"),
        ({"output_name": "/a"}, "is not a plain file name"),
        ({"output_name": "a\\b"}, "is not a plain file name"),
        ({"output_name": "."}, "is not a plain file name"),
        ({"save_last_n_steps": 2}, "Set save_every_n_steps too."),
        ({"optimizer_args": ["momentum=1"]}, "AdamW takes weight_decay, betas, eps"),
        ({"optimizer_args": ["eps"]}, "each as name=value"),
        ({"optimizer_args": ["eps=__import__('os')"]}, "eps wants a number from 0 on."),
        ({"optimizer_args": ["betas=0.9"]}, "betas wants two numbers"),
    ],
)
def test_values_that_contradict_are_refused(values, text):
    with pytest.raises(OptionError) as caught:
        settings_from(values)
    assert text in str(caught.value)


def test_optimizer_arguments_are_python_literals():
    settings = settings_from({"optimizer_args": ["weight_decay=0.1", "betas=0.9,0.99", "eps = 1e-6"]})

    assert optimizer_arguments(settings.optimizer) == {"weight_decay": 0.1, "betas": (0.9, 0.99), "eps": 1e-6}


def test_a_resolution_is_one_or_two_numbers():
    sizes = [settings_from({"resolution": text}).resolution for text in ("512", "768,512", " 64 , 96 ")]

    assert sizes == [(512, 512), (768, 512), (64, 96)]


def test_alpha_zero_means_the_rank():
    assert settings_from({"network_dim": 8, "network_alpha": 0.0}).alpha == 8
    assert (settings_from({}).rank, settings_from({}).alpha) == (4, 1)


def test_a_required_option_is_asked_for_by_name():
    with pytest.raises(OptionError, match="option 'output_dir' is missing: folder of the trained files"):
        require(settings_from({"seed": 1}), ("seed", "output_dir"))
