"""Resizing, against kohya's rules worked out on whole decompositions in 64 bits."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

from lora_engine.tools.lora_files import open_lora
from lora_engine.tools.truncation import Spectrum, rank_for
from tests.lora_engine.tools.conftest import changes, farthest, raw

ROUNDING = 2e-6


def kohyas_rank(s, limit, method, parameter):
    """networks/resize_lora.py, line by line; s has every singular value, those that are 0 too."""
    if method == "sv_ratio":
        index = int((s > s[0] / parameter).sum())
    elif method == "sv_cumulative":
        index = int(np.searchsorted(np.cumsum(s) / s.sum(), parameter)) + 1
    elif method == "sv_fro":
        index = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), parameter**2)) + 1
    else:
        return min(limit, len(s))
    return min(max(1, min(index, len(s) - 1)) + 1, limit, len(s))


@pytest.mark.parametrize(
    ("method", "parameter"),
    [(None, 0), ("sv_ratio", 2), ("sv_ratio", 20), ("sv_fro", 0.5), ("sv_fro", 0.9), ("sv_cumulative", 0.6)],
)
def test_each_layer_has_the_rank_of_the_rule_and_keeps_its_strength(method, parameter, lora_of, tool, tmp_path):
    lora, out = lora_of(rank=6, alpha=3.0, conv=(5, 2.5)), tmp_path / "small.safetensors"
    words = ("--dynamic_method", method, "--dynamic_param", parameter) if method else ()
    told = tool("resize_lora", "--model", lora, "--new_rank", 4, "--new_conv_rank", 3, *words, "--save_to", out)
    small, old = open_lora(out).layers, open_lora(lora).layers
    found = changes(out)
    for name, change in changes(lora).items():
        matrix = change.flatten(1).numpy()
        u, s, vh = np.linalg.svd(matrix / old[name].scale, full_matrices=False)
        rank = kohyas_rank(s * (s > s[0] * 1e-12), 3 if change.ndim == 4 else 4, method, parameter)
        assert small[name].rank == rank
        assert small[name].scale == pytest.approx(old[name].scale)
        best = old[name].scale * (u[:, :rank] * s[:rank]) @ vh[:rank]
        assert np.abs(found[name].flatten(1).numpy() - best).max() < ROUNDING
    assert "length kept" in told


def test_the_same_rank_changes_nothing_and_a_larger_one_adds_nothing(lora_of, tool, tmp_path):
    lora = lora_of(rank=3, alpha=2.0)
    for rank in (3, 5):
        out = tmp_path / f"{rank}.safetensors"
        tool("resize_lora", "--model", lora, "--new_rank", rank, "--save_to", out)
        assert farthest(changes(out), changes(lora)) < ROUNDING
        assert {layer.rank for layer in open_lora(out).layers.values()} <= {rank, 4, 3}


def test_a_layer_that_learnt_nothing_has_rank_one():
    assert rank_for(Spectrum.of_factors(torch.zeros(8, 3), torch.ones(3, 8)), 4, "sv_fro", 0.9) == 1


@pytest.mark.parametrize("shape", [(6, 9, 2), (9, 6, 7), (5, 5, 5), (4, 40, 12)])
def test_decomposing_the_factors_is_decomposing_their_product(shape):
    out, rest, rank = shape
    generator = torch.Generator().manual_seed(1)
    up = torch.randn(out, rank, generator=generator, dtype=torch.float64)
    down = torch.randn(rank, rest, generator=generator, dtype=torch.float64)
    small, whole = Spectrum.of_factors(up, down), Spectrum.of(up @ down)
    assert torch.allclose(small.S, whole.S[: len(small.S)])
    for kept in range(1, 6):
        one, other = (a @ b for a, b in (small.factors(kept), whole.factors(kept)))
        assert torch.allclose(one, other, atol=1e-12)
        assert small.kept_share(kept) == pytest.approx(whole.kept_share(kept))


def test_the_training_is_still_told(lora_of, tool, tmp_path):
    lora = lora_of(rank=6, alpha=3.0, metadata={"ss_training_comment": "my first"}, name="commented")
    out = tmp_path / "small.safetensors"
    tool(
        "resize_lora", "--model", lora, "--new_rank", 2, "--save_precision", "bf16", "--save_to", out, "--verbose"
    )
    with safe_open(out, "pt") as file:
        told = file.metadata()
    assert told["ss_tag_frequency"] == '{"10_zorb": {"zorb": 4}}'
    assert told["ss_training_comment"] == "my first; dimension is resized from 6 to 2"
    assert (told["ss_network_dim"], told["ss_network_alpha"]) == ("2", "1.0")
    assert farthest_from_bf16(out) == 0


def farthest_from_bf16(path):
    return max(float((tensor - tensor.bfloat16()).abs().max()) for tensor in raw(path).values())
