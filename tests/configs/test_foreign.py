from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_contract.options import settings_from
from tests.configs.reading import import_file, import_text
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.model.config import ConfigFormat, Fate, ImportedConfig

FILES = Path(__file__).parent / "foreign"
EXAMPLES = sorted(file.name for file in FILES.iterdir())


def fates(config: ImportedConfig) -> dict[str, Fate]:
    return {entry.key: entry.fate for entry in config.entries}


def keys_of(file: Path) -> set[str]:
    """Every key of an example, those of OneTrainer's parts one by one."""
    table = json.loads(file.read_text(encoding="utf-8"))
    parts = ("unet", "text_encoder", "text_encoder_2", "vae", "optimizer")
    whole = {key for key, value in table.items() if not (key in parts and isinstance(value, dict))}
    return whole | {f"{part}.{key}" for part in parts if isinstance(table.get(part), dict) for key in table[part]}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_key_of_a_file_is_told_of(name):
    config = import_file(FILES / name)
    told = {entry.key.partition(" --")[0] for entry in config.entries}
    assert keys_of(FILES / name) - told == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_was_taken_can_be_trained(name):
    config = import_file(FILES / name)
    settings_from(config.options)
    assert not [note for note in config.notes if "can't be trained together" in note]


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_secret_is_shown_or_kept(name):
    config = import_file(FILES / name)
    assert "hf_hidden" not in str(config)


def test_a_config_of_kohya_ss():
    config = import_file(FILES / "kohya_ss.json")
    assert config.format is ConfigFormat.KOHYA_SS
    assert config.options == {
        "network_module": "networks.lora",
        "network_dim": 32,
        "network_alpha": 16.0,
        "network_args": ("conv_dim=8", "module_dropout=0.1", "conv_alpha=4"),
        "network_train_unet_only": True,
        "learning_rate": 0.0001,
        "unet_lr": 0.0002,
        "optimizer_type": "Prodigy",
        "optimizer_args": ("weight_decay=0.01", "decouple=True", "d_coef=2"),
        "lr_scheduler": "cosine_with_restarts",
        "lr_scheduler_num_cycles": 3,
        "lr_warmup_steps": 0.1,
        "max_train_epochs": 12,
        "train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "gradient_checkpointing": True,
        "mixed_precision": "bf16",
        "save_precision": "fp16",
        "save_model_as": "safetensors",
        "save_every_n_epochs": 2,
        "seed": 1234,
        "resolution": "768,512",
        "enable_bucket": True,
        "min_bucket_reso": 256,
        "max_bucket_reso": 2048,
        "bucket_reso_steps": 64,
        "bucket_no_upscale": True,
        "cache_latents": True,
        "clip_skip": 2,
        "max_token_length": 225,
        "shuffle_caption": True,
        "keep_tokens": 1,
        "caption_dropout_rate": 0.05,
        "flip_aug": True,
        "weighted_captions": True,
        "noise_offset": 0.02,
        "adaptive_noise_scale": 0.002,
        "min_snr_gamma": 5.0,
        "prior_loss_weight": 1.0,
        "sdpa": True,
        "training_comment": "trigger: zwx",
    }
    became = fates(config)
    assert became["full_fp16"] is Fate.NOT_SUPPORTED
    assert became["stop_text_encoder_training_pct"] is Fate.NOT_SUPPORTED
    assert became["huggingface_token"] is Fate.REFUSED
    assert became["pretrained_model_name_or_path"] is Fate.REFUSED
    assert became["train_data_dir"] is Fate.LEFT_OUT
    assert became["multires_noise_iterations"] is Fate.WITHOUT_EFFECT
    assert became["wholly_new_key"] is Fate.UNKNOWN
    assert ("made_up=1", Fate.NOT_SUPPORTED) in [(entry.value, entry.fate) for entry in config.entries]


