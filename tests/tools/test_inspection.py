"""What is told of LoRA files, against norms worked out on whole matrices in 64 bits."""

import xml.etree.ElementTree as Xml
from math import sqrt

import numpy as np
import pytest
from safetensors.numpy import save_file

from sd_contract.errors import CheckpointError
from train_tools.errors import OptionValueError
from train_tools.tools.chart import chart_of
from train_tools.tools.inspection import inspect_lora

ATTENTION = "lora_unet_down_blocks_0_attentions_0_proj_in"
CONV = "lora_unet_mid_block_resnets_0_conv1"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"
SHAPES = {
    ATTENTION: ((8, 3, 1, 1), (3, 8, 1, 1), 1.5),
    CONV: ((16, 2, 1, 1), (2, 16, 3, 3), 2.0),
    TEXT: ((32, 3), (3, 8), 6.0),
}


def numbers(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.fixture
def tensors():
    made = {}
    for name, (up, down, alpha) in SHAPES.items():
        made[f"{name}.lora_up.weight"], made[f"{name}.lora_down.weight"] = numbers(*up), numbers(*down)
        made[f"{name}.alpha"] = np.array(alpha, np.float32)
    return made


@pytest.fixture
def save(tmp_path):
    def saved(tensors, metadata=None, name="it's <b> & 猫"):
        path = tmp_path / f"{name}.safetensors"
        save_file(tensors, path, metadata)
        return path

    return saved


def norm_of(name, tensors):
    up = tensors[f"{name}.lora_up.weight"].astype(np.float64)
    down = tensors[f"{name}.lora_down.weight"].astype(np.float64)
    change = up.reshape(len(up), -1) @ down.reshape(len(down), -1)
    return float(tensors[f"{name}.alpha"]) / len(down) * np.linalg.norm(change)


def test_norms_ranks_and_alphas_are_told_by_block(tensors, save):
    path = save(tensors, {"ss_base_model_version": "sd_v1"})
    facts = inspect_lora(path)
    assert (facts.kind, facts.family, facts.layers, facts.formats) == ("LoCon", "sd1", 3, ("F32",))
    assert (facts.ranks, facts.alphas) == ({2: 1, 3: 2}, {1.5: 1, 2.0: 1, 6.0: 1})
    told = {block.block: block.norm for block in facts.blocks}
    wanted = {"BASE": TEXT, "IN01": ATTENTION, "MID": CONV}
    assert told == {block: pytest.approx(norm_of(name, tensors), rel=1e-9) for block, name in wanted.items()}
    assert facts.norm == pytest.approx(sqrt(sum(norm**2 for norm in told.values())))
    assert facts.strongest[0][1] == max(told.values())
    assert facts.notes == ()


def test_the_chart_is_a_picture_with_a_bar_for_each_block(tensors, save):
    facts = inspect_lora(save(tensors))
    picture = Xml.fromstring(chart_of(facts))
    bars = picture.findall("{http://www.w3.org/2000/svg}rect")[1:]
    longest = max(float(bar.get("width")) for bar in bars)
    for bar, block in zip(bars, facts.blocks, strict=True):
        share = block.norm / max(each.norm for each in facts.blocks)
        assert float(bar.get("width")) == pytest.approx(share * longest, abs=0.1)
    assert [each.text.split(":")[1] for each in picture.iter() if ": norm" in (each.text or "")]


def test_bfloat_and_half_are_read(tmp_path, tensors):
    import torch
    from safetensors.torch import save_file as save_torch

    for dtype, within in ((torch.bfloat16, 0.02), (torch.float16, 2e-3), (torch.float64, 1e-9)):
        path = tmp_path / f"{dtype}.safetensors"
        save_torch({name: torch.tensor(value).to(dtype) for name, value in tensors.items()}, path)
        assert inspect_lora(path).norm == pytest.approx(
            sqrt(sum(norm_of(name, tensors) ** 2 for name in SHAPES)), rel=within
        )


def test_layers_without_effect_and_spoilt_ones_are_told(tensors, save):
    tensors[f"{TEXT}.lora_up.weight"][:] = 0
    facts = inspect_lora(save(tensors))
    assert (facts.silent, facts.notes) == ((TEXT,), ("1 of 3 layers change nothing.",))
    for name in SHAPES:
        tensors[f"{name}.lora_up.weight"][:] = 0
    assert inspect_lora(save(tensors)).notes == ("All layers change nothing: the LoRA has no effect.",)
    tensors[f"{CONV}.lora_down.weight"][0, 0, 0, 0] = np.nan
    facts = inspect_lora(save(tensors))
    assert facts.spoilt == (CONV,)
    assert "no numbers" in facts.notes[0]


def test_what_can_not_be_looked_at_is_told(tensors, save, tmp_path):
    path = save(tensors)
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="cut short"):
        inspect_lora(tmp_path / "cut.safetensors")
    with pytest.raises(OptionValueError, match="lora convert"):
        inspect_lora(tmp_path / "old.pt")
    with pytest.raises(CheckpointError, match="is no LoRA"):
        inspect_lora(save({"encoder.weight": numbers(2, 2)}))
    del tensors[f"{TEXT}.lora_up.weight"]
    with pytest.raises(CheckpointError, match="lacks lora_up"):
        inspect_lora(save(tensors))
    tensors[f"{TEXT}.lora_up.weight"] = numbers(32, 7)
    with pytest.raises(CheckpointError, match="does not fit itself"):
        inspect_lora(save(tensors))


def test_other_kinds_are_named_and_not_reckoned(save):
    facts = inspect_lora(
        save({f"{TEXT}.{leaf}": numbers(4, 4) for leaf in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")})
    )
    assert (facts.kind, facts.blocks) == ("LoHa", ())
    assert "not reckoned" in facts.notes[0]


def test_names_of_peft_are_told_as_the_same_blocks(save):
    path = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    facts = inspect_lora(save({f"{path}.lora_A.weight": numbers(2, 8), f"{path}.lora_B.weight": numbers(8, 2)}))
    assert [block.block for block in facts.blocks] == ["IN04"]
    assert facts.alphas == {2.0: 1}
