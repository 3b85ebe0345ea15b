from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.full_size import write_hollow_model
from sd_contract.errors import BaseModelError
from tests.engines.conformance import POCKET
from train_tools.memory.blocks import Block, text_blocks, unet_blocks
from train_tools.memory.estimate import CONTEXT_BYTES, MemoryEstimate, memory_of
from train_tools.memory.numbers import FULL
from train_tools.memory.sizes import Sizes, inspected
from train_tools.runs.costs import checkpoint_bytes

GIB = 2**30
MEASURED = json.loads((Path(__file__).parent / "measured.json").read_text(encoding="utf-8"))
"""Peaks on a CPU, as benchmarks/memory.py measured them: a full-size SD1.5, Linux, two cores."""
BF16 = {"mixed_precision": "bf16"}
UNET_ONLY = {"network_train_unet_only": True}
CHECKPOINTING = {"gradient_checkpointing": True}


@pytest.fixture(scope="session")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hollow_model(tmp_path_factory.mktemp("full size") / "sd1.safetensors")


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hollow_model(tmp_path_factory.mktemp("full size") / "sdxl.safetensors", "sdxl")


def kept(blocks: list[Block]) -> int:
    return sum(block.held + block.normed for block in blocks)


@pytest.mark.parametrize("point", MEASURED["bundled"], ids=lambda point: point["case"])
def test_the_estimate_is_within_a_quarter_of_what_was_measured(sd1, point):
    estimate = memory_of(point["options"], sd1, device="cpu")
    assert estimate.bytes == pytest.approx(point["peak_bytes"], rel=0.25)


@pytest.mark.parametrize("point", MEASURED["kohya"], ids=lambda point: point["case"])
def test_so_it_is_for_kohyas_scripts(sd1, point):
    estimate = memory_of(point["options"], sd1, engine="kohya", device="cpu")
    assert estimate.bytes == pytest.approx(point["peak_bytes"], rel=0.25)


def test_enough_was_measured():
    assert len(MEASURED["bundled"]) >= 8


@pytest.mark.parametrize(
    ("family", "size_px", "whole_gib", "checkpointed_gib"), [("sd1", 512, 0.87, 0.14), ("sdxl", 1024, 6.3, 0.53)]
)
def test_what_is_kept_is_what_autograd_was_seen_to_save(request, family, size_px, whole_gib, checkpointed_gib):
    """Counted with saved_tensors_hooks on full-size networks without numbers, two bytes a number, no LoRA's inner
    values of note."""
    base = inspected(request.getfixturevalue(family))
    blocks = list(unet_blocks(base.unet, size_px // 8, size_px // 8))
    again = sum(block.enters if block.recomputed else block.held + block.normed for block in blocks)
    assert 2 * kept(blocks) / GIB == pytest.approx(whole_gib, rel=0.03)
    assert 2 * again / GIB == pytest.approx(checkpointed_gib, rel=0.06)


def test_a_lora_has_the_weights_that_its_file_has(sd1):
    base = inspected(sd1)
    sides = sum(block.sides for block in (*unet_blocks(base.unet, 64, 64), *text_blocks(base.text_encoder, 1)))
    file_bytes = [checkpoint_bytes({"network_dim": rank}, sd1) for rank in (4, 12)]
    assert file_bytes[1] - file_bytes[0] == FULL * 8 * sides


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({}, {"resolution": "768"}),
        ({}, {"train_batch_size": 2}),
        (CHECKPOINTING, {}),
        (BF16, {}),
        (UNET_ONLY, {}),
        ({}, {"network_dim": 128}),
        ({"network_dim": 128, "optimizer_type": "AdamW8bit"}, {"network_dim": 128}),
        ({"network_dim": 128, "optimizer_type": "Lion"}, {"network_dim": 128}),
        ({"network_dim": 128, "optimizer_type": "AdaFactor"}, {"network_dim": 128, "optimizer_type": "Lion"}),
        ({}, {"network_args": ["conv_dim=64"]}),
        ({}, {"shuffle_caption": True}),
        ({}, {"random_crop": True}),
        ({"cache_latents": True}, {"cache_latents": True, "dynamic_crop": True}),
        ({"dynamic_crop": True}, {"dynamic_crop": True, "dynamic_crop_resolution": "768"}),
    ],
)
def test_what_needs_more_is_estimated_higher(sd1, less, more):
    common = {"resolution": "512", "train_batch_size": 1, "network_dim": 8}
    common |= UNET_ONLY if "shuffle_caption" in more else {}
    needs = [memory_of({**common, **options}, sd1, device="cuda").bytes for options in (less, more)]
    assert needs[0] < needs[1]


