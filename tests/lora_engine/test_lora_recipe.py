"""The recipe in this process: what the options do to the trained weights."""

import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lora_engine.errors import Stopped, TrainingError
from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.attempt import Attempt
from sd_contract.errors import CheckpointError, OptionError
from sd_contract.tensors.tensor_files import verify_safetensors

QUICK = ("--max_train_steps", "2", "--learning_rate", "1e-3", "--network_dim", "2", "--seed", "7")


@pytest.fixture
def train(tiny_model, dataset, tmp_path, capfd):
    """Trains with these options and returns the tensors of the final file."""

    def run(*options, name="lora", reporter=None):
        words = [*QUICK, "--pretrained_model_name_or_path", str(tiny_model), "--dataset_config", str(dataset)]
        words += ["--output_dir", str(tmp_path / "out"), "--output_name", name, *options]
        train_lora(read_job(words), reporter or Reporter(None))
        return load_file(tmp_path / "out" / f"{name}.safetensors")

    return run


def difference(first, second):
    """How far the trained weights are apart, relative to their size."""
    assert first.keys() == second.keys()
    names = [name for name in first if not name.endswith(".alpha")]
    apart = torch.cat([(first[name] - second[name]).flatten() for name in names])
    return (apart.norm() / torch.cat([first[name].flatten() for name in names]).norm()).item()


@pytest.fixture
def plain(train):
    """The weights that the options above alone lead to."""
    return train(name="plain")


def metadata(tmp_path, name="lora"):
    return verify_safetensors(tmp_path / "out" / f"{name}.safetensors").metadata


@pytest.fixture
def large_images(dataset):
    """Images so large that the innermost layers have something to attend to."""
    dataset.write_text(dataset.read_text().replace("resolution = 64", "resolution = 128"))


@pytest.mark.usefixtures("large_images")
def test_every_tensor_of_the_lora_is_trained(train):
    first, last = train("--max_train_steps", "1", "--learning_rate", "1e-12"), train("--max_train_steps", "3")

    trained = [name for name in last if not name.endswith(".alpha")]
    assert len(trained) == 2 * (192 + 12)
    assert [name for name in trained if torch.equal(first[name], last[name])] == []


def test_one_seed_gives_equal_weights_and_another_does_not(train, plain):
    assert difference(plain, train()) == 0
    assert difference(plain, train("--seed", "8")) > 1


def test_gradients_of_small_batches_add_up_to_those_of_a_large_one(train, dataset):
    small = train("--gradient_accumulation_steps", "2")
    dataset.write_text(dataset.read_text().replace("batch_size = 2", "batch_size = 4"))

    assert difference(small, train()) < 1e-4


def test_gradient_checkpointing_changes_nothing_but_memory(train, plain):
    assert difference(plain, train("--gradient_checkpointing")) < 1e-4


def test_cached_and_uncached_latents_differ_but_not_the_other_draws(train, plain):
    assert 0 < difference(plain, train("--cache_latents")) < 0.1


