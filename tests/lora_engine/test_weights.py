"""Where weights come from: the same model as safetensors, pickle and diffusers folder; another VAE."""

import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.pocket.blueprint import Blueprint, build
from lora_engine.families import load
from lora_engine.families.weights import SafetensorsFile, open_parts
from sd_contract.base_models.base_model import inspect_trainable, with_vae
from sd_contract.base_models.layouts import VAE
from sd_contract.errors import BaseModelError
from tests.lora_engine.pipelines import noise_of, pipeline_of

FAMILIES = ("sd1", "sd2", "sdxl")


def same_weights(first, second):
    parts = ("unet", "vae", "text_encoder")
    states = [{name: getattr(model, name).state_dict() for name in parts} for model in (first, second)]
    return all(
        states[0][part].keys() == states[1][part].keys()
        and all(torch.equal(tensor, states[1][part][name]) for name, tensor in states[0][part].items())
        for part in parts
    )


def test_tensors_are_read_one_by_one_and_equal_those_of_the_library(tiny_models):
    lazy, whole = SafetensorsFile(tiny_models["sdxl"]), load_file(tiny_models["sdxl"])

    assert list(lazy) == list(lazy._header.tensors)
    assert lazy.keys() == whole.keys()
    assert all(torch.equal(lazy[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.bool, torch.int64])
def test_numbers_of_any_type_are_read(tmp_path, dtype):
    tensors = {
        "a": torch.ones(2, 3).to(dtype),
        "none": torch.empty(0, 4, dtype=dtype),
        "one": torch.ones(()).to(dtype),
    }
    save_file(tensors, tmp_path / "numbers.safetensors")
    read = SafetensorsFile(tmp_path / "numbers.safetensors")

    assert {name: (read[name].dtype, read[name].shape) for name in read} == {
        name: (dtype, tensor.shape) for name, tensor in tensors.items()
    }
    assert torch.equal(read["a"].float(), torch.ones(2, 3))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_diffusers_folder_is_the_same_model(tiny_models, family, tmp_path):
    model = load(inspect_trainable(tiny_models[family]))
    pipeline_of(model).save_pretrained(tmp_path)
    base = inspect_trainable(tmp_path)
    again = load(base)

    assert (base.family, base.is_folder, base.prediction_type) == (family, True, "epsilon")
    assert model.base.unet.items() <= base.unet.items()
    assert same_weights(model, again)
    assert torch.equal(noise_of(model), noise_of(again))


@pytest.mark.parametrize("nested", [True, False])
def test_a_pickle_of_tensors_is_the_same_model(tiny_model, tmp_path, nested):
    tensors = load_file(tiny_model)
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": tensors, "global_step": 7, "epoch": 1} if nested else tensors, path)
    base = inspect_trainable(path)

    assert base.family == "sd1"
    assert base.unet["attention_head_dim"] == 8
    assert next(iter(open_parts(base))) == "unet"
    assert torch.equal(
        open_parts(base)["unet"]("conv_in.weight"),
        tensors["model.diffusion_model.input_blocks.0.0.weight"],
    )


class Harmful:
    def __reduce__(self):
        return print, ("harm done",)


def test_a_pickle_that_calls_anything_is_refused_unopened(tiny_model, tmp_path, capsys):
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": load_file(tiny_model), "callbacks": Harmful()}, path)

    with pytest.raises(BaseModelError, match=r"is a pickle that calls __builtin__.print: it could run any code"):
        inspect_trainable(path)
    assert capsys.readouterr().out == ""


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": {}}))

    with pytest.raises(BaseModelError, match=r"is no checkpoint that can be read .* Choose the .safetensors"):
        inspect_trainable(path)


def test_a_folder_without_weights_is_refused(tiny_model, tmp_path):
    pipeline_of(load(inspect_trainable(tiny_model))).save_pretrained(tmp_path)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").unlink()

    with pytest.raises(BaseModelError, match=r"unet has no weights \(diffusion_pytorch_model.safetensors\)"):
        load(inspect_trainable(tmp_path))


@pytest.mark.parametrize("layout", ["whole model", "prefixed", "bare", "diffusers file", "folder"])
def test_another_vae_takes_the_place_of_the_models_own(tiny_models, tmp_path, layout):
    wanted = build(Blueprint.of_width(8), seed=1).autoencoder.half().float().state_dict()
    base = inspect_trainable(tiny_models["sd2"])
    other = with_vae(base, vae_file(layout, tiny_models["sd1"], tmp_path))
    model = load(other)

    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.vae.state_dict().items())
    assert (model.vae.config.norm_num_groups, model.scaling_factor) == (1, 0.18215)


def vae_file(layout, model, folder):
    tensors = {name: tensor for name, tensor in load_file(model).items() if name.startswith(VAE)}
    made = load(inspect_trainable(model)).vae
    if layout == "folder":
        made.save_pretrained(folder)
        return folder
    path = folder / "vae.safetensors"
    contents = {
        "whole model": load_file(model),
        "prefixed": tensors,
        "bare": {name.removeprefix(VAE): tensor for name, tensor in tensors.items()},
        "diffusers file": made.state_dict(),
    }
    save_file(contents[layout], path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_diffusers_reads_the_same_weights_from_the_same_file(tiny_models, family, tmp_path):
    model = load(inspect_trainable(tiny_models[family]))
    described = pipeline_of(model)
    described.save_pretrained(tmp_path)
    read = type(described).from_single_file(
        str(tiny_models[family]), config=str(tmp_path), local_files_only=True, torch_dtype=torch.float32
    )
    parts = ["unet", "vae", "text_encoder", *(["text_encoder_2"] if family == "sdxl" else [])]

    for part in parts:
        wanted, found = (getattr(pipeline, part).state_dict() for pipeline in (described, read))
        assert wanted.keys() == found.keys()
        assert all(torch.equal(tensor, found[name]) for name, tensor in wanted.items())
