"""The LoRA's arithmetic against plain formulas, its files against diffusers' own reader."""

import math

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch.func import functional_call
from transformers import CLIPTextConfig, CLIPTextModel

from benchmarks.pocket.blueprint import Blueprint, noise_schedule
from lora_engine.families import TextStates, sd1
from lora_engine.maths.losses import element_losses, min_snr_weight, sample_means
from lora_engine.maths.noise import NoiseSchedule
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.errors import CheckpointError
from sd_contract.networks import SD, NetworkPlan, Rank
from sd_contract.tensors.tensor_names import lora_name

IDS = torch.tensor([[49406, 320, 7117, 49407], [49406, 7117, 320, 49407]])


@pytest.fixture
def model(tiny_base, tokenizer):
    return load(tiny_base, tokenizer)


def load(base, tokenizer=None, dtype=torch.float32):
    return sd1.assemble(base, load_file(base.path), tokenizer, device="cpu", dtype=dtype)


def attach(model, *, rank=4, alpha=2.0, large=None, seed=0, stirred=True, dtype=torch.float32):
    """A LoRA, with `large` a LoCon; its `up` weights no longer zero if `stirred`."""
    network = LoraNetwork.planned(
        model.unet,
        model.text_encoder,
        NetworkPlan(layout=SD, rank=Rank(rank, alpha), large=large),
        streams=Streams(seed),
        dtype=dtype,
    )
    if stirred:
        for number, one in enumerate(network.modules.values()):
            draw = torch.randn(one.up.shape, generator=Streams(seed).generator("stir", number))
            one.up.data.copy_(0.1 * draw)
    return network


def noise_of(model, ids=IDS):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(2, 4, 8, 8, generator=generator, dtype=next(model.unet.parameters()).dtype)
    text = TextStates(model.text_encoder(ids).last_hidden_state)
    return model.predict(latents, torch.tensor([10, 700]), text)


def merged_weights(part, root, weights):
    """Each layer's weight with its LoRA written out: W + alpha / rank * up @ down. Independent of LoraModule."""
    merged = {}
    for path, weight in root.named_parameters():
        name = lora_name(part, path.removesuffix(".weight"))
        if name in weights:
            down, up, scale = weights[name]
            change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
            merged[path] = weight + scale * change
    return merged


def reference_loss(model, weights, x0, noise, t):
    """The weighted loss of networks whose weights hold the LoRA, by the papers' formulas."""
    states = functional_call(
        model.text_encoder, merged_weights("text_encoder", model.text_encoder, weights), (IDS,)
    ).last_hidden_state
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bar = torch.cumprod(1 - betas, 0)[t].double().reshape(-1, 1, 1, 1)
    noisy = bar**0.5 * x0 + (1 - bar) ** 0.5 * noise
    prediction = functional_call(
        model.unet, merged_weights("unet", model.unet, weights), (noisy, t, states), {"return_dict": False}
    )[0]
    snr = torch.cumprod(1 - betas, 0)[t] / (1 - torch.cumprod(1 - betas, 0)[t])
    weight = torch.minimum(snr, torch.full_like(snr, 5.0)) / snr
    return (((prediction - noise) ** 2).mean(dim=(1, 2, 3)) * weight).mean()