@pytest.mark.parametrize(
    "options",
    [
        ("--min_snr_gamma", "1"),
        ("--noise_offset", "0.5"),
        ("--shuffle_caption",),
        ("--caption_dropout_rate", "1"),
        ("--caption_tag_dropout_rate", "0.5"),
        ("--token_warmup_step", "9"),
        ("--caption_prefix", "photo of"),
        ("--random_crop",),
        ("--dynamic_crop", "--cache_latents"),
        ("--flip_aug",),
        ("--clip_skip", "2"),
        ("--network_alpha", "2"),
        ("--lr_scheduler", "linear"),
        ("--optimizer_args", "weight_decay=0.5", "betas=0.5,0.9"),
        ("--max_grad_norm", "1e-6"),
        ("--mixed_precision", "bf16"),
        ("--mixed_precision", "bf16", "--full_bf16"),
        ("--network_args", "loraplus_lr_ratio=4"),
        ("--network_args", "up_lr_weight=linear+.1"),
        ("--network_args", "rank_dropout=0.5"),
        ("--network_args", "module_dropout=0.3"),
        ("--network_dropout", "0.5"),
        ("--scale_weight_norms", "2e-3"),
        ("--noise_offset", "0.5", "--noise_offset_random_strength", "--adaptive_noise_scale", "0.1"),
        ("--multires_noise_iterations", "6"),
        ("--ip_noise_gamma", "0.5"),
        ("--max_timestep", "900", "--min_timestep", "100"),
        ("--zero_terminal_snr",),
        ("--loss_type", "huber"),
        ("--loss_type", "l1", "--debiased_estimation_loss"),
        ("--optimizer_type", "Lion"),
        ("--mixed_precision", "bf16", "--fp8_base"),
        ("--mixed_precision", "bf16", "--fp8_base_unet"),
        ("--prior_preservation_weight", "5"),
        ("--ema_decay", "0.9"),
        ("--timestep_sampling", "sigmoid"),
        ("--text_encoder_lr", "1e-4"),
    ],
)
def test_an_option_has_an_effect_but_changes_no_draw(train, plain, options):
    assert 1e-5 < difference(plain, train(*options)) < 0.2


@pytest.mark.usefixtures("large_images")
def test_convolutions_are_trained_as_well_when_they_have_a_rank(train):
    first = train("--max_train_steps", "1", "--learning_rate", "1e-12", "--network_args", "conv_dim=3")
    last = train("--max_train_steps", "4", "--network_args", "conv_dim=3", "conv_alpha=1.5")

    trained = [name for name in last if not name.endswith(".alpha")]
    assert len(trained) == 2 * (278 + 12)
    assert [name for name in trained if torch.equal(first[name], last[name])] == []
    assert last["lora_unet_mid_block_resnets_0_conv1.alpha"] == 1.5


def test_a_block_with_rate_0_is_not_in_the_file(train):
    tensors = train("--network_args", "mid_lr_weight=0", "--network_train_unet_only")

    assert len(tensors) == 3 * (192 - 12)
    assert not any("mid_block" in name for name in tensors)


def test_dropout_with_checkpointing_gives_the_gradients_it_gives_without(train):
    dropped = ("--network_dropout", "0.3", "--network_args", "rank_dropout=0.2", "module_dropout=0.2")

    assert difference(train(*dropped), train(*dropped, "--gradient_checkpointing")) < 1e-4


def test_a_lora_is_gone_on_from_with_its_own_ranks(train, plain, tmp_path):
    first = str(tmp_path / "out" / "plain.safetensors")
    standing = ("--learning_rate", "1e-12", "--max_train_steps", "1")

    again = train(*standing, "--network_weights", first)
    by_file = train(*standing, "--network_weights", first, "--dim_from_weights", "--network_dim", "7")

    assert difference(plain, again) < 1e-6
    assert difference(plain, by_file) < 1e-6


def test_a_merged_lora_changes_what_is_learned_and_no_layer_that_is_trained(train, plain, tmp_path):
    first = str(tmp_path / "out" / "plain.safetensors")
    merged = train("--base_weights", first, "--base_weights_multiplier", "20")
    silent = train("--base_weights", first, "--base_weights_multiplier", "0")

    assert merged.keys() == plain.keys()
    assert difference(plain, silent) == 0 < difference(plain, merged)