def parts_at(options: dict[str, Any], path: Path, engine: str = "bundled") -> MemoryEstimate:
    return memory_of({"resolution": "512", **options}, path, engine=engine, device="cuda")


def test_a_card_for_sd15_and_for_sdxl(sd1, sdxl):
    """Known from use: SD1.5 in half precision fits a card of 6 GB, SDXL with checkpointing one of 12."""
    assert 2e9 < parts_at({**BF16, "network_dim": 32}, sd1).bytes < 6e9
    told = {**BF16, **CHECKPOINTING, **UNET_ONLY, "network_dim": 32, "resolution": "1024"}
    assert 6e9 < parts_at(told, sdxl).bytes < 12e9
    without = {name: value for name, value in told.items() if name != "gradient_checkpointing"}
    assert parts_at(without, sdxl).bytes > 14e9


def test_the_parts_are_those_of_the_hungriest_phase(sd1):
    estimate = parts_at({}, sd1)
    assert estimate.bytes == sum(estimate.parts.values()) == max(phase.bytes for phase in estimate.phases)
    assert {"base model", "activations", "gradients", "LoRA and optimizer"} <= set(estimate.parts)
    assert not estimate.rough


def test_a_run_of_large_images_may_need_most_while_they_are_encoded(sd1):
    estimate = parts_at({**BF16, **UNET_ONLY, **CHECKPOINTING, "resolution": "1536", "network_dim": 4}, sd1)
    assert estimate.peak.name == "encoding the images"


def test_plain_attention_needs_much_more(sd1):
    plain = parts_at({"sdpa": False}, sd1, "kohya").bytes
    assert plain > 1.5 * parts_at({}, sd1, "kohya").bytes
    assert parts_at({"sdpa": False}, sd1).bytes == parts_at({}, sd1).bytes


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"train_batch_size": 8}, "batch size 1 instead of 8"),
        ({"train_batch_size": 1, "resolution": "768", **BF16, **UNET_ONLY}, "gradient checkpointing"),
        ({"train_batch_size": 1, **CHECKPOINTING}, "mixed_precision bf16"),
    ],
)
def test_the_lever_is_what_takes_most_off(sd1, options, says):
    lever = parts_at(options, sd1).lever
    assert says in lever
    assert "GB less" in lever


def test_where_nothing_takes_much_off_there_is_no_lever(sd1):
    told = {**BF16, **UNET_ONLY, **CHECKPOINTING, "network_dim": 4, "train_batch_size": 1, "fp8_base": True}
    assert parts_at(told, sd1).lever == ""


def test_of_other_families_a_rule_of_thumb_is_told(tmp_path):
    flux, encoder = tmp_path / "flux1-dev.safetensors", tmp_path / "t5xxl.safetensors"
    for path, size in ((flux, 2_400_000_000), (encoder, 900_000_000)):
        with path.open("wb") as file:
            file.truncate(size)
    told = {"t5xxl": str(encoder), "cache_text_encoder_outputs": True, "resolution": "1024", **CHECKPOINTING}
    estimate = memory_of(told, flux, engine="kohya", device="cuda")
    assert estimate.rough
    assert 2.4e9 < estimate.bytes - CONTEXT_BYTES < 3.6e9
    assert memory_of({**told, "fp8_base": True}, flux, engine="kohya", device="cuda").bytes < estimate.bytes - 1e9


def test_the_bundled_trainer_says_what_is_wrong_with_a_file(tmp_path):
    with pytest.raises(BaseModelError, match="does not exist"):
        memory_of({}, tmp_path / "none.safetensors")


def test_a_model_that_was_replaced_is_read_again(sd1, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(POCKET.read_bytes())
    small = memory_of({}, path).bytes
    path.unlink()
    path.symlink_to(sd1)
    assert memory_of({}, path).bytes > 3 * small


@pytest.mark.parametrize(
    ("arguments", "learning"),
    [
        (("preset=unet-only",), 4_232_864),
        (("preset=attn-mlp", "algo=loha"), 2 * 2_359_296),
        (("preset=unet-transformer-only", "algo=full"), 267_139_520),
    ],
)
def test_a_network_of_lycoris_has_about_the_weights_that_are_trained(sd1, arguments, learning):
    """Counted by putting the network on a U-Net and a text encoder of full size."""
    options = {"network_module": "lycoris.kohya", "network_dim": 4, "network_args": arguments}
    sizes = Sizes(options, inspected(sd1), engine="bundled", on_gpu=True)

    assert checkpoint_bytes(options, sd1) == sizes.weight_bytes
    assert sizes.weight_bytes / 4 == pytest.approx(learning, rel=0.05)