def test_a_preset_of_one_trainer():
    config = import_file(FILES / "one_trainer.json")
    assert config.format is ConfigFormat.ONE_TRAINER
    assert config.options == {
        "network_module": "networks.lora",
        "network_dim": 16,
        "network_alpha": 8.0,
        "network_dropout": 0.1,
        "learning_rate": 0.0003,
        "unet_lr": 0.0003,
        "text_encoder_lr": (5e-05, 0.0003),
        "optimizer_type": "AdamW8bit",
        "optimizer_args": ("betas=0.9,0.99", "eps=1e-08", "weight_decay=0.01"),
        "lr_scheduler": "cosine_with_min_lr",
        "lr_scheduler_min_lr_ratio": 0.1,
        "lr_warmup_steps": 100,
        "max_train_epochs": 40,
        "train_batch_size": 4,
        "max_grad_norm": 1.0,
        "mixed_precision": "bf16",
        "save_precision": "bf16",
        "gradient_checkpointing": True,
        "ema_decay": 0.999,
        "cache_latents": True,
        "enable_bucket": True,
        "resolution": "1024",
        "min_snr_gamma": 5.0,
        "loss_type": "l2",
        "noise_offset": 0.02,
        "min_timestep": 100,
        "save_every_n_epochs": 2,
    }
    became = fates(config)
    assert became["lora_decompose"] is Fate.NOT_SUPPORTED
    assert became["text_encoder.stop_training_after"] is Fate.NOT_SUPPORTED
    assert became["wholly_new_key"] is Fate.UNKNOWN
    assert any("mix the sizes 1024, 768" in note for note in config.notes)


def test_a_preset_of_an_older_one_trainer():
    config = import_file(FILES / "one_trainer_old.json")
    assert config.options["optimizer_type"] == "AdaFactor"
    assert config.options["optimizer_args"] == ("relative_step=False", "eps=1e-30,0.001", "weight_decay=0.01")
    assert (config.options["network_train_unet_only"], config.options["unet_lr"]) == (True, 0.0002)
    assert (config.options["lr_scheduler"], "lr_warmup_steps" in config.options) == ("constant", False)
    assert (config.options["clip_skip"], config.options["save_every_n_steps"]) == (2, 500)


def test_what_a_sparse_preset_of_one_trainer_does_not_say_is_what_that_program_does():
    config = import_file(FILES / "one_trainer_sparse.json")
    assert config.options == {
        "network_module": "networks.lora",
        "network_dim": 16,
        "network_alpha": 1.0,
        "network_args": ("conv_dim=16", "conv_alpha=1.0"),
        "learning_rate": 0.0003,
        "lr_scheduler": "constant_with_warmup",
        "lr_warmup_steps": 200,
        "optimizer_type": "AdamW",
        "max_train_epochs": 100,
        "train_batch_size": 4,
        "mixed_precision": "fp16",
        "save_precision": "float",
        "gradient_checkpointing": True,
        "cache_latents": True,
        "enable_bucket": True,
        "resolution": "512",
    }
    assumed = {entry.option for entry in config.of(Fate.ASSUMED)}
    assert {"network_dim", "max_train_epochs", "optimizer_type", "lr_scheduler"} <= assumed
    assert {entry.value for entry in config.of(Fate.ASSUMED)} == {""}
    assert any("after 30 epochs" in note for note in config.notes)


def test_a_newer_format_of_one_trainer_is_told(tmp_path):
    text = json.dumps({"__version": 99, "training_method": "LORA", "lora_rank": 4})
    config = import_text("x.json", text)
    assert config.options["network_dim"] == 4
    assert any("format 99; up to 12 is known" in note for note in config.notes)


def test_a_preset_of_train_train():
    config = import_file(FILES / "train_train.json")
    assert config.format is ConfigFormat.TRAIN_TRAIN
    assert config.options == {
        "network_module": "networks.lora",
        "network_dim": 16,
        "network_alpha": 8.0,
        "network_args": ("conv_dim=4", "conv_alpha=8"),
        "network_train_unet_only": True,
        "learning_rate": 0.0001,
        "optimizer_type": "AdamW",
        "optimizer_args": ("weight_decay=0.1", "betas=0.9,0.99"),
        "lr_scheduler": "cosine",
        "lr_warmup_steps": 50,
        "max_train_steps": 1000,
        "logging_save_csv": True,
        "train_batch_size": 2,
        "gradient_checkpointing": True,
        "mixed_precision": "bf16",
        "save_precision": "float",
        "save_every_n_steps": 250,
        "resolution": "512,768",
        "enable_bucket": True,
        "bucket_reso_steps": 256,
        "min_bucket_reso": 512,
        "flip_aug": True,
        "loss_type": "smooth_l1",
        "min_snr_gamma": 5.0,
        "min_timestep": 200,
    }
    became = fates(config)
    assert became["train_lr_scheduler_settings"] is became["image_max_ratio"] is Fate.NOT_SUPPORTED
    assert became["lora_trigger_word"] is Fate.LEFT_OUT