def test_a_lora_file_that_is_missing_is_told_before_the_model_is_loaded(train, tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.safetensors"):
        train("--base_weights", str(tmp_path / "nowhere.safetensors"))


@pytest.mark.usefixtures("large_images")
@pytest.mark.parametrize("name", ["AdaFactor", "Prodigy"])
def test_other_optimizers_train_every_tensor(train, name):
    first = train("--learning_rate", "1e-12", "--max_train_steps", "1", name="first")
    rate = "1" if name == "Prodigy" else "1e-2"
    tensors = train("--optimizer_type", name, "--learning_rate", rate, "--max_train_steps", "2")

    trained = [name for name in tensors if name.endswith("lora_up.weight")]
    assert [name for name in trained if torch.equal(first[name], tensors[name])] == []


def test_images_of_several_shapes_are_trained_in_buckets(train, dataset, tmp_path):
    dataset.write_text(dataset.read_text().replace("resolution = 64", "resolution = 128"))
    buckets = ("--enable_bucket", "--min_bucket_reso", "64", "--max_train_epochs", "1")
    assert train(*buckets)
    (told,) = json.loads(metadata(tmp_path)["ss_datasets"])
    assert told["bucket_info"]["buckets"] == {
        "0": {"resolution": [64, 192], "count": 2},
        "1": {"resolution": [128, 128], "count": 2},
    }
    assert metadata(tmp_path)["ss_steps"] == "2"


def test_a_mask_hides_what_is_not_to_be_learned(train, dataset, tmp_path):
    plain = train()
    for name, level in (("white", 255), ("black", 0)):
        (tmp_path / name).mkdir()
        for image in (tmp_path / "images").glob("*.png"):
            Image.new("L", (64, 64), level).save(tmp_path / name / image.name)

    assert difference(plain, train("--masked_loss", "--conditioning_data_dir", str(tmp_path / "white"))) == 0
    hidden = train("--masked_loss", "--conditioning_data_dir", str(tmp_path / "black"))
    assert all(tensor.abs().max() == 0 for name, tensor in hidden.items() if "lora_up" in name)


def test_the_tags_are_listed_beside_the_files(train, tmp_path):
    train()
    assert (tmp_path / "out" / "lora.txt").read_text().splitlines()[:3] == ["[count] tag", "[4] flat", "[4] plain"]


def test_regularisation_images_weigh_as_much_as_asked(train, dataset, tmp_path):
    (tmp_path / "reg").mkdir()
    Image.new("RGB", (64, 64), "pink").save(tmp_path / "reg" / "pink.png")
    with dataset.open("a", encoding="utf-8") as file:
        file.write(f"[[datasets.subsets]]\nimage_dir = '{tmp_path / 'reg'}'\nis_reg = true\nclass_tokens = 'x'\n")
    full, none = train(), train("--prior_loss_weight", "0")

    assert metadata(tmp_path)["ss_num_reg_images"] == "4"
    assert difference(full, none) > 1e-4


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--network_train_unet_only",), "lora_unet_"),
        (("--network_train_text_encoder_only",), "lora_te_"),
    ],
)
def test_one_part_alone_can_be_trained(train, options, kept):
    assert all(name.startswith(kept) for name in train(*options))


def test_a_rate_of_0_leaves_a_part_in_the_file_as_it_began(train, capfd):
    tensors = train("--text_encoder_lr", "0")

    assert "warning: the text encoder part is not trained: its learning rate is 0" in capfd.readouterr().err
    assert all(t.abs().max() == 0 for n, t in tensors.items() if n.startswith("lora_te") and "lora_up" in n)
    assert any(t.abs().max() > 0 for n, t in tensors.items() if n.startswith("lora_unet") and "lora_up" in n)


def test_nothing_to_train_is_an_error(train):
    with pytest.raises(OptionError, match="all learning rates are 0"):
        train("--learning_rate", "0")


def test_half_precision_needs_a_gpu(train):
    if torch.cuda.is_available():
        assert train("--mixed_precision", "fp16")
        return
    with pytest.raises(OptionError, match=r'mixed_precision = "fp16" does not work on a CPU. Use "no" or "bf16"'):
        train("--mixed_precision", "fp16")


def test_the_tensors_are_saved_in_the_precision_asked_for(train):
    assert {tensor.dtype for tensor in train("--save_precision", "fp16").values()} == {torch.float16}
    assert {tensor.dtype for tensor in train().values()} == {torch.float32}


