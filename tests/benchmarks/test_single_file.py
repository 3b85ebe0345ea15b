import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from benchmarks.make_pocket_model import main
from benchmarks.pocket.blueprint import Blueprint, build, noise_schedule
from benchmarks.pocket.single_file import load, save, text_encoder_name, unet_name
from benchmarks.pocket.words import tokenizer
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import BaseModelError


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "random model.safetensors"
    main(["--random", "--out", str(path), "--width", "8", "--seed", "5"])
    return path


def weights(network):
    return {name: tensor.half().float() for name, tensor in network.state_dict().items()}


def test_a_random_file_has_the_tensors_of_stable_diffusion_1(random_file):
    names = list(load_file(random_file))
    prefixes = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model.")

    assert [sum(name.startswith(prefix) for name in names) for prefix in prefixes] == [686, 248, 37]
    assert len(names) == 971


def test_its_header_says_what_shapes_do_not(random_file):
    base = inspect_trainable(random_file)

    assert (base.prediction_type, base.resolution) == ("epsilon", 64)
    assert base.unet["attention_head_dim"] == base.text_encoder["num_attention_heads"] == 4
    assert base.unet["norm_num_groups"] == 2
    assert base.vae["norm_num_groups"] == 1
    assert base.text_encoder["vocab_size"] == 49408


def test_a_v_prediction_model_says_so(tmp_path):
    main(["--random", "--out", str(tmp_path / "v.safetensors"), "--width", "8", "--prediction", "v_prediction"])

    assert inspect_trainable(tmp_path / "v.safetensors").v_prediction
    assert load(tmp_path / "v.safetensors").blueprint.prediction_type == "v_prediction"


def test_the_same_seed_gives_the_same_bytes(random_file, tmp_path):
    again = tmp_path / random_file.name
    main(["--random", "--out", str(again), "--width", "8", "--seed", "5"])

    assert again.read_bytes() == random_file.read_bytes()


def test_reading_and_writing_again_changes_no_byte(random_file, tmp_path):
    save(load(random_file), tmp_path / "again.safetensors", title="random model")

    assert (tmp_path / "again.safetensors").read_bytes() == random_file.read_bytes()


def test_diffusers_reads_the_file_with_the_same_weights(random_file, tmp_path):
    networks = build(Blueprint.of_width(8), seed=5)
    described = StableDiffusionPipeline(
        vae=networks.autoencoder,
        text_encoder=networks.text_encoder,
        tokenizer=tokenizer(),
        unet=networks.unet,
        scheduler=noise_schedule(networks.blueprint),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    described.save_pretrained(tmp_path)

    read = StableDiffusionPipeline.from_single_file(
        str(random_file), config=str(tmp_path), local_files_only=True, torch_dtype=torch.float32
    )

    for made, found in (
        (networks.unet, read.unet),
        (networks.autoencoder, read.vae),
        (networks.text_encoder, read.text_encoder),
    ):
        wanted = weights(made)
        assert wanted.keys() == found.state_dict().keys()
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.state_dict().items())


def test_names_inside_transformer_blocks_stay_as_they_are():
    name = "down_blocks.1.attentions.0.transformer_blocks.0.norm1.weight"

    assert unet_name(name) == "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.norm1.weight"


def test_text_names_are_the_same_with_and_without_their_old_prefix():
    assert text_encoder_name("text_model.final_layer_norm.bias") == text_encoder_name("final_layer_norm.bias")


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no model")

    with pytest.raises(BaseModelError, match=r"notes\.txt is no safetensors file"):
        load(tmp_path / "notes.txt")
