import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lora_engine.maths.streams import Streams
from lora_engine.networks.dropout import Dropout, DropoutShares
from lora_engine.networks.lora import LoraModule, LoraWeights

WIDTH, RANK = 8, 64


def linear(dropout):
    weights = LoraWeights(torch.ones(RANK, WIDTH), torch.ones(WIDTH, RANK), float(RANK))
    return LoraModule("layer", nn.Linear(WIDTH, WIDTH).requires_grad_(False), weights, dropout)


def convolution(dropout):
    weights = LoraWeights(torch.ones(RANK, WIDTH, 3, 3), torch.ones(WIDTH, RANK, 1, 1), float(RANK))
    return LoraModule("layer", nn.Conv2d(WIDTH, WIDTH, 3, padding=1), weights, dropout)


def dropout(position=5, **shares):
    made = Dropout(DropoutShares(**shares), Streams(1))
    made.position = position
    return made


@pytest.mark.parametrize("shares", [{"inner": 0.25}, {"rank": 0.25}])
@pytest.mark.parametrize("make", [linear, convolution])
def test_what_is_kept_is_larger_so_that_the_mean_stays(make, shares):
    x = torch.ones(50, 6, WIDTH) if make is linear else torch.ones(50, WIDTH, 6, 6)
    thinned, whole = make(dropout(**shares)), make(None)
    base = thinned.base(x)
    whole.base = thinned.base

    change, full = (module(x) - base for module in (thinned, whole))
    assert change.mean().item() == pytest.approx(full.mean().item(), rel=0.02)
    assert not torch.allclose(change, full, rtol=0.01)


def test_dropped_ranks_are_the_same_all_over_a_sample():
    dropped = dropout(rank=0.5).thinned("layer", torch.ones(3, 10, RANK), ranks_last=True)
    of_convolution = dropout(rank=0.5).thinned("layer", torch.ones(3, RANK, 5, 5), ranks_last=False)

    assert torch.equal(dropped, dropped[:, :1].expand(3, 10, RANK))
    assert torch.equal(of_convolution, of_convolution[:, :, :1, :1].expand(3, RANK, 5, 5))
    assert not torch.equal(dropped[0, 0], dropped[1, 0])
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_whole_loras_are_skipped_as_often_as_asked():
    skipping = dropout(module=0.3)
    skipped = sum(skipping.skips(f"layer {number}") for number in range(2000))

    assert 500 < skipped < 700


def test_draws_depend_on_layer_and_position_alone():
    ones = torch.ones(2, 5, RANK)
    first = dropout(inner=0.5).thinned("layer", ones, ranks_last=True)

    assert torch.equal(first, dropout(inner=0.5).thinned("layer", ones, ranks_last=True))
    assert not torch.equal(first, dropout(inner=0.5).thinned("other", ones, ranks_last=True))
    assert not torch.equal(first, dropout(position=6, inner=0.5).thinned("layer", ones, ranks_last=True))


def test_without_a_position_nothing_is_dropped():
    silent = dropout(position=None, inner=0.9, rank=0.9, module=0.9)
    ones = torch.ones(2, 5, RANK)

    assert torch.equal(silent.thinned("layer", ones, ranks_last=True), ones)
    assert not any(silent.skips(f"layer {number}") for number in range(50))


def test_activations_computed_again_for_the_gradient_are_the_same():
    x = torch.randn(4, 3, WIDTH, requires_grad=True)
    module = linear(dropout(inner=0.3, rank=0.3))
    gradients = []
    for run in (module, lambda x: checkpoint(module, x, use_reentrant=False, preserve_rng_state=False)):
        module.zero_grad()
        run(x).square().sum().backward()
        gradients.append(module.down.grad.clone())

    assert torch.equal(*gradients)
