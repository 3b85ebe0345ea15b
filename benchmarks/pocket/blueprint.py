"""The widths of the pocket model's three networks, and the facts about them that shapes do not tell."""

from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

SCALING_FACTOR = 0.18215
VOCABULARY = 49408
START, END = 49406, 49407


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything that builds the networks; the defaults are the shipped model's."""

    unet_widths: tuple[int, ...] = (32, 48, 64, 64)
    autoencoder_widths: tuple[int, ...] = (8, 16, 32, 32)
    text_width: int = 32
    text_layers: int = 2
    heads: int = 4
    unet_groups: int = 8
    autoencoder_groups: int = 1  # more groups would normalise flat colours away in channels this few
    resolution: int = 64
    prediction_type: str = "epsilon"

    @classmethod
    def of_width(cls, width: int) -> "Blueprint":
        """The shipped proportions at another width: 32 is the shipped model, 8 makes a file of 1.3 MB."""
        if width < 8 or width % 8:
            raise ValueError(f"width {width}: must be a multiple of 8, at least 8; the shipped model has 32")
        return cls(
            unet_widths=(width, width * 3 // 2, width * 2, width * 2),
            autoencoder_widths=(width // 4, width // 2, width, width),
            text_width=width,
            unet_groups=width // 4,
        )

    def predicting(self, prediction_type: str) -> "Blueprint":
        return replace(self, prediction_type=prediction_type)

    def facts(self) -> dict:
        """What the header says beside the shapes."""
        return {
            "format": 1,
            "unet": {"attention_head_dim": self.heads, "norm_num_groups": self.unet_groups},
            "vae": {"norm_num_groups": self.autoencoder_groups, "scaling_factor": SCALING_FACTOR},
            "text_encoder": {"num_attention_heads": self.heads, "hidden_act": "quick_gelu"},
            "scheduler": {"prediction_type": self.prediction_type},
            "resolution": self.resolution,
        }


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The three networks of one model; float32, in evaluation mode unless a lesson is going on."""

    blueprint: Blueprint
    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    text_encoder: CLIPTextModel


def build(blueprint: Blueprint, *, seed: int = 0) -> Networks:
    """Networks with random weights; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = Networks(
            blueprint=blueprint,
            unet=_unet(blueprint),
            autoencoder=_autoencoder(blueprint),
            text_encoder=_text_encoder(blueprint),
        )
    for network in (networks.unet, networks.autoencoder, networks.text_encoder):
        network.eval()
    return networks


def noise_schedule(blueprint: Blueprint) -> DDIMScheduler:
    """The noise schedule that every Stable Diffusion 1 model has."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=blueprint.prediction_type,
    )


def _unet(blueprint):
    return UNet2DConditionModel(
        sample_size=blueprint.resolution // 8,
        in_channels=4,
        out_channels=4,
        block_out_channels=blueprint.unet_widths,
        layers_per_block=2,
        cross_attention_dim=blueprint.text_width,
        attention_head_dim=blueprint.heads,  # diffusers reads this as the number of heads in such models
        norm_num_groups=blueprint.unet_groups,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    )


def _autoencoder(blueprint):
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        block_out_channels=blueprint.autoencoder_widths,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=blueprint.autoencoder_groups,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=blueprint.resolution,
        scaling_factor=SCALING_FACTOR,
    )


def _text_encoder(blueprint):
    return CLIPTextModel(
        CLIPTextConfig(
            hidden_size=blueprint.text_width,
            intermediate_size=blueprint.text_width * 4,
            num_hidden_layers=blueprint.text_layers,
            num_attention_heads=blueprint.heads,
            max_position_embeddings=77,
            vocab_size=VOCABULARY,
            hidden_act="quick_gelu",
            projection_dim=blueprint.text_width,
            bos_token_id=START,
            eos_token_id=END,
            pad_token_id=END,
        )
    )
