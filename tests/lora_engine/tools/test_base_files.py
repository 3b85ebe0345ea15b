"""Merging into base models and extracting from them, in all families, against the LoRA applied at run time."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lora_engine.families import load
from lora_engine.networks.lora import LoraNetwork
from lora_engine.networks.shown import ShownLora
from lora_engine.tools.layers import layer_of
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.loras.targets import targets
from sd_contract.tensors.tensor_files import verify_safetensors
from tests.lora_engine.lycoris_files import LycorisNetworks, parts_of
from tests.lora_engine.pipelines import noise_of
from tests.lora_engine.tools.conftest import changes, farthest

FAMILIES = ("sd1", "sd2", "sdxl")
ROUNDING = 5e-6
"""Of predicted noise and of changes of about 1, with everything in 32 bits. Measured: 8e-7 and 1.5e-6."""


def merged(tool, base, loras, ratios, out, *words):
    script = "sdxl_merge_lora" if "sdxl" in base.name else "merge_lora"
    tool(script, "--sd_model", base, "--models", *loras, "--ratios", *ratios, "--save_to", out, *words)
    return out


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_merged_model_predicts_what_the_lora_does_at_run_time(
    family, tiny_models, lora_of, model_of, tool, tmp_path
):
    lora = lora_of(family, rank=3, alpha=1.5, conv=(2, 1.0))
    out = merged(
        tool,
        tiny_models[family],
        [lora],
        [0.7],
        tmp_path / f"{family} merged.safetensors",
        "--save_precision",
        "float",
    )
    model = model_of(family)
    alone = noise_of(model)
    network = LoraNetwork.from_file(lora, model.unet, model.text_encoder)
    network.multiplier = 0.7
    wanted = noise_of(model)
    found = noise_of(load(inspect_trainable(out)))

    assert float((wanted - alone).abs().max()) > 0.01
    assert float((found - wanted).abs().max()) < ROUNDING


@pytest.mark.parametrize("family", FAMILIES)
def test_what_no_lora_changes_stays_to_the_last_bit(family, tiny_models, lora_of, tool, tmp_path):
    base, lora = tiny_models[family], lora_of(family)
    out = merged(tool, base, [lora], [1], tmp_path / f"{family}.safetensors")
    before, after = load_file(base), load_file(out)
    layers = targets(inspect_trainable(base), verify_safetensors(base).shapes)
    touched = {layers[name].place.name for name in changes(lora)}

    assert list(verify_safetensors(out).tensors) == list(verify_safetensors(base).tensors)
    assert {name for name in before if not torch.equal(before[name], after[name])} == touched
    assert all(before[name].dtype == after[name].dtype for name in before)
    with safe_open(out, "pt") as file, safe_open(base, "pt") as old:
        told, said = file.metadata(), old.metadata()
    assert told["train_tools.base_model"] == said["train_tools.base_model"]
    assert told["modelspec.merged_from"] == f"{base.stem}, {lora.stem}"


def test_each_weight_is_rounded_once(tiny_models, lora_of, tool, tmp_path):
    base, both = tiny_models["sd1"], [lora_of(), lora_of(seed=1, rank=4)]
    out = merged(tool, base, both, [0.7, -2], tmp_path / "x.safetensors")
    before, after = load_file(base), load_file(out)
    layers = targets(inspect_trainable(base), verify_safetensors(base).shapes)
    first, second = map(changes, both)
    for name in first:
        key = layers[name].place.name
        exact = before[key].double() + (0.7 * first[name] - 2 * second[name]).reshape(before[key].shape)
        assert float((after[key].double() - exact).abs().max() / exact.abs().max()) < 2**-11 + 1e-6


def test_numbers_are_cast_when_that_is_asked_for(tiny_models, lora_of, tool, tmp_path):
    words = ("--save_precision", "bf16", "--precision", "float", "--no_metadata")
    out = merged(tool, tiny_models["sd1"], [lora_of()], [1], tmp_path / "x.safetensors", *words)
    kinds = {entry.dtype for entry in verify_safetensors(out).tensors.values()}
    assert kinds == {"BF16", "I64"}


def test_a_ckpt_is_read_and_a_safetensors_written(tiny_models, lora_of, tool, tmp_path):
    pickled = tmp_path / "old.ckpt"
    torch.save({"state_dict": load_file(tiny_models["sd1"])}, pickled)
    one = merged(tool, pickled, [lora_of()], [1], tmp_path / "one.safetensors")
    other = merged(tool, tiny_models["sd1"], [lora_of()], [1], tmp_path / "other.safetensors")
    first, second = load_file(one), load_file(other)
    assert all(torch.equal(first[name], second[name]) for name in second)


def random(*shape):
    return 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


KRON = [
    ({"lokr_w1": (2, 2), "lokr_w2_a": (4, 3), "lokr_w2_b": (3, 4)}, 3),
    ({"lokr_w1": (2, 2), "lokr_w2": (4, 4)}, 1),
]


@pytest.mark.parametrize("form", ["loha", "loha conv", "lokr", "lokr whole", "mid", "diff"])
def test_lycoris_layers_are_merged_by_their_formulas(form, tiny_models, tool, tmp_path):
    attention, conv = (
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_mid_block_resnets_0_conv1",
    )
    name = conv if form in ("loha conv", "mid") else attention
    width = 16 if name == conv else 8
    key = "model.diffusion_model." + (
        "middle_block.0.in_layers.2.weight"
        if name == conv
        else "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    )
    leaves = {
        "loha": {"hada_w1_a": (8, 2), "hada_w1_b": (2, 8), "hada_w2_a": (8, 2), "hada_w2_b": (2, 8)},
        "loha conv": {"hada_w1_a": (16, 2), "hada_w1_b": (2, 144), "hada_w2_a": (16, 2), "hada_w2_b": (2, 144)},
        "lokr": KRON[0][0],
        "lokr whole": KRON[1][0],
        "mid": {
            "lora_down.weight": (2, 16, 1, 1),
            "lora_mid.weight": (2, 2, 3, 3),
            "lora_up.weight": (16, 2, 1, 1),
        },
        "diff": {"diff": (8, 8)},
    }[form]
    tensors = {leaf: random(*shape) for leaf, shape in leaves.items()}
    lora = tmp_path / "lyco.safetensors"
    save_file({f"{name}.{leaf}": t for leaf, t in tensors.items()} | {f"{name}.alpha": torch.tensor(1.5)}, lora)
    out = merged(tool, tiny_models["sd1"], [lora], [2], tmp_path / "x.safetensors", "--save_precision", "float")
    n = {leaf: tensor.double().numpy() for leaf, tensor in tensors.items()}
    wanted = {
        "loha": lambda: 0.75 * (n["hada_w1_a"] @ n["hada_w1_b"]) * (n["hada_w2_a"] @ n["hada_w2_b"]),
        "loha conv": lambda: 0.75 * (n["hada_w1_a"] @ n["hada_w1_b"]) * (n["hada_w2_a"] @ n["hada_w2_b"]),
        "lokr": lambda: 0.5 * np.kron(n["lokr_w1"], n["lokr_w2_a"] @ n["lokr_w2_b"]),
        "lokr whole": lambda: np.kron(n["lokr_w1"], n["lokr_w2"]),
        "mid": lambda: (
            0.75
            * np.einsum(
                "or,rskl,si->oikl",
                n["lora_up.weight"][..., 0, 0],
                n["lora_mid.weight"],
                n["lora_down.weight"][..., 0, 0],
            )
        ),
        "diff": lambda: n["diff"],
    }[form]()
    before, after = load_file(tiny_models["sd1"])[key].double(), load_file(out)[key].double()
    assert before.shape[0] == width
    assert float((after - before - 2 * torch.tensor(wanted).reshape(before.shape)).abs().max()) < 1e-6


@torch.no_grad()
@pytest.mark.parametrize("kind", ["DoRA", "GLoRA", "OFT", "IA3"])
def test_kinds_that_need_the_weight_they_change_are_merged_as_they_are_shown(
    kind, tiny_models, model_of, tool, tmp_path
):
    lora = LycorisNetworks(parts_of(model_of("sd2")), kind, strength=0.1).save(tmp_path / "lyco.safetensors")
    out = tmp_path / "merged.safetensors"
    merged(tool, tiny_models["sd2"], [lora], [0.5], out, "--save_precision", "float")
    model = model_of("sd2")
    shown = ShownLora(model)
    shown.show(lora)
    shown.act([0.5])
    wanted = noise_of(model)
    assert float((noise_of(load(inspect_trainable(out))) - wanted).abs().max()) < ROUNDING
    assert float((noise_of(model_of("sd2")) - wanted).abs().max()) > 0.01


def test_a_convolution_of_lokr_is_a_product_of_kernels():
    leaves = {"lokr_w1": random(2, 2), "lokr_w2": random(4, 4, 3, 3)}
    found = layer_of("x", leaves).change(torch.zeros(8, 8, 3, 3))
    for k in range(3):
        wanted = np.kron(leaves["lokr_w1"].numpy(), leaves["lokr_w2"][..., k, 1].numpy())
        assert np.abs(found[..., k, 1].numpy() - wanted).max() < 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_merged_is_extracted_again(family, tiny_models, lora_of, tool, tmp_path):
    lora = lora_of(family, rank=2, alpha=1.0, conv=(2, 1.0))
    tuned = merged(
        tool, tiny_models[family], [lora], [1], tmp_path / f"{family}.safetensors", "--save_precision", "float"
    )
    out = tmp_path / "back.safetensors"
    words = (
        "--dim",
        2,
        "--conv_dim",
        2,
        "--clamp_quantile",
        1,
        "--sdxl" if family == "sdxl" else "--v_parameterization",
    )
    tool(
        "extract_lora_from_models",
        "--model_org",
        tiny_models[family],
        "--model_tuned",
        tuned,
        "--save_to",
        out,
        *words,
    )
    assert farthest(changes(out), changes(lora)) < ROUNDING
    found, wanted = load_file(out), load_file(lora)
    assert {key: t.shape for key, t in found.items()} == {key: t.shape for key, t in wanted.items()}
    with safe_open(out, "pt") as file:
        told = file.metadata()
    assert told["ss_network_args"] == '{"conv_dim": "2", "conv_alpha": "2.0"}'
    assert told["ss_v2"] == str(family == "sd2")


def test_text_encoders_that_hardly_differ_are_left_out(tiny_models, lora_of, tool, tmp_path):
    tuned = merged(tool, tiny_models["sd1"], [lora_of()], [1], tmp_path / "t.safetensors", "--lbws", "BASE=0.0001")
    words = ("--model_org", tiny_models["sd1"], "--model_tuned", tuned)
    tool("extract_lora_from_models", *words, "--save_to", tmp_path / "a.safetensors")
    tool("extract_lora_from_models", *words, "--save_to", tmp_path / "b.safetensors", "--min_diff", 0)
    assert not any("_te_" in name for name in changes(tmp_path / "a.safetensors"))
    assert any("_te_" in name for name in changes(tmp_path / "b.safetensors"))


def test_two_models_alike_have_nothing_to_extract(tiny_models, tool, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(tiny_models["sd1"].read_bytes())
    words = ("--model_org", tiny_models["sd1"], "--save_to", tmp_path / "x.safetensors")
    tool("extract_lora_from_models", *words, "--model_tuned", copy, fails="nothing to extract")
    tool("extract_lora_from_models", *words, "--model_tuned", tiny_models["sd2"], fails="one family")
    assert not (tmp_path / "x.safetensors").exists()
