"""Files that LyCORIS writes, of every kind, against what LyCORIS itself makes of them."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lora_engine.families import load
from lora_engine.networks.changed import ChangedWeights
from lora_engine.networks.shown import ShownLora, read_layers
from sd_contract.base_models.base_model import inspect_trainable
from sd_contract.errors import CheckpointError
from tests.lora_engine.lycoris_files import KINDS, Layers, LycorisNetworks, parts_of
from tests.lora_engine.pipelines import noise_of

ROUNDING = 3e-6
"""Of answers of about 1, in 32 bits. Measured: 1.4e-6 at most."""
OTHERWISE = {kind for kind in KINDS if kind.startswith("DoRA") or "rescaled" in kind}
"""Of these LyCORIS leaves a part at strength 0. Here, as in the WebUIs, every strength is on the line between the
layer alone and the whole change."""


class Holder(nn.Module):
    """A model whose only part of its U-Net are these layers."""

    def __init__(self):
        super().__init__()
        self.layers = Layers()


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_answers_as_with_lycoris_and_is_itself_again_afterwards(kind, tmp_path):
    alone = Holder()
    before = alone.layers.answers()
    changed = ChangedWeights(alone, nn.Module())
    file = LycorisNetworks({"lora_unet": Holder()}, kind, alpha=1).save(tmp_path / "x.safetensors")
    changed.take(read_layers(file, is_sdxl=False), file)
    for strength in (1.0,) if kind in OTHERWISE else (1.0, 0.5, -2.0):
        other = Holder()
        LycorisNetworks({"lora_unet": other}, kind, alpha=1).apply(strength)
        changed.strength = strength
        theirs, ours = other.layers.answers(), alone.layers.answers()
        assert max(float((one - two).abs().max()) for one, two in zip(ours, theirs, strict=True)) < ROUNDING
        assert max(float((one - two).abs().max()) for one, two in zip(ours, before, strict=True)) > 1e-3
    changed.strength = 0.0
    assert all(torch.equal(one, two) for one, two in zip(alone.layers.answers(), before, strict=True))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["DoRA", "OFT rescaled"])
def test_half_a_strength_is_half_the_way_to_the_whole_change(kind, tmp_path):
    model = Holder()
    changed = ChangedWeights(model, nn.Module())
    file = LycorisNetworks({"lora_unet": Holder()}, kind).save(tmp_path / "x.safetensors")
    changed.take(read_layers(file, is_sdxl=False), file)
    weights = {}
    for strength in (0.0, 0.5, 1.0):
        changed.strength = strength
        weights[strength] = model.layers.linear.weight.clone()
    assert torch.allclose(weights[0.5], (weights[0.0] + weights[1.0]) / 2, atol=1e-6)


@torch.no_grad()
def test_older_files_of_glora_keep_their_pairs_the_other_way_round(tmp_path):
    file = LycorisNetworks({"lora_unet": Holder()}, "GLoRA").save(tmp_path / "x.safetensors")
    turned = {"a1": "a2", "a2": "a1", "b1": "b2", "b2": "b1"}
    old = {}
    for name, tensor in load_file(file).items():
        layer, leaf, *rest = name.split(".")
        old[".".join([layer, turned.get(leaf, leaf), *rest])] = tensor
    found = []
    for layers in (read_layers(file, is_sdxl=False), _grouped(old)):
        model = Holder()
        changed = ChangedWeights(model, nn.Module())
        changed.take({"lora_unet_layers_linear": layers["lora_unet_layers_linear"]}, file)
        changed.strength = 1.0
        found.append(model.layers.linear.weight)
    assert torch.equal(*found)


def _grouped(tensors):
    layers = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.partition(".")
        layers.setdefault(layer, {})[leaf] = tensor
    return layers


@torch.no_grad()
@pytest.mark.parametrize("kind", ["LoKr", "norms"])
def test_all_parts_of_an_sdxl_model_are_changed(kind, tiny_models, tmp_path):
    base = inspect_trainable(tiny_models["sdxl"])
    theirs, ours = load(base), load(base)
    alone = noise_of(ours)
    networks = LycorisNetworks(parts_of(theirs), kind)
    file = networks.save(tmp_path / "x.safetensors")
    networks.apply(1.0)
    shown = ShownLora(ours)
    shown.show(file)
    wanted = noise_of(theirs)
    assert float((noise_of(ours) - wanted).abs().max()) < ROUNDING
    assert float((wanted - alone).abs().max()) > 0.01
    shown.show(None)
    assert torch.equal(noise_of(ours), alone)


@torch.no_grad()
def test_files_of_different_kinds_follow_each_other_without_a_trace(tiny_models, tmp_path):
    base = inspect_trainable(tiny_models["sd1"])
    files = [
        LycorisNetworks(parts_of(load(base)), kind).save(tmp_path / f"{kind}.safetensors")
        for kind in ("LoHa", "LoCon", "full")
    ]

    def seen(file):
        shown = ShownLora(model := load(base))
        shown.show(file)
        return noise_of(model)

    model = load(base)
    shown = ShownLora(model)
    for file in (*files, None, files[0]):
        shown.show(file)
        assert torch.equal(noise_of(model), seen(file)), file


@torch.no_grad()
def test_pictures_of_one_batch_have_strengths_of_their_own(tiny_models, tmp_path):
    base = inspect_trainable(tiny_models["sd1"])
    model = load(base)
    file = LycorisNetworks(parts_of(load(base)), "LoCon").save(tmp_path / "x.safetensors")
    shown = ShownLora(model)
    shown.show(file)
    latents, timesteps = torch.randn(3, 4, 8, 8), torch.tensor([500] * 6)
    text = model.encode_text(["a"] * 3 + ["b"] * 3)
    shown.act([0.0, 0.5, -1.5])
    together = model.predict(latents.repeat(2, 1, 1, 1), timesteps, text)
    for place, strength in enumerate((0.0, 0.5, -1.5)):
        shown.act([strength])
        alone = model.predict(latents.repeat(2, 1, 1, 1), timesteps, text)
        assert torch.allclose(together[place::3], alone[place::3], atol=ROUNDING)
    assert not torch.allclose(together[0], together[1], atol=0.01)


def rename(tensors):
    return {name.replace("lora_unet_", "oft_unet_"): tensor for name, tensor in tensors.items()}


@torch.no_grad()
def test_kohyas_own_prefix_of_oft_is_read(tmp_path):
    file = LycorisNetworks({"lora_unet": Holder()}, "OFT").save(tmp_path / "x.safetensors")
    other = tmp_path / "kohya.safetensors"
    save_file(rename(load_file(file)), other)
    assert read_layers(other, is_sdxl=False).keys() == read_layers(file, is_sdxl=False).keys()


LINEAR = "lora_unet_layers_linear"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({f"{LINEAR}.q_layer.weight": (2, 12)}, "'q_layer.weight', which is of a kind that is not known here"),
        ({f"{LINEAR}.hada_w1_a": (24, 2)}, "lacks hada_w1_b, without which LoHa means nothing"),
        ({f"{LINEAR}.lokr_w1": (2, 2), f"{LINEAR}.lokr_w2_a": (2, 2)}, "it lacks lokr_w2_b"),
        ({f"{LINEAR}.diff": (24, 13)}, "its tensors do not fit"),
        ({f"{LINEAR}.diff": (12, 24)}, "it has 12 outputs"),
        ({f"{LINEAR}.w_norm": (24,), f"{LINEAR}.extra": (1,)}, "'extra', which is of a kind"),
        ({f"{LINEAR}.diff": (24, 12), f"{LINEAR}.diff_b": (3,)}, "has a bias that does not fit"),
        (
            {"lora_unet_elsewhere.diff": (24, 12)},
            "has a full for 'lora_unet_elsewhere', which this model does not",
        ),
        ({"base_model.model.x.lora_A.weight": (2, 2)}, "convert it first"),
    ],
)
def test_what_can_not_be_shown_is_told_and_changes_nothing(tensors, words, tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({name: torch.ones(shape) for name, shape in tensors.items()}, file)
    model = Holder()
    before = model.layers.answers()
    changed = ChangedWeights(model, nn.Module())
    with pytest.raises(CheckpointError, match=words) as told:
        changed.take(read_layers(file, is_sdxl=False), file)
    assert str(file) in str(told.value)
    assert all(torch.equal(one, two) for one, two in zip(model.layers.answers(), before, strict=True))