def test_a_preset_of_ileco_brings_its_prompts():
    table = {"mode": "iLECO", "train_iterations": "300", "lora_trigger_word": "", "network_type": "lierla"}
    table |= {"original prompt": "a red box", "target prompt": "", "diff_target_name": "_x", "network_rank": "4"}
    config = import_text("x.json", json.dumps(table))

    assert config.options == {
        "mode": "ileco",
        "max_train_steps": 300,
        "network_module": "networks.lora",
        "network_dim": 4,
        "original_prompt": ("a red box",),
    }
    assert fates(config)["diff_target_name"] is Fate.LEFT_OUT


def test_a_preset_of_difference_brings_what_its_second_pass_has_otherwise():
    first = {"train_iterations": "500", "network_rank": "16", "network_alpha": "16", "train_learning_rate": "5e-4"}
    second = {**first, "network_rank": "4", "network_alpha": "4", "train_learning_rate": "1e-4"}
    table = {"mode": "Difference", "lora_trigger_word": "", **first, "use_2nd_pass_settings": True}
    config = import_text("x.json", json.dumps({**table, "2nd pass": second, "diff_save_1st_pass": True}))

    assert (config.options["mode"], config.options["network_dim"]) == ("difference", 16)
    assert config.options["diff_save_1st_pass"] is True
    assert config.options["second_pass_args"] == ("network_dim=4", "network_alpha=4.0", "learning_rate=0.0001")
    assert settings_from(config.options).difference.second_pass_args


def test_blocks_elements_and_strength_of_train_train_are_taken():
    table = {
        "network_blocks(BASE = TextEncoder)": ["BASE", "M00", "OUT05"],
        "network_element": "CrossAttention",
        "network_strength": "0.5",
        "network_type": "loha",
        "network_rank": "8",
        "train_iterations": "5",
        "lora_trigger_word": "",
    }
    options = import_text("x.json", json.dumps(table)).options

    assert options["network_blocks"] == ("BASE", "M00", "OUT05")
    assert (options["network_element"], options["network_strength"]) == ("CrossAttention", 0.5)
    assert settings_from(options).network.network_module == "lycoris.kohya"


def kohya_ss(**values: Any) -> ImportedConfig:
    return import_text("x.json", json.dumps({"LoRA_type": "Standard", **values}))


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ({"epoch": 3}, {"max_train_epochs": 3}),
        ({"epoch": 3, "max_train_steps": "500"}, {"max_train_steps": 500}),
        ({"epoch": 3, "max_train_epochs": "7", "max_train_steps": 0}, {"max_train_epochs": 7}),
    ],
)
def test_how_long_a_config_of_kohya_ss_trains(values, length):
    options = kohya_ss(**values).options
    assert {name: options[name] for name in ("max_train_epochs", "max_train_steps") if name in options} == length


@pytest.mark.parametrize(
    ("rates", "options"),
    [
        ({"unet_lr": 1e-4, "text_encoder_lr": 0}, {"unet_lr": 1e-4, "network_train_unet_only": True}),
        (
            {"unet_lr": 0, "text_encoder_lr": 5e-5},
            {"text_encoder_lr": (5e-5,), "network_train_text_encoder_only": True},
        ),
        ({"unet_lr": 0, "text_encoder_lr": 0, "learning_rate": 1e-4}, {"learning_rate": 1e-4}),
        ({"unet_lr": "1e-4", "text_encoder_lr": "5e-5"}, {"unet_lr": 1e-4, "text_encoder_lr": (5e-5,)}),
    ],
)
def test_a_rate_of_nothing_leaves_a_part_out_in_kohya_ss(rates, options):
    taken = dict(kohya_ss(**rates).options)
    assert taken.pop("network_module") == "networks.lora"
    assert taken == options


@pytest.mark.parametrize(
    ("written", "option"),
    [(True, "xformers"), ("xformers", "xformers"), ("sdpa", "sdpa"), ("none", ""), (False, "")],
)
def test_the_attention_of_kohya_ss_had_two_spellings(written, option):
    options = kohya_ss(xformers=written).options
    assert [name for name in ("xformers", "sdpa") if options.get(name)] == ([option] if option else [])


def test_networks_that_can_not_be_trained_are_told():
    config = import_text("x.json", json.dumps({"LoRA_type": "LoRA-FA", "factor": 8}))
    assert "network_module" not in config.options
    assert fates(config) == {"LoRA_type": Fate.NOT_SUPPORTED, "factor": Fate.WITHOUT_EFFECT}


