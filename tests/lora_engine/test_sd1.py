import pytest
import torch
from diffusers import StableDiffusionPipeline

from benchmarks.pocket.blueprint import Blueprint, build, noise_schedule
from benchmarks.pocket.single_file import autoencoder_name, text_encoder_name, unet_name
from lora_engine.families import sd1
from lora_engine.maths.streams import Streams
from lora_engine.networks.lora import LoraNetwork
from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import BaseModelError

FULL_SIZE = Blueprint(
    unet_widths=(320, 640, 1280, 1280),
    autoencoder_widths=(128, 256, 512, 512),
    text_width=768,
    text_layers=12,
    heads=8,
    unet_groups=32,
    autoencoder_groups=32,
    resolution=512,
)


@pytest.fixture(scope="module")
def full_size(tiny_base):
    """Stable Diffusion 1.5 without weights, loaded from the names and shapes of its file."""
    with torch.device("meta"):
        networks = build(FULL_SIZE)
        tensors = {
            **{unet_name(name): tensor for name, tensor in networks.unet.state_dict().items()},
            **{autoencoder_name(name): _as_stored(name, tensor) for name, tensor in _vae_state(networks)},
            **{text_encoder_name(name): tensor for name, tensor in networks.text_encoder.state_dict().items()},
            "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.empty(1, 77),
            "alphas_cumprod": torch.empty(1000),
        }
    base = BaseModel(
        path=tiny_base.path,
        family="sd1",
        prediction_type="epsilon",
        resolution=512,
        unet={**tiny_base.unet, "block_out_channels": FULL_SIZE.unet_widths, "cross_attention_dim": 768}
        | {"attention_head_dim": 8, "norm_num_groups": 32},
        vae={**tiny_base.vae, "block_out_channels": FULL_SIZE.autoencoder_widths, "norm_num_groups": 32},
        text_encoder={**tiny_base.text_encoder, "hidden_size": 768, "intermediate_size": 3072}
        | {"num_hidden_layers": 12, "num_attention_heads": 12, "projection_dim": 768},
    )
    return sd1.assemble(base, tensors, None, device="meta", dtype=torch.float16)


def _vae_state(networks):
    return networks.autoencoder.state_dict().items()


def _as_stored(name, tensor):
    """A VAE's attention is stored as convolutions of one pixel."""
    is_attention = ".attentions." in name and name.endswith("weight") and tensor.ndim == 2
    return tensor[:, :, None, None] if is_attention else tensor


def test_a_full_size_file_fits_diffusers_modules(full_size):
    counts = [
        sum(weight.numel() for weight in part.parameters())
        for part in (full_size.unet, full_size.vae, full_size.text_encoder)
    ]

    assert counts == [859_520_964, 83_653_863, 123_060_480]
    assert {weight.dtype for weight in full_size.unet.parameters()} == {torch.float16}
    assert {weight.dtype for weight in full_size.vae.parameters()} == {torch.float32}


def test_a_full_size_lora_has_kohyas_264_modules(full_size):
    network = LoraNetwork.attach(
        full_size.unet, full_size.text_encoder, rank=8, alpha=4, streams=Streams(0), dtype=torch.float16
    )
    names = list(network.modules)
    shapes = {name: (tuple(one.down.shape), tuple(one.up.shape)) for name, one in network.modules.items()}
    network.detach()

    assert (len(names), sum(name.startswith("lora_te_text_model_encoder_layers_") for name in names)) == (264, 72)
    assert shapes["lora_te_text_model_encoder_layers_11_mlp_fc1"] == ((8, 768), (3072, 8))
    assert shapes["lora_unet_down_blocks_0_attentions_0_proj_in"] == ((8, 320, 1, 1), (320, 8, 1, 1))
    attention = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"
    assert shapes[attention] == ((8, 768), (1280, 8))
    feed_forward = "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_ff_net_0_proj"
    assert shapes[feed_forward] == ((8, 320), (2560, 8))


def test_loading_gives_the_modules_that_were_saved(tiny_base):
    made, loaded = build(Blueprint.of_width(8), seed=1), sd1.load(tiny_base)

    for wanted, found in (
        (made.unet, loaded.unet),
        (made.autoencoder, loaded.vae),
        (made.text_encoder, loaded.text_encoder),
    ):
        state = found.state_dict()
        assert all(torch.equal(state[n], weight.half().float()) for n, weight in wanted.state_dict().items())
        assert not any(weight.requires_grad for weight in found.parameters())


def test_text_is_encoded_as_diffusers_does(tiny_base):
    model = sd1.load(tiny_base)
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
    captions = ["a red square", "", "x" * 500]

    wanted, _ = pipeline.encode_prompt(captions, "cpu", 1, False)

    assert torch.equal(model.encode_text(captions).states, wanted)
    assert torch.equal(model.encode_text(captions, clip_skip=1).states, wanted)


def test_clip_skip_2_is_the_encoder_without_its_last_layer(tiny_base):
    model = sd1.load(tiny_base)
    skipped = model.encode_text(["a red square"], clip_skip=2)
    del model.text_encoder.encoder.layers[-1]

    assert torch.equal(skipped.states, model.encode_text(["a red square"]).states)


def test_a_vae_is_taken_once(tiny_base):
    model = sd1.load(tiny_base)

    assert model.take_vae().config.latent_channels == 4
    assert model.vae is None


def test_a_missing_and_a_misshapen_tensor_are_named(tiny_base):
    from safetensors.torch import load_file

    tensors = load_file(tiny_base.path)
    key = "model.diffusion_model.time_embed.0.weight"
    for wrong, told in (
        ({}, "lacks the tensor for time_embedding.linear_1.weight"),
        ({key: torch.zeros(3)}, "(3,)"),
    ):
        some = {name: tensor for name, tensor in tensors.items() if name != key} | wrong
        with pytest.raises(BaseModelError) as caught:
            sd1.assemble(tiny_base, some, None, device="cpu", dtype=torch.float32)
        assert told in str(caught.value)
