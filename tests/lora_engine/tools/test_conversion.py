"""Converting between the names of programs: diffusers' own pipelines load the results and predict the same."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_engine.networks.lora import LoraNetwork
from sd_contract.tensors.tensor_files import read_header
from tests.lora_engine.pipelines import noise_of, pipeline_of
from tests.lora_engine.tools.conftest import changes, farthest

FAMILIES = ("sd1", "sd2", "sdxl")
ROUNDING = 1e-5
"""Of predicted noise of about 1. Measured: 0."""


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scheme", ["peft", "kohya-diffusers"])
def test_diffusers_predicts_the_same_with_the_converted_file(family, scheme, lora_of, model_of, tool, tmp_path):
    lora = lora_of(family, rank=3, alpha=1.5, conv=(2, 1.0))
    out = tmp_path / "converted.safetensors"
    tool("convert_lora", "--model", lora, "--to", scheme, "--save_to", out)
    model = model_of(family)
    network = LoraNetwork.from_file(lora, model.unet, model.text_encoder)
    wanted = noise_of(model)
    network.detach()
    alone = noise_of(model)
    pipe = pipeline_of(model)
    pipe.load_lora_weights(tmp_path, weight_name=out.name)
    found = noise_of(model)

    assert float((wanted - alone).abs().max()) > 0.01
    assert float((found - wanted).abs().max()) < ROUNDING


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scheme", ["peft", "kohya-diffusers", "kohya"])
def test_the_way_back_leads_to_the_same_changes(family, scheme, lora_of, tool, tmp_path):
    lora = lora_of(family, rank=3, alpha=1.5, conv=(2, 1.0))
    there, back = tmp_path / "there.safetensors", tmp_path / "back.safetensors"
    tool("convert_lora", "--model", lora, "--to", scheme, "--save_to", there)
    tool("convert_lora", "--model", there, "--save_to", back)
    assert farthest(changes(back), changes(lora)) < 1e-6
    if scheme != "peft":
        first, second = load_file(lora), load_file(back)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    told = read_header(back).metadata
    assert told["ss_base_model_version"] == read_header(lora).metadata["ss_base_model_version"]
    assert told["ss_tag_frequency"]


def test_alphas_that_diffusers_keeps_aside_are_read(lora_of, tool, tmp_path):
    path = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    other = path.replace("to_q", "to_k")
    tensors = {
        f"{each}.lora_{end}.weight": torch.ones(shape)
        for each in (path, other)
        for end, shape in (("A", (2, 8)), ("B", (8, 2)))
    }
    adapter = {"unet.r": 2, "unet.lora_alpha": 1, "unet.alpha_pattern": {other.removeprefix("unet."): 4}}
    for name, told in (("plain", {}), ("rs", {"unet.use_rslora": True})):
        file, out = tmp_path / f"{name}.safetensors", tmp_path / f"{name} out.safetensors"
        save_file(tensors, file, {"lora_adapter_metadata": json.dumps({**adapter, **told})})
        tool("convert_lora", "--model", file, "--save_to", out)
        layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_"
        root = 2**0.5 if told else 1
        assert float(load_file(out)[f"{layer}q.alpha"]) == pytest.approx(root)
        assert float(load_file(out)[f"{layer}k.alpha"]) == pytest.approx(4 * root)


def test_an_old_pt_becomes_a_safetensors_with_the_same_numbers(lora_of, tool, tmp_path):
    lora, old, out = lora_of(), tmp_path / "old.pt", tmp_path / "new.safetensors"
    torch.save(load_file(lora), old)
    tool("convert_lora", "--model", old, "--save_to", out)
    first, second = load_file(lora), load_file(out)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_with_code_is_not_opened(tool, tmp_path, capfd):
    torch.save({"lora_unet_x.lora_up.weight": Evil()}, tmp_path / "evil.pt")
    tool(
        "convert_lora",
        "--model",
        tmp_path / "evil.pt",
        "--save_to",
        tmp_path / "x.safetensors",
        fails="could run any code",
    )


def test_the_number_format_stays_unless_another_is_asked_for(lora_of, tool, tmp_path):
    half, out = tmp_path / "half.safetensors", tmp_path / "out.safetensors"
    save_file({key: tensor.half() for key, tensor in load_file(lora_of()).items()}, half)
    for words, kind in ((("--to", "peft"), "F16"), ((), "F16"), (("--save_precision", "bf16"), "BF16")):
        tool("convert_lora", "--model", half, "--save_to", out, *words)
        assert {entry.dtype for entry in read_header(out).tensors.values()} == {kind}
