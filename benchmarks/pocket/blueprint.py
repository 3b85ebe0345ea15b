"""The widths of the pocket model's networks, and the facts about them that shapes do not tell. The pocket model is
shaped as Stable Diffusion 1; random ones can have the shapes of its successors."""

from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

SCALING_FACTOR = 0.18215
SCALING_FACTORS = {"sd1": SCALING_FACTOR, "sd2": SCALING_FACTOR, "sdxl": 0.13025}
VOCABULARY = 49408
START, END = 49406, 49407


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """Everything that builds the networks; the defaults are the shipped model's. Level by level `depths` are the
    transformer blocks of an attention, 0 where there is none."""

    family: str = "sd1"
    unet_widths: tuple[int, ...] = (32, 48, 64, 64)
    autoencoder_widths: tuple[int, ...] = (8, 16, 32, 32)
    depths: tuple[int, ...] = (1, 1, 1, 0)
    text_width: int = 32
    text_layers: int = 2
    second_text_width: int = 32
    second_text_layers: int = 3
    size_width: int = 32
    """How many numbers SDXL's U-Net makes of each of an image's six sizes."""
    heads: int = 4
    unet_groups: int = 8
    autoencoder_groups: int = 1  # more groups would normalise flat colours away in channels this few
    resolution: int = 64
    prediction_type: str = "epsilon"

    @classmethod
    def of_width(cls, width: int, family: str = "sd1") -> "Blueprint":
        """The shipped proportions at another width: 32 is the shipped model, 8 makes a file of 1.3 MB, or of
        2.4 MB with the two text encoders of SDXL."""
        if width < 8 or width % 8:
            raise ValueError(f"width {width}: must be a multiple of 8, at least 8; the shipped model has 32")
        made = cls(
            family=family,
            unet_widths=(width, width * 3 // 2, width * 2, width * 2),
            autoencoder_widths=(width // 4, width // 2, width, width),
            text_width=width,
            second_text_width=width,
            size_width=width,
            unet_groups=width // 4,
        )
        if family != "sdxl":
            return made
        widths = (width, width * 2, width * 4)
        return replace(made, unet_widths=widths, depths=(0, 1, 2), heads=2, text_width=width // 2)

    def predicting(self, prediction_type: str) -> "Blueprint":
        return replace(self, prediction_type=prediction_type)

    def facts(self) -> dict:
        """What the header says beside the shapes."""
        return {
            "format": 1,
            "unet": {"attention_head_dim": self.heads, "norm_num_groups": self.unet_groups},
            "vae": {
                "norm_num_groups": self.autoencoder_groups,
                "scaling_factor": SCALING_FACTORS[self.family],
            },
            **self._text_facts(),
            "scheduler": {"prediction_type": self.prediction_type},
            "resolution": self.resolution,
        }

    def _text_facts(self) -> dict:
        openai = {"num_attention_heads": self.heads, "hidden_act": "quick_gelu"}
        open_clip = {"num_attention_heads": self.heads, "hidden_act": "gelu"}
        if self.family == "sd2":
            return {"text_encoder": {**open_clip, "num_hidden_layers": self.text_layers}}
        if self.family == "sdxl":
            return {"text_encoder": openai, "text_encoder_2": open_clip}
        return {"text_encoder": openai}


_PUBLISHED = {"autoencoder_widths": (128, 256, 512, 512), "unet_groups": 32, "autoencoder_groups": 32}
FULL_SIZE = {
    "sd1": Blueprint(
        unet_widths=(320, 640, 1280, 1280),
        text_width=768,
        text_layers=12,
        heads=8,
        resolution=512,
        **_PUBLISHED,
    ),
    "sd2": Blueprint(
        family="sd2",
        unet_widths=(320, 640, 1280, 1280),
        text_width=1024,
        text_layers=23,
        heads=16,
        resolution=768,
        prediction_type="v_prediction",
        **_PUBLISHED,
    ),
    "sdxl": Blueprint(
        family="sdxl",
        unet_widths=(320, 640, 1280),
        depths=(0, 2, 10),
        text_width=768,
        text_layers=12,
        second_text_width=1280,
        second_text_layers=32,
        size_width=256,
        heads=4,
        resolution=1024,
        **_PUBLISHED,
    ),
}
"""The published models' widths; heads, which shapes don't show, need not be theirs."""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The networks of one model; float32, in evaluation mode unless a lesson is going on."""

    blueprint: Blueprint
    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection | None = None

    def all(self) -> tuple[torch.nn.Module, ...]:
        parts = (self.unet, self.autoencoder, self.text_encoder, self.text_encoder_2)
        return tuple(part for part in parts if part is not None)


def build(blueprint: Blueprint, *, seed: int = 0) -> Networks:
    """Networks with random weights; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = Networks(
            blueprint=blueprint,
            unet=_unet(blueprint),
            autoencoder=_autoencoder(blueprint),
            text_encoder=_text_encoder(blueprint),
            text_encoder_2=_second_text_encoder(blueprint) if blueprint.family == "sdxl" else None,
        )
    for network in networks.all():
        network.eval()
    return networks


def noise_schedule(blueprint: Blueprint) -> DDIMScheduler:
    """The noise schedule that every Stable Diffusion model has."""
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
    downward = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in blueprint.depths]
    upward = ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(blueprint.depths)]
    return UNet2DConditionModel(
        **_family_settings(blueprint),
        sample_size=blueprint.resolution // 8,
        in_channels=4,
        out_channels=4,
        block_out_channels=blueprint.unet_widths,
        layers_per_block=2,
        cross_attention_dim=_context_width(blueprint),
        attention_head_dim=blueprint.heads,  # diffusers reads this as the number of heads in such models
        norm_num_groups=blueprint.unet_groups,
        down_block_types=tuple(downward),
        up_block_types=tuple(upward),
    )


def _context_width(blueprint):
    return blueprint.text_width + (blueprint.second_text_width if blueprint.family == "sdxl" else 0)


def _family_settings(blueprint):
    if blueprint.family == "sd1":
        return {}
    if blueprint.family == "sd2":
        return {"use_linear_projection": True}
    return {
        "use_linear_projection": True,
        "transformer_layers_per_block": tuple(max(1, depth) for depth in blueprint.depths),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": blueprint.size_width,
        "projection_class_embeddings_input_dim": blueprint.second_text_width + 6 * blueprint.size_width,
    }


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
        scaling_factor=SCALING_FACTORS[blueprint.family],
    )


def _text_encoder(blueprint):
    if blueprint.family == "sd2":  # the last layer is in the file and never used
        width, layers = blueprint.text_width, blueprint.text_layers + 1
        return CLIPTextModel(_text_config(blueprint, width, layers, "gelu", pad=0))
    width, layers = blueprint.text_width, blueprint.text_layers
    return CLIPTextModel(_text_config(blueprint, width, layers, "quick_gelu", pad=END))


def _second_text_encoder(blueprint):
    width, layers = blueprint.second_text_width, blueprint.second_text_layers
    return CLIPTextModelWithProjection(_text_config(blueprint, width, layers, "gelu", pad=0))


def _text_config(blueprint, width, layers, activation, pad):
    return CLIPTextConfig(
        hidden_size=width,
        intermediate_size=width * 4,
        num_hidden_layers=layers,
        num_attention_heads=blueprint.heads,
        max_position_embeddings=77,
        vocab_size=VOCABULARY,
        hidden_act=activation,
        projection_dim=width,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=pad,
    )
