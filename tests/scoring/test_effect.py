"""How much a LoRA changes each layer, against the product that the engine makes of the same file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from train_tools.model.checkpoint import Checkpoint
from train_tools.model.score import Remark, Score, Unscored
from train_tools.scoring.measured import Measured, Measurement
from train_tools.scoring.scorer import Subject
from train_tools.scoring.scorers import effect

LAYER = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def lora(down: torch.Tensor, up: torch.Tensor, alpha: float | None = None, layer: str = LAYER):
    tensors = {f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up}
    return tensors if alpha is None else {**tensors, f"{layer}.alpha": torch.tensor(alpha)}


def subject(folder: Path, tensors: dict[str, torch.Tensor]) -> Subject:
    file = folder / "кот [1].safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    checkpoint = Checkpoint(run="r", path=file, size_bytes=1, modified=0.0, epoch=1, step=1, final=True)
    measurement = Measurement(base="b", dataset="d")
    return Subject(
        checkpoint=checkpoint, content="c", measurement=measurement, measured=Measured(folder / "scores")
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kernel", [(), (3, 3)])
def test_a_layers_effect_is_the_norm_of_its_change(tmp_path, kernel, dtype):
    down, up = drawn(4, 6, *kernel).to(dtype), drawn(10, 4, *(1 for _ in kernel)).to(dtype)
    change = (up.double().flatten(1) @ down.double().flatten(1)) * (2.0 / 4)
    found = effect.effects_in(subject(tmp_path, lora(down, up, 2.0)).checkpoint.path)
    assert found[LAYER] == pytest.approx(change.norm().item() / math.sqrt(10), rel=1e-9)


def test_without_alpha_the_rank_is_it(tmp_path):
    down, up = drawn(4, 6), drawn(10, 4)
    found = effect.effects_in(subject(tmp_path, lora(down, up)).checkpoint.path)
    assert found[LAYER] == pytest.approx((up @ down).norm().item() / math.sqrt(10), rel=1e-5)


def test_hadamard_products_are_multiplied_first(tmp_path):
    parts = {leaf: drawn(*shape) for leaf, shape in zip(effect.HADAMARD, [(10, 4), (4, 6)] * 2, strict=True)}
    w1a, w1b, w2a, w2b = parts.values()
    tensors = {f"{LAYER}.{leaf}": tensor for leaf, tensor in parts.items()}
    found = effect.effects_in(subject(tmp_path, tensors).checkpoint.path)
    assert found[LAYER] == pytest.approx(((w1a @ w1b) * (w2a @ w2b)).norm().item() / math.sqrt(10), rel=1e-5)


def test_inputs_of_size_one_make_outputs_of_that_size(tmp_path):
    down, up = drawn(4, 64), drawn(96, 4) * 0.1
    said = drawn(4000, 64) @ down.T @ up.T
    found = effect.effects_in(subject(tmp_path, lora(down, up)).checkpoint.path)
    assert found[LAYER] == pytest.approx(said.square().mean().sqrt().item(), rel=0.05)


@pytest.mark.parametrize(
    ("strength", "remarks"),
    [(0.0, (Remark.NO_EFFECT,)), (0.01, ()), (10.0, (Remark.BURNT,)), (math.nan, (Remark.BURNT,))],
)
def test_what_changes_nothing_or_too_much_is_remarked(tmp_path, strength, remarks):
    scored = effect.score(subject(tmp_path, lora(drawn(4, 6), drawn(10, 4) * strength)))
    assert isinstance(scored, Score)
    assert scored.remarks == remarks
    assert (scored.value is None) == math.isnan(strength)


def test_files_of_other_kinds_and_broken_ones_are_not_judged(tmp_path):
    other = effect.score(subject(tmp_path, {f"{LAYER}.oft_diag": drawn(4, 4)}))
    assert isinstance(other, Unscored)
    assert "LoHa" in other.reason
    (tmp_path / "cut").mkdir()
    cut = subject(tmp_path / "cut", lora(drawn(4, 6), drawn(10, 4)))
    cut.checkpoint.path.write_bytes(cut.checkpoint.path.read_bytes()[:-3])
    assert isinstance(effect.score(cut), Unscored)


def test_blocks_have_the_names_that_block_weights_have():
    layers = {
        LAYER: 0.1,
        "lora_te_text_model_encoder_layers_0_mlp_fc1": 0.2,
        "lora_te_text_model_encoder_layers_1_mlp_fc1": 0.4,
        "lora_unet_mid_block_attentions_0_proj_in": 0.5,
        "lycoris_x": 0.6,
    }
    means = {"BASE": pytest.approx(0.3), "IN04": 0.1, "MID": 0.5, "other": 0.6}
    assert effect.by_block(layers, is_sdxl=False) == means
    sdxl = {"lora_unet_output_blocks_3_1_proj_in": 0.1, "lora_te2_text_model_encoder_layers_0_mlp_fc1": 0.2}
    assert effect.by_block(sdxl, is_sdxl=True) == {"BASE": 0.2, "OUT03": 0.1}
