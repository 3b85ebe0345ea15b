"""Merging LoRAs with each other: against kohya's formulas and what they do together, in 64 bits."""

import json
import math

import pytest
import torch
from safetensors import safe_open

from sd_contract.loras.blocks import block_label
from tests.lora_engine.tools.conftest import change_of, changes, farthest, raw

ROUNDING = 2e-6
"""Of changes of about 1, worked out in 32 bits. Measured: 2e-8 side by side."""
DOWN, UP, ALPHA = "lora_down.weight", "lora_up.weight", "alpha"


@pytest.fixture
def pair(lora_of):
    return lora_of(rank=2, alpha=1.0), lora_of(rank=3, alpha=6.0, conv=(2, 1.0), seed=1)


def summed(paths, ratios):
    total = {}
    for path, ratio in zip(paths, ratios, strict=True):
        for name, change in changes(path).items():
            total[name] = total.get(name, 0) + ratio * change
    return total


def metadata_of(path):
    with safe_open(path, "pt") as file:
        return file.metadata()


def test_exactly_merged_loras_act_as_they_do_together(pair, tool, tmp_path):
    out = tmp_path / "a new folder 猫" / "both.safetensors"
    tool("merge_lora", "--models", *pair, "--ratios", 0.7, -0.5, "--exact", "--save_to", out)
    assert farthest(changes(out), summed(pair, (0.7, -0.5))) < ROUNDING


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_so_they_do_in_other_families(family, lora_of, tool, tmp_path):
    both = [lora_of(family, rank=rank, seed=rank) for rank in (2, 3)]
    out = tmp_path / "both.safetensors"
    script = "sdxl_merge_lora" if family == "sdxl" else "merge_lora"
    tool(script, "--models", *both, "--ratios", 1, 0.5, "--exact", "--save_to", out)
    assert farthest(changes(out), summed(both, (1, 0.5))) < ROUNDING


def kohya(paths, ratios, concat):
    """The formula of networks/merge_lora.py, key by key."""
    files = [raw(path) for path in paths]
    merged, base_alpha = {}, {}
    for file, ratio in zip(files, ratios, strict=True):
        for key in file:
            layer, _, leaf = key.partition(".")
            if leaf == ALPHA:
                continue
            base_alpha.setdefault(layer, file[f"{layer}.{ALPHA}"])
            scale = math.sqrt(file[f"{layer}.{ALPHA}"] / base_alpha[layer]) * ratio
            part = file[key] * (abs(scale) if leaf == UP else scale)
            if key not in merged:
                merged[key] = part
            elif concat:
                merged[key] = torch.cat([merged[key], part], 1 if leaf == UP else 0)
            else:
                merged[key] = merged[key] + part
    return merged | {f"{layer}.{ALPHA}": alpha for layer, alpha in base_alpha.items()}


@pytest.mark.parametrize("concat", [False, True])
def test_without_exact_the_numbers_are_kohyas(concat, lora_of, tool, tmp_path):
    both = [lora_of(alpha=1.0), lora_of(alpha=4.0, seed=1)]
    out = tmp_path / "both.safetensors"
    told = tool("merge_lora", "--models", *both, "--ratios", 0.7, -0.5, "--save_to", out, *["--concat"] * concat)
    found, wanted = raw(out), kohya(both, (0.7, -0.5), concat)
    assert found.keys() == wanted.keys()
    assert max(float((found[key] - wanted[key]).abs().max()) for key in wanted) < ROUNDING
    assert "--exact" in told


def test_shuffling_changes_the_order_and_no_change(lora_of, tool, tmp_path):
    both = [lora_of(rank=4, alpha=1.0), lora_of(rank=4, alpha=4.0, seed=1)]
    for name, words in (("plain", ()), ("shuffled", ("--shuffle",))):
        tool("merge_lora", "--models", *both, "--concat", *words, "--save_to", tmp_path / f"{name}.safetensors")
    plain, shuffled = tmp_path / "plain.safetensors", tmp_path / "shuffled.safetensors"
    assert farthest(changes(shuffled), changes(plain)) < ROUNDING
    assert any(not torch.equal(raw(plain)[key], raw(shuffled)[key]) for key in raw(plain))


def test_ranks_that_differ_are_not_added_up(pair, tool, tmp_path):
    tool("merge_lora", "--models", *pair, "--save_to", tmp_path / "x.safetensors", fails="different ranks")


def test_block_weights_are_baked_in(lora_of, tool, tmp_path):
    lora, out = lora_of(conv=(2, 1.0)), tmp_path / "weighted.safetensors"
    weights = {"BASE": 0.25, "IN01": 0.5, "MID": 0.0, "OUT03": -1.0}
    text = ",".join(f"{name}={weight}" for name, weight in weights.items())
    tool("merge_lora", "--models", lora, "--lbws", text, "--exact", "--save_to", out)
    wanted = {
        name: weights.get(block_label(name, is_sdxl=False), 1.0) * change for name, change in changes(lora).items()
    }
    assert farthest(changes(out), wanted) < ROUNDING