def test_networks_of_lycoris_come_with_the_arguments_that_mean_something_to_them():
    said = {"LoRA_type": "LyCORIS/LoKr", "factor": 8, "use_cp": True, "train_norm": False, "constrain": 0.1}
    config = kohya_ss(**said, LyCORIS_preset="attn-mlp", conv_dim=4, bypass_mode=True)

    assert config.options["network_module"] == "lycoris.kohya"
    arguments = {"algo=lokr", "factor=8", "use_tucker=True", "preset=attn-mlp", "conv_dim=4"}
    assert arguments <= set(config.options["network_args"])
    told = fates(config)
    assert {told[key] for key in ("train_norm", "constrain", "bypass_mode")} == {Fate.WITHOUT_EFFECT}
    assert config.notes == ()


def test_kohyas_dylora_has_a_module_of_its_own():
    config = kohya_ss(LoRA_type="Kohya DyLoRA", unit=4)
    assert config.options["network_module"] == "networks.dylora"
    assert "unit=4" in config.options["network_args"]


def test_what_is_typed_behind_the_command_line_comes_last():
    config = kohya_ss(additional_parameters="--network_dim 4 --resume /x", network_dim=32)
    assert config.options["network_dim"] == 4
    assert fates(config)["additional_parameters --resume"] is Fate.REFUSED
    unclosed = kohya_ss(additional_parameters="--wandb_api_key='hidden")
    assert fates(unclosed)["additional_parameters"] is Fate.NOT_USABLE
    assert "hidden" not in str(unclosed)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.json", "{", "x.json can't be read"),
        ("x.json", "[" * 100_000, "x.json can't be read"),
        ("x.toml", "a = ", "x.toml can't be read"),
        ("x.toml", "[a]\n[a]\n", "x.toml can't be read"),
        ("x.json", "[1]", "holds a list"),
        ("x.json", "{}", "holds no settings of a training"),
        ("x.toml", "colour = 'red'", "holds no settings of a training"),
    ],
)
def test_what_is_no_file_of_settings_is_told(name, text, says):
    with pytest.raises(OptionValueError, match=says):
        import_text(name, text)


def test_a_file_that_can_not_be_read_is_told(tmp_path):
    for path, content in (("a.toml", b"\xff\xfe"), ("b.safetensors", b"no header")):
        (tmp_path / path).write_bytes(content)
        with pytest.raises(OptionValueError, match=path):
            import_file(tmp_path / path)
    with pytest.raises(TrainToolsError, match="no file"):
        import_file(tmp_path / "gone.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(20_000_000)
    with pytest.raises(OptionValueError, match="too large"):
        import_file(tmp_path / "huge.json")


def test_a_key_that_stands_twice_is_told():
    config = import_text("x.json", '{"LoRA_type": "Standard", "network_dim": 4, "network_dim": 8}')
    assert config.options["network_dim"] == 8
    assert any("network_dim stands in the file more than once" in note for note in config.notes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
ALL_KEYS = sorted(set().union(*(json.loads((FILES / name).read_text(encoding="utf-8")) for name in EXAMPLES)))
SIGNS = [
    {"LoRA_type": "Kohya LoCon"},
    {"training_method": "LORA", "lora_rank": 8},
    {"mode": "LoRA", "train_iterations": "5", "lora_trigger_word": ""},
    {"network_dim": 8},
]


@given(st.sampled_from(SIGNS), st.dictionaries(st.sampled_from(ALL_KEYS) | st.text(), JSON, max_size=6))
def test_whatever_a_file_holds_every_key_is_told_and_what_is_taken_is_a_value(signs, values):
    table = {**signs, **values}
    try:
        config = import_text("x.json", json.dumps(table))
    except TrainToolsError:
        return
    settings = dict(config.options)
    if not any("together" in note for note in config.notes):
        settings_from(settings)
    told = " ".join(entry.key for entry in config.entries)
    for key, value in table.items():
        inner = value if isinstance(value, dict) else {"": ""}
        assert _shown(key) in told or all(_shown(name) in told for name in inner)
    str(config).encode("utf-8")


def _shown(key: str) -> str:
    """A key up to the first letter that is written out."""
    return "".join(itertools.takewhile(str.isprintable, key.encode("ascii", "replace").decode().split("?")[0]))
