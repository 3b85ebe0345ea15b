"""diffusers' own pipelines around the engine's modules, and a prediction to compare them by."""

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

from benchmarks.pocket.blueprint import Blueprint, noise_schedule
from lora_engine.families.tokens import make_tokenizer


def pipeline_of(model):
    """diffusers' own pipeline around the same modules."""
    family = model.base.family
    shared = {"vae": model.vae, "unet": model.unet, "scheduler": noise_schedule(Blueprint.of_width(8, family))}
    if family != "sdxl":
        return StableDiffusionPipeline(
            **shared,
            text_encoder=model.text_encoder,
            tokenizer=padded_with(model.tokenizer, family),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    first, second = model.text_encoder
    return StableDiffusionXLPipeline(
        **shared,
        text_encoder=first,
        text_encoder_2=second,
        tokenizer=model.tokenizer,
        tokenizer_2=padded_with(model.tokenizer, family),
        add_watermarker=False,
    )


def padded_with(tokenizer, family):
    """A tokenizer that pads as OpenCLIP's text encoders learnt it."""
    if family == "sd1":
        return tokenizer
    other = make_tokenizer(None, None)
    other.pad_token = "!"
    return other


def noise_of(model, sizes=()):
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    text = model.encode_text(["a red square", "blue"])
    return model.predict(latents, torch.tensor([10, 700]), text, sizes)
