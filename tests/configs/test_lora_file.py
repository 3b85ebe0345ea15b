"""What a LoRA file tells of its training, and what its tensors show when it lies."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from PIL import Image

from lora_engine.maths.optimizers import optimizer_name
from sd_contract.base_models.base_model import inspect
from sd_contract.datasets import collect, read_datasets
from sd_contract.options import optimizer_arguments, settings_from
from sd_contract.options.optimizers import ARGUMENTS
from sd_contract.output.checkpoints import FileHashes, RunFacts, training_metadata
from sd_contract.steps import plan_steps
from tests.configs.reading import import_file, import_text
from train_tools.configs.foreign.lora_file import ToldBase
from train_tools.errors import OptionValueError
from train_tools.model.config import WORTH_A_LOOK, ConfigFormat, Fate, ImportedConfig

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"
TOLD = {
    "ss_network_module": "networks.lora",
    "ss_network_dim": "8",
    "ss_network_alpha": "4.0",
    "ss_network_dropout": "None",
    "ss_learning_rate": "0.0001",
    "ss_unet_lr": "0.0001",
    "ss_text_encoder_lr": "5e-05",
    "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.1,betas=(0.9, 0.99))",
    "ss_lr_scheduler": "cosine",
    "ss_lr_warmup_steps": "10",
    "ss_num_epochs": "10",
    "ss_num_batches_per_epoch": "30",
    "ss_max_train_steps": "300",
    "ss_steps": "300",
    "ss_gradient_accumulation_steps": "1",
    "ss_gradient_checkpointing": "True",
    "ss_mixed_precision": "bf16",
    "ss_clip_skip": "2",
    "ss_max_token_length": "225",
    "ss_cache_latents": "True",
    "ss_seed": "42",
    "ss_noise_offset": "0.02",
    "ss_min_snr_gamma": "5.0",
    "ss_debiased_estimation": "False",
    "ss_base_model_version": "sd_v1",
    "ss_sd_model_name": "base.safetensors",
    "ss_sd_model_hash": "c6406a4c",
    "ss_new_sd_model_hash": "ab" * 32,
    "ss_batch_size_per_device": "2",
    "ss_resolution": "(512, 768)",
    "ss_enable_bucket": "True",
    "ss_shuffle_caption": "True",
    "ss_keep_tokens": "1",
    "ss_flip_aug": "False",
    "ss_tag_frequency": '{"10_cat": {"a cat": 12}}',
    "ss_session_id": "2593582328",
    "modelspec.prediction_type": "epsilon",
    "sshs_model_hash": "12",
}
MEANT = {
    "network_module": "networks.lora",
    "network_dim": 8,
    "network_alpha": 4.0,
    "learning_rate": 0.0001,
    "unet_lr": 0.0001,
    "text_encoder_lr": (5e-05,),
    "optimizer_type": "AdamW",
    "optimizer_args": ("weight_decay=0.1", "betas=0.9,0.99"),
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 10,
    "max_train_epochs": 10,
    "gradient_checkpointing": True,
    "mixed_precision": "bf16",
    "clip_skip": 2,
    "max_token_length": 225,
    "cache_latents": True,
    "seed": 42,
    "noise_offset": 0.02,
    "min_snr_gamma": 5.0,
    "train_batch_size": 2,
    "resolution": "512,768",
    "enable_bucket": True,
    "shuffle_caption": True,
    "keep_tokens": 1,
}


def fate_of(config: ImportedConfig, key: str) -> Fate:
    return next(entry.fate for entry in config.entries if entry.key == key)


def test_a_training_is_told_by_its_file(write_lora):
    config = import_file(write_lora(TOLD))
    assert config.format is ConfigFormat.LORA_FILE
    assert config.options == MEANT
    assert {entry.key for entry in config.entries} == set(TOLD)
    assert [note for note in config.notes if "base.safetensors (hash c6406a4c)" in note]


def test_the_header_alone_tells_the_same(write_lora):
    content = write_lora(TOLD).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert import_text("lora.safetensors", content[8 : 8 + length].decode()).options == MEANT


def test_the_base_model_is_found_by_whoever_knows_it(write_lora, tmp_path):
    base = tmp_path / "renamed.safetensors"
    base.write_bytes(b"")
    asked: list[ToldBase] = []

    def find(told: ToldBase) -> Path:
        asked.append(told)
        return base

    config = import_file(write_lora(TOLD), find)
    assert asked == [ToldBase(name="base.safetensors", sha256="ab" * 32, short_hash="c6406a4c")]
    assert config.options["pretrained_model_name_or_path"] == str(base)


def test_names_in_metadata_are_never_taken_for_files(write_lora, tmp_path):
    (tmp_path / "base.safetensors").write_bytes(b"")
    told = {**TOLD, "ss_sd_model_name": str(tmp_path / "base.safetensors"), "ss_vae_name": "/etc/passwd"}
    config = import_file(write_lora(told))
    assert not {"pretrained_model_name_or_path", "vae"} & set(config.options)


@pytest.mark.parametrize(
    ("metadata", "shown", "options"),
    [
        ({"ss_network_dim": "128"}, {"rank": 8}, {"network_dim": 8}),
        ({"ss_network_alpha": "64.0"}, {"alpha": 4.0}, {"network_alpha": 4.0}),
        ({"ss_network_dim": "None"}, {"rank": 4}, {"network_dim": 4}),
        ({}, {"text": False}, {"network_train_unet_only": True}),
    ],
)
def test_tensors_hold_where_metadata_lie_or_are_silent(write_lora, metadata, shown, options):
    config = import_file(write_lora({**TOLD, **metadata}, **shown))
    assert {name: config.options[name] for name in options} == options
    assert fate_of(config, f"tensors: {next(iter(options))}") in (Fate.CONVERTED, Fate.ASSUMED)


def test_an_alpha_that_was_only_rounded_is_no_lie(write_lora):
    config = import_file(write_lora({**TOLD, "ss_network_alpha": "0.7"}, alpha=0.7))
    assert config.options["network_alpha"] == 0.7


def test_a_family_that_the_tensors_don_t_have_is_told(write_lora):
    config = import_file(write_lora({**TOLD, "ss_base_model_version": "sdxl_base_v1-0"}))
    assert any("those of a LoRA for sd1 models" in note for note in config.notes)
    config = import_file(write_lora({**TOLD, "ss_base_model_version": "sd_v2_v"}, width=1024))
    assert config.options["v_parameterization"] is True
    assert any("contradict each other" in note for note in config.notes)


def test_a_file_saved_on_the_way_is_told(write_lora):
    config = import_file(write_lora({**TOLD, "ss_steps": "60"}))
    assert config.options["max_train_epochs"] == 10
    assert any("after 60 of 300 steps" in note for note in config.notes)


def test_a_training_that_was_counted_in_steps_is_so_again(write_lora):
    config = import_file(write_lora({**TOLD, "ss_max_train_steps": "250", "ss_num_epochs": "9"}))
    assert (config.options["max_train_steps"], "max_train_epochs" in config.options) == (250, False)


@pytest.mark.parametrize(
    ("key", "text", "fate"),
    [
        ("ss_network_module", "os.system", Fate.REFUSED),
        ("ss_network_module", "networks.oft", Fate.NOT_SUPPORTED),
        ("ss_optimizer", "some.module.Evil(run=__import__('os').system('x'))", Fate.NOT_SUPPORTED),
        ("ss_optimizer", "torch.optim.adamw.AdamW(((", Fate.NOT_SUPPORTED),
        ("ss_optimizer", "", Fate.NOT_SUPPORTED),
        ("ss_network_args", "[1, 2]", Fate.NOT_USABLE),
        ("ss_network_args", "{", Fate.NOT_USABLE),
        ("ss_network_args", '{"dropout": null}', Fate.WITHOUT_EFFECT),
        ("ss_learning_rate", "fast", Fate.NOT_USABLE),
        ("ss_learning_rate", "nan", Fate.NOT_USABLE),
        ("ss_resolution", "large", Fate.NOT_USABLE),
        ("ss_seed", "9" * 5000, Fate.NOT_USABLE),
        ("ss_full_fp16", "True", Fate.NOT_SUPPORTED),
        ("ss_colour", "red", Fate.UNKNOWN),
        ("ss_wandb_api_key", "hidden", Fate.REFUSED),
    ],
)
def test_metadata_that_are_malformed_or_hostile_are_told(write_lora, key, text, fate):
    config = import_file(write_lora({**TOLD, key: text}))
    assert fate_of(config, key) is fate
    assert "hidden" not in str(config)


def test_arguments_of_an_optimizer_that_can_not_be_read_are_told(write_lora):
    config = import_file(write_lora({**TOLD, "ss_optimizer": f"AdamW({'(' * 5000}{')' * 5000})"}))
    assert (config.options["optimizer_type"], "optimizer_args" in config.options) == ("AdamW", False)
    assert Fate.NOT_USABLE in [entry.fate for entry in config.entries if entry.key == "ss_optimizer"]


def test_a_command_that_metadata_hold_is_not_run(write_lora, tmp_path):
    witness = tmp_path / "witness"
    call = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    import_file(write_lora({**TOLD, "ss_optimizer": f"AdamW(weight_decay={call})", "ss_network_args": call}))
    assert not witness.exists()


def test_images_of_a_dataset_file_are_told_by_the_first(write_lora):
    datasets = [
        {
            "batch_size_per_device": 3,
            "resolution": [640, 512],
            "enable_bucket": True,
            "subsets": [{"flip_aug": True, "keep_tokens": 2, "shuffle_caption": False}, {"flip_aug": False}],
        }
    ]
    told = {"ss_network_dim": "8", "ss_datasets": json.dumps(datasets)}
    config = import_file(write_lora(told))
    assert config.options == {
        "network_dim": 8,
        "network_alpha": 4.0,
        "train_batch_size": 3,
        "resolution": "640,512",
        "enable_bucket": True,
        "flip_aug": True,
        "keep_tokens": 2,
    }
    assert any("several datasets or folders" in note for note in config.notes)


@pytest.mark.parametrize("metadata", [{}, {"format": "pt"}])
def test_a_file_that_tells_nothing_is_told(write_lora, metadata):
    with pytest.raises(OptionValueError, match="tells nothing of its training"):
        import_file(write_lora(metadata))


TRAINED = {
    "network_dim": 8,
    "network_alpha": 4.0,
    "network_args": ("conv_dim=4", "conv_alpha=2"),
    "learning_rate": 2e-4,
    "unet_lr": 1e-4,
    "text_encoder_lr": (5e-5,),
    "optimizer_type": "Lion",
    "optimizer_args": ("weight_decay=0.1", "betas=(0.9, 0.99)"),
    "lr_scheduler": "cosine",
    "lr_warmup_steps": 2,
    "max_train_epochs": 3,
    "train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "gradient_checkpointing": True,
    "mixed_precision": "bf16",
    "seed": 7,
    "clip_skip": 2,
    "max_token_length": 150,
    "resolution": "64,128",
    "cache_latents": True,
    "noise_offset": 0.05,
    "min_snr_gamma": 5.0,
    "loss_type": "huber",
    "huber_c": 0.2,
    "debiased_estimation_loss": True,
    "scale_weight_norms": 1.0,
    "caption_dropout_rate": 0.1,
    "flip_aug": True,
    "shuffle_caption": True,
    "keep_tokens": 1,
    "training_comment": "it's кот",
}


def metadata_of(options: dict[str, object], images: Path) -> dict[str, str]:
    """What the bundled engine writes into the file of a training with these options."""
    settings = settings_from({**options, "train_data_dir": str(images)})
    datasets = tuple(collect(dataset) for dataset in read_datasets(settings).datasets)
    plan = plan_steps(settings, datasets)
    facts = RunFacts(
        settings=settings,
        seed=settings.training.seed or 0,
        plan=plan,
        base=inspect(POCKET),
        base_hashes=FileHashes("ab" * 32, "c6406a4c"),
        datasets=datasets,
        optimizer=optimizer_name(settings.optimizer.optimizer, optimizer_arguments(settings.optimizer)),
        session_id=1,
        started_at=0.0,
    )
    return training_metadata(facts, epoch=plan.epochs, step=plan.total_steps, saved_at=1.0)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "3_zorb"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 128), (90 * number, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.caption").write_text("a zorb, red")
    return folder.parent


def test_what_the_bundled_engine_trained_is_told_back_as_it_was(write_lora, images):
    config = import_file(write_lora(metadata_of(TRAINED, images), conv_rank=4))
    back = settings_from(config.options)
    for name, value in settings_from(TRAINED).values().items():
        if name != "optimizer_args":
            assert back.get(name) == value, name
    assert optimizer_arguments(back.optimizer) == {"weight_decay": 0.1, "betas": (0.9, 0.99)}
    assert [entry.key for entry in config.of(*WORTH_A_LOOK)] == []


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_every_optimizer_is_told_back(write_lora, images, name):
    config = import_file(write_lora(metadata_of({"optimizer_type": name, "resolution": "64"}, images)))
    told = settings_from(config.options).optimizer.optimizer
    assert told == ("DAdaptAdam" if name == "DAdaptation" else name)