def test_a_loss_that_is_no_number_ends_the_run_and_saves_nothing(train, tmp_path):
    reporter = Reporter(None)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 2.*\(1\) the learning rate .1e[+]30. is"):
        train("--learning_rate", "1e30", "--max_train_steps", "50", "--save_every_n_steps", "1", reporter=reporter)

    assert reporter.step < 20
    assert all(
        tensor.isfinite().all()
        for file in reporter.files
        for tensor in load_file(tmp_path / "out" / file).values()
    )


def test_a_stop_before_the_first_step_saves_nothing(train, tmp_path):
    (tmp_path / "attempt").mkdir()
    attempt = Attempt(tmp_path / "attempt")
    attempt.stop.touch()

    reporter = Reporter(attempt)
    with pytest.raises(Stopped):
        train(reporter=reporter)
    reporter.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_files_are_saved_when_sd_scripts_saves_them(train):
    reporter = Reporter(None)
    train("--max_train_epochs", "3", "--save_every_n_epochs", "1", "--save_every_n_steps", "3", reporter=reporter)

    assert reporter.files == [
        "lora-000001.safetensors",
        "lora-step00000003.safetensors",
        "lora-000002.safetensors",
        "lora-step00000006.safetensors",
        "lora.safetensors",
    ]


def test_old_epoch_files_are_removed(train, tmp_path):
    reporter = Reporter(None)
    options = ("--max_train_epochs", "4", "--save_every_n_epochs", "1", "--save_last_n_epochs", "1")
    train(*options, reporter=reporter)

    assert reporter.files == ["lora-000003.safetensors", "lora.safetensors"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.safetensors")) == reporter.files


def test_the_metadata_tells_how_the_file_came_about(train, tmp_path, tiny_model):
    train("--max_train_epochs", "1", "--training_comment", "it's 画像", "--optimizer_args", "eps=1e-7")
    told = metadata(tmp_path)

    assert told["ss_network_dim"] == "2"
    assert told["ss_optimizer"] == "torch.optim.adamw.AdamW(eps=1e-07)"
    assert (told["ss_steps"], told["ss_epoch"], told["ss_max_train_steps"]) == ("2", "1", "2")
    assert told["ss_num_train_images"] == "4"
    assert told["ss_sd_model_name"] == tiny_model.name
    assert told["ss_dataset_dirs"] == '{"images": {"n_repeats": 1, "img_count": 4}}'
    assert '"a red square": 1' in told["ss_tag_frequency"]
    assert told["ss_training_comment"] == "it's 画像"
    assert told["ss_base_model_version"] == "sd_v1"
    assert told["modelspec.resolution"] == "64x64"
    assert told["sshs_legacy_hash"] == "e3b0c442"


def test_the_hash_in_the_metadata_is_that_of_the_data(train, tmp_path):
    from sd_contract.tensors.tensor_files import data_sha256

    train()

    assert metadata(tmp_path)["sshs_model_hash"] == data_sha256(tmp_path / "out" / "lora.safetensors")


def test_the_metadata_say_what_the_user_wants_said(train, tmp_path):
    words = ("--metadata_author", "it's me", "--metadata_title", "Zorb", "--metadata_tags", "a,b")
    train(*words, "--network_args", "conv_dim=1", "--debiased_estimation_loss")
    told = metadata(tmp_path)

    assert (told["modelspec.author"], told["modelspec.title"], told["modelspec.tags"]) == (
        "it's me",
        "Zorb",
        "a,b",
    )
    assert told["ss_network_args"] == '{"conv_dim": "1"}'
    assert (told["ss_debiased_estimation"], told["ss_validation_split"], told["ss_huber_c"]) == (
        "True",
        "0.0",
        "0.1",
    )
    assert "modelspec.license" not in told


def test_what_loaders_need_is_told_in_any_case(train, tmp_path):
    train("--no_metadata", "--training_comment", "secret")
    told = metadata(tmp_path)

    kept = {"ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha"}
    assert {key for key in told if key.startswith("ss_")} == kept
    assert told["modelspec.title"] == "lora"
    assert told["sshs_model_hash"]
