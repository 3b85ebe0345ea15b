"""The arithmetic of networks of LyCORIS: loss and every gradient of a step against formulas written out, and the
first values against those of the package lycoris-lora."""

import math

import pytest
import torch
from torch.func import functional_call

from lora_engine.families import TextStates
from lora_engine.networks.lycoris import CONSTANT
from sd_contract.tensors.tensor_names import lora_name
from tests.lora_engine.networks.conftest import WAYS, attach, plan, rank_for
from tests.lora_engine.networks.references import change

IDS = torch.tensor([[49406, 320, 7117, 49407], [49406, 7117, 320, 49407]])


def noise_of(model, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, 4, 16, 16, generator=generator, dtype=dtype)
    states = model.text_encoder(IDS).last_hidden_state
    return model.predict(latents, torch.tensor([30, 800]), TextStates(states))


def merged(part, root, layers):
    """The weights and biases of a model with the changes of these layers, by the plain formulas."""
    found = {}
    for path, value in root.named_parameters():
        owner, _, kind = path.rpartition(".")
        leaves = layers.get(lora_name(part, owner))
        if leaves is None:
            continue
        bias = next((leaves[leaf] for leaf in ("diff_b", "b_norm") if leaf in leaves), None)
        if kind == "weight":
            found[path] = value + change(leaves, value)
        elif bias is not None:
            found[path] = value + bias
    return found


@pytest.mark.parametrize("way", WAYS)
def test_loss_and_every_gradient_equal_the_formulas_written_out(models, way):
    model = models(dtype=torch.float64)
    wanted = plan(*WAYS[way], rank=rank_for(way))
    network = attach(model, wanted, dtype=torch.float64)
    loss = noise_of(model).square().mean()
    loss.backward()
    gradients = {name: weight.grad for name, weight in network.weights().items()}
    own = {name: weight.detach().clone().requires_grad_() for name, weight in network.weights().items()}
    constants = {name: module.constants for name, module in network.modules.items()}
    network.detach()

    layers = {name: in_file(name, own, constants[name]) for name in constants}
    states = functional_call(model.text_encoder, merged("text_encoder", model.text_encoder, layers), (IDS,))
    text = TextStates(states.last_hidden_state)
    expected = reference_noise(model, merged("unet", model.unet, layers), text).square().mean()
    expected.backward()

    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-9)
    assert any(gradient.norm() > 0 for gradient in gradients.values())
    nothing = 1e-9 * max(gradient.norm() for gradient in gradients.values())
    for name, weight in own.items():
        error = (gradients[name] - weight.grad).norm() / weight.grad.norm().clamp(min=nothing)
        assert error < 1e-7, f"{name}: {error}"


def in_file(name, weights, constants):
    """A layer's leaves as a file keeps them: with the scalar multiplied in."""
    own = {key: weight for key, weight in weights.items() if key.startswith(f"{name}.")}
    leaves = {key.removeprefix(f"{name}."): weight for key, weight in own.items()}
    scalar = leaves.pop("scalar", None)
    for leaf in ("lora_up.weight", "hada_w1_a", "lokr_w1", "lokr_w1_a", "a2.weight", "b2.weight"):
        if scalar is not None and leaf in leaves:
            leaves[leaf] = leaves[leaf] * scalar
    assert set(constants) <= set(CONSTANT)
    return {**leaves, **constants}


def reference_noise(model, weights, text):
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(2, 4, 16, 16, generator=generator, dtype=torch.float64)
    arguments = (latents, torch.tensor([30, 800]), text.states)
    return functional_call(model.unet, weights, arguments, {"return_dict": False})[0]