@pytest.mark.parametrize("large", [None, Rank(3, 1.5)], ids=["LoRA", "LoCon"])
def test_loss_and_every_gradient_equal_the_plain_formulas(tiny_base, large):
    model = load(tiny_base, dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    x0, noise = (torch.randn(2, 4, 16, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    t = torch.tensor([30, 800])

    network = attach(model, large=large, dtype=torch.float64)
    schedule = NoiseSchedule(torch.device("cpu"))
    text = TextStates(model.text_encoder(IDS).last_hidden_state)
    prediction = model.predict(schedule.add(x0, noise, t), t, text)
    weights = min_snr_weight(schedule.snr(t), 5.0, v_prediction=False)
    loss = (sample_means(element_losses(prediction, noise)) * weights).mean()
    loss.backward()
    ours = {name: (one.down, one.up) for name, one in network.modules.items()}
    scales = {name: one.scale for name, one in network.modules.items()}
    assert set(scales.values()) == {0.5}

    network.detach()
    plain = {n: [w.detach().clone().requires_grad_() for w in pair] for n, pair in ours.items()}
    expected = reference_loss(model, {n: (d, u, 0.5) for n, (d, u) in plain.items()}, x0, noise, t)
    expected.backward()

    assert math.isclose(loss.item(), expected.item(), rel_tol=1e-9)
    for name, pair in ours.items():
        for weight, reference in zip(pair, plain[name], strict=True):
            error = (weight.grad - reference.grad).norm() / reference.grad.norm()
            assert error < 1e-9, f"{name}: {error}"


@pytest.fixture(scope="module")
def full_size():
    """The modules of a Stable Diffusion 1 of full size, without memory for their weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
        return unet, CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_attention_heads=12))


@pytest.mark.parametrize(("large", "tensors"), [(None, 792), (Rank(4, 1.0), 1050)])
def test_a_lora_of_full_size_has_as_many_tensors_as_kohyas(full_size, large, tensors):
    plan = NetworkPlan(layout=SD, rank=Rank(8, 4.0), large=large)
    network = LoraNetwork.planned(*full_size, plan, streams=Streams(0))

    shapes = {name: (one.down.shape, one.up.shape) for name, one in network.modules.items()}
    network.detach()
    assert 3 * len(shapes) == tensors
    assert shapes["lora_te_text_model_encoder_layers_11_mlp_fc1"] == ((8, 768), (3072, 8))
    assert shapes["lora_unet_down_blocks_0_attentions_0_proj_in"] == ((8, 320, 1, 1), (320, 8, 1, 1))
    if large:
        assert shapes["lora_unet_down_blocks_0_resnets_0_conv1"] == ((4, 320, 3, 3), (320, 4, 1, 1))
        assert shapes["lora_unet_down_blocks_0_resnets_0_time_emb_proj"] == ((8, 1280), (320, 8))


def test_a_new_lora_changes_nothing_until_it_is_trained(model):
    before = noise_of(model)
    attach(model, stirred=False)

    assert torch.equal(noise_of(model), before)


def test_multiplier_0_is_the_base_to_the_last_bit(model):
    before = noise_of(model)
    network = attach(model)
    network.multiplier = 1.0
    assert not torch.allclose(noise_of(model), before, atol=1e-3)
    network.multiplier = 0.0

    assert torch.equal(noise_of(model), before)


def test_detaching_puts_everything_back(model):
    names, before = list(model.unet.state_dict()), noise_of(model)
    attach(model).detach()

    assert list(model.unet.state_dict()) == names
    assert torch.equal(noise_of(model), before)


def test_the_first_weights_depend_on_seed_and_layer_alone(model):
    whole = attach(model, stirred=False).tensors()
    fresh = load(model.base)
    alone = LoraNetwork.attach(fresh.unet, None, rank=4, alpha=2.0, streams=Streams(0)).tensors()

    assert alone.keys() < whole.keys()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in alone.items())


def test_down_is_drawn_as_kaiming_says(model):
    network = attach(model, rank=64, stirred=False)
    weight = network.modules["lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_2"].down

    bound = 1 / math.sqrt(weight.shape[1])
    assert weight.abs().max() <= bound
    assert abs(weight.std() / (bound / math.sqrt(3)) - 1) < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_file_holds_three_tensors_a_layer(model, dtype):
    network = attach(model)
    tensors = network.tensors(dtype)

    assert len(tensors) == 3 * len(network.modules)
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    assert all(tensors[f"{name}.alpha"].item() == 2.0 for name in network.modules)


def test_a_file_read_back_gives_the_same_noise(model, tmp_path):
    network = attach(model)
    wanted = noise_of(model)
    save_file(network.tensors(), tmp_path / "lora.safetensors")
    network.detach()

    LoraNetwork.from_file(tmp_path / "lora.safetensors", model.unet, model.text_encoder)

    assert torch.equal(noise_of(model), wanted)


def test_another_file_of_the_same_shape_is_copied_into_place(model, tmp_path):
    network = attach(model, seed=1)
    save_file(network.tensors(), tmp_path / "one.safetensors")
    wanted, modules = noise_of(model), dict(network.modules)
    for one in network.modules.values():
        one.up.data.mul_(3)
    assert not torch.equal(noise_of(model), wanted)

    network.load(tmp_path / "one.safetensors")

    assert network.modules == modules
    assert torch.equal(noise_of(model), wanted)


def test_a_file_of_other_rank_or_parts_replaces_all(model, tiny_base, tmp_path):
    small = load(tiny_base)
    unet_only = LoraNetwork.attach(small.unet, None, rank=2, alpha=1, streams=Streams(5))
    save_file(unet_only.tensors(), tmp_path / "small.safetensors")
    network = attach(model, rank=4)
    network.multiplier = 0.5

    network.load(tmp_path / "small.safetensors")

    assert network.modules.keys() == unet_only.modules.keys()
    assert {one.multiplier for one in network.modules.values()} == {0.5}
    assert {one.rank for one in network.modules.values()} == {2}


def test_diffusers_reads_the_file_as_we_do(model, tmp_path):
    network = attach(model)
    wanted = noise_of(model)
    save_file(network.tensors(), tmp_path / "lora.safetensors", {"format": "pt"})
    network.detach()
    pipeline = StableDiffusionPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=noise_schedule(Blueprint.of_width(8)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    base = noise_of(model)
    pipeline.load_lora_weights(tmp_path / "lora.safetensors")

    found = noise_of(model)
    assert (found - wanted).abs().max() < 1e-5 < (found - base).abs().max()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors: {"lora_unet_nowhere.alpha": torch.tensor(1.0)}, "lacks lora_down.weight"),
        (
            lambda tensors: {**tensors, "x.hada_w1_a": torch.zeros(1)},
            "'x.hada_w1_a', which belongs to no plain LoRA",
        ),
        (lambda tensors: {}, "holds no tensors"),
        (
            lambda tensors: {key.replace("mid_block", "mid_blocks"): value for key, value in tensors.items()},
            "which this model does not have",
        ),
        (
            lambda tensors: {k: torch.cat([t, t]) if k.endswith("up.weight") else t for k, t in tensors.items()},
            "It was trained on another kind of base model",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(model, tmp_path, change, told):
    network = attach(model)
    wanted = noise_of(model)
    save_file(change(network.tensors()), tmp_path / "wrong.safetensors")

    with pytest.raises(CheckpointError, match=r"wrong\.safetensors") as caught:
        network.load(tmp_path / "wrong.safetensors")

    assert told in str(caught.value)
    assert torch.equal(noise_of(model), wanted)


def test_a_missing_alpha_is_the_rank(model, tmp_path):
    network = attach(model)
    tensors = {name: tensor for name, tensor in network.tensors().items() if not name.endswith("alpha")}
    save_file(tensors, tmp_path / "no alpha.safetensors")
    network.load(tmp_path / "no alpha.safetensors")

    assert {one.scale for one in network.modules.values()} == {1.0}


def test_a_locon_file_read_back_gives_the_same_noise(model, tmp_path):
    network = attach(model, large=Rank(3, 1.5))
    wanted, shapes = noise_of(model), {name: one.down.shape for name, one in network.modules.items()}
    save_file(network.tensors(), tmp_path / "locon.safetensors")
    network.detach()

    LoraNetwork.from_file(tmp_path / "locon.safetensors", model.unet, model.text_encoder)

    assert shapes["lora_unet_mid_block_resnets_0_conv1"][0] == 3
    assert shapes["lora_unet_mid_block_resnets_0_time_emb_proj"][0] == 4
    assert torch.equal(noise_of(model), wanted)


def test_a_merged_lora_acts_as_it_did_beside_the_layers(model):
    network = attach(model, large=Rank(3, 1.5))
    network.multiplier = 0.5
    wanted = noise_of(model)
    network.merge()

    assert network.modules == {}
    assert (noise_of(model) - wanted).abs().max() < 1e-5


def test_a_network_after_a_merged_one_has_no_more_layers(model):
    attach(model, large=Rank(3, 1.5)).merge()

    assert len(attach(model).modules) == len(attach(load(model.base)).modules)


def test_weights_of_a_file_are_gone_on_from(model, tiny_base, tmp_path):
    save_file(attach(model).tensors(), tmp_path / "first.safetensors")
    fresh = load(tiny_base)
    network = attach(fresh, seed=9, large=Rank(2, 1.0))

    told = network.start_from(tmp_path / "first.safetensors")

    ours, theirs = network.tensors(), load_file(tmp_path / "first.safetensors")
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    assert len(told) == 1 and "layers begin anew, since it lacks them" in told[0]


def test_a_file_with_another_alpha_says_that_it_will_act_otherwise(model, tiny_base, tmp_path):
    save_file(attach(model, alpha=4.0).tensors(), tmp_path / "first.safetensors")
    network = attach(load(tiny_base), alpha=1.0)

    told = network.start_from(tmp_path / "first.safetensors")

    assert len(told) == 1 and "have another alpha" in told[0]
    assert {one.alpha for one in network.modules.values()} == {1.0}


def test_a_file_of_another_rank_is_not_gone_on_from(model, tiny_base, tmp_path):
    save_file(attach(model, rank=2).tensors(), tmp_path / "first.safetensors")

    with pytest.raises(CheckpointError, match=r"has rank 2, rank 4 is asked for\. Set dim_from_weights"):
        attach(load(tiny_base)).start_from(tmp_path / "first.safetensors")


def test_changes_longer_than_allowed_are_shrunk_and_others_left(model):
    network = attach(model, large=Rank(3, 1.5))
    before = {name: one.weight_change() for name, one in network.modules.items()}
    longest = sorted(change.norm().item() for change in before.values())[len(before) // 2]

    norms = network.limit_norms(longest)

    torch.testing.assert_close(
        norms, torch.stack([change.norm() for change in before.values()]), rtol=1e-4, atol=1e-6
    )
    for name, change in before.items():
        wanted = change * min(1.0, longest / change.norm().item())
        torch.testing.assert_close(network.modules[name].weight_change(), wanted, rtol=1e-4, atol=1e-6)


def test_a_damaged_file_is_refused(model, tmp_path):
    network = attach(model)
    path = tmp_path / "half.safetensors"
    save_file(network.tensors(), path)
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckpointError, match="is cut short"):
        network.load(path)