def test_a_list_of_kohya_weighs_sdxls_blocks(lora_of, tool, tmp_path):
    lora, out = lora_of("sdxl"), tmp_path / "weighted.safetensors"
    twelve = [0.5, *[1] * 10, 0]
    tool("svd_merge_lora", "--models", lora, "--lbws", json.dumps(twelve), "--save_to", out, "--clamp_quantile", 1)
    labels = {"BASE": 0.5, "OUT05": 0.0}
    wanted = {
        name: labels.get(block_label(name, is_sdxl=True), 1.0) * change for name, change in changes(lora).items()
    }
    assert farthest(changes(out), wanted) < ROUNDING


@pytest.mark.parametrize("quantile", [1.0, 0.99, 0.5])
def test_an_svd_merge_is_the_nearest_of_its_rank(quantile, pair, tool, tmp_path):
    out = tmp_path / "near.safetensors"
    words = ("--new_rank", 2, "--new_conv_rank", 1, "--clamp_quantile", quantile)
    tool("svd_merge_lora", "--models", *pair, "--ratios", 0.7, -0.5, *words, "--save_to", out)
    near = changes(out)
    for name, change in summed(pair, (0.7, -0.5)).items():
        rank = 1 if change.ndim == 4 and change.shape[2:] != (1, 1) else 2
        u, s, vh = torch.linalg.svd(change.flatten(1), full_matrices=False)
        up, down = u[:, :rank] * s[:rank], vh[:rank]
        found = near[name].flatten(1)
        if quantile == 1:
            assert float((found - up @ down).abs().max()) < ROUNDING
        else:
            assert found.abs().max() < (up @ down).abs().max() + ROUNDING
            assert float(found.norm()) <= float((up @ down).norm()) + ROUNDING
    assert float(raw(out)[f"{name}.{ALPHA}"]) == rank


def test_what_is_cut_is_kohyas_quantile(lora_of, tool, tmp_path):
    lora, out = lora_of(), tmp_path / "cut.safetensors"
    tool("svd_merge_lora", "--models", lora, "--new_rank", 2, "--clamp_quantile", 0.9, "--save_to", out)
    found = raw(out)
    for name, change in changes(lora).items():
        u, s, vh = torch.linalg.svd(change.flatten(1).float(), full_matrices=False)
        up, down = found[f"{name}.{UP}"].flatten(1), found[f"{name}.{DOWN}"].flatten(1)
        own_up, own_down = u[:, :2] * s[:2], vh[:2]  # with the signs that decomposing the whole gives
        limit = torch.quantile(torch.cat([own_up.flatten(), own_down.flatten()]), 0.9)
        assert float((up - own_up.clamp(-limit, limit)).abs().max()) < ROUNDING * 10
        assert float((down - own_down.clamp(-limit, limit)).abs().max()) < ROUNDING * 10


def test_the_file_tells_what_it_is_made_of(pair, tool, tmp_path):
    out = tmp_path / "my merge.safetensors"
    tool("merge_lora", "--models", *pair, "--exact", "--save_precision", "fp16", "--save_to", out)
    told = metadata_of(out)
    assert told["ss_base_model_version"] == "sd_v1"
    assert told["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert told["modelspec.title"] == "my merge"
    assert told["modelspec.merged_from"] == ", ".join(path.stem for path in pair)
    assert (told["ss_network_dim"], told["ss_network_module"]) == ("Dynamic", "networks.lora")
    assert len(told["sshs_model_hash"]) == 64
    from sd_contract.tensors.tensor_files import data_sha256

    assert told["sshs_model_hash"] == data_sha256(out)
    with safe_open(out, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118


def test_without_metadata_only_what_loaders_need_is_left(pair, tool, tmp_path):
    out = tmp_path / "x.safetensors"
    tool("merge_lora", "--models", *pair, "--exact", "--no_metadata", "--save_to", out)
    assert not [key for key in metadata_of(out) if key.startswith("modelspec")]
    assert metadata_of(out)["ss_base_model_version"] == "sd_v1"


def test_a_change_of_64_bits_is_what_a_layer_says_of_itself(lora_of):
    from lora_engine.tools.lora_files import open_lora

    for layer in open_lora(lora_of(conv=(2, 1.0)), torch.float64).layers.values():
        wanted = change_of(layer)
        assert torch.allclose(layer.change(torch.zeros_like(wanted)), wanted, atol=1e-12)
