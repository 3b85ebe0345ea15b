"""Stable Diffusion 1: loads a single file of any widths into diffusers' and transformers' modules, encodes text,
predicts noise. Needs no network and no configuration but what the contract reads from the file's header."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sd_contract.base_model import BaseModel
from sd_contract.errors import BaseModelError
from sd_contract.vocabulary import END, START, find_vocabulary

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer."
Tensors = Mapping[str, Tensor]
Convert = Callable[[Tensors, Mapping[str, Any]], Tensors]


@dataclass
class StableDiffusion1:
    """The parts of a loaded model; frozen, in evaluation mode. `vae` stays in float32."""

    base: BaseModel
    unet: Any
    vae: nn.Module | None
    text_encoder: Any
    tokenizer: Any

    def encode_text(self, captions: Sequence[str], clip_skip: int | None = None) -> Tensor:
        """The text encoder's states, B x 77 x width. `clip_skip` counts layers from the end, 1 being the last;
        the final layer norm follows in any case, as Stable Diffusion 1 was trained."""
        tokens = self.tokenizer(list(captions), padding="max_length", truncation=True, max_length=self.token_limit)
        ids = torch.tensor(tokens.input_ids, device=next(self.text_encoder.parameters()).device)
        if clip_skip is None or clip_skip == 1:
            last: Tensor = self.text_encoder(ids).last_hidden_state
            return last
        states = self.text_encoder(ids, output_hidden_states=True).hidden_states
        normed: Tensor = final_layer_norm(self.text_encoder)(states[-clip_skip])
        return normed

    def predict(self, latents_BCHW: Tensor, timesteps_B: Tensor, text_BTD: Tensor) -> Tensor:
        """What the U-Net says about noisy latents: the noise, or the velocity for v-prediction models."""
        prediction: Tensor = self.unet(latents_BCHW, timesteps_B, text_BTD, return_dict=False)[0]
        return prediction

    def save_memory(self) -> None:
        """Keeps fewer activations for the backward pass and computes them again there."""
        for part in (self.unet, self.text_encoder):
            part.train()
        self.unet.enable_gradient_checkpointing()
        self.text_encoder.activation_checkpointing_enable()

    def take_vae(self) -> nn.Module:
        """The VAE, which the model then no longer holds on to."""
        vae, self.vae = self.vae, None
        assert vae is not None, "the VAE was taken before"
        return vae

    @property
    def token_limit(self) -> int:
        return int(self.base.text_encoder["max_position_embeddings"])

    @property
    def scaling_factor(self) -> float:
        """What VAE latents are multiplied with before the U-Net sees them."""
        return float(self.base.vae["scaling_factor"])


def load(
    base: BaseModel,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    tokenizer_folder: Path | None = None,
) -> StableDiffusion1:
    """Loads all parts of a model that `sd_contract.base_model` has inspected. BaseModelError when tensors are
    missing or don't fit, or when no CLIP vocabulary is found."""
    from safetensors.torch import load_file

    tokenizer = make_tokenizer(tokenizer_folder, base.path.parent)
    return assemble(base, load_file(base.path), tokenizer, device=device, dtype=dtype)


def assemble(
    base: BaseModel, tensors: Tensors, tokenizer: Any, *, device: torch.device | str, dtype: torch.dtype
) -> StableDiffusion1:
    """The parts of a model from the tensors of its file, under their single-file names."""
    return StableDiffusion1(
        base=base,
        unet=_frozen(_unet(base, tensors, dtype), device),
        vae=_frozen(_vae(base, tensors, torch.float32), device),
        text_encoder=_frozen(_text_encoder(base, tensors, dtype), device),
        tokenizer=tokenizer,
    )


def make_tokenizer(folder: Path | None, model_folder: Path | None) -> Any:
    """A transformers CLIPTokenizer from the vocabulary found on this machine."""
    from transformers import CLIPTokenizer

    make: Any = CLIPTokenizer
    vocabulary = find_vocabulary(folder, model_folder)
    return make(
        vocab=dict(vocabulary.ids),
        merges=list(vocabulary.merges),
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=END,
        model_max_length=77,
    )


def final_layer_norm(text_encoder: nn.Module) -> nn.Module:
    """The last layer of a CLIP text encoder; transformers 5.6 moved it out of `text_model`."""
    return getattr(text_encoder, "text_model", text_encoder).final_layer_norm  # type: ignore[return-value]


def _unet(base: BaseModel, tensors: Tensors, dtype: torch.dtype) -> nn.Module:
    from diffusers.loaders import single_file_utils
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    config = {**base.unet, "sample_size": base.resolution // base.latent_factor}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
    convert: Convert = single_file_utils.convert_ldm_unet_checkpoint
    return _filled(unet, convert(_below(tensors, UNET), config), base, dtype)


def _vae(base: BaseModel, tensors: Tensors, dtype: torch.dtype) -> nn.Module:
    from diffusers.loaders import single_file_utils
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    config = {**base.vae, "sample_size": base.resolution}
    with torch.device("meta"):
        vae = AutoencoderKL(**config)
    convert: Convert = single_file_utils.convert_ldm_vae_checkpoint
    return _filled(vae, convert(_below(tensors, VAE), config), base, dtype)


def _text_encoder(base: BaseModel, tensors: Tensors, dtype: torch.dtype) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    with torch.device("meta"):
        encoder = CLIPTextModel(CLIPTextConfig(**base.text_encoder))
    prefixed = any(name.startswith("text_model.") for name in encoder.state_dict())
    own = {
        (name if prefixed else name.removeprefix("text_model.")): tensor
        for name, tensor in ((key[len(TEXT) :], value) for key, value in _below(tensors, TEXT).items())
        if not name.endswith("position_ids")
    }
    filled = _filled(encoder, own, base, dtype)
    _restore_position_ids(filled)
    return filled


def _below(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _filled(module: nn.Module, weights: Tensors, base: BaseModel, dtype: torch.dtype) -> nn.Module:
    """The module with these weights in place of its empty ones."""
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for name, shape in wanted.items():
        if name not in weights:
            raise BaseModelError(f"base model: {base.path} lacks the tensor for {name}. Download it again.")
        if tuple(weights[name].shape) != shape:
            raise BaseModelError(
                f"base model: {base.path}: {name} has shape {tuple(weights[name].shape)}, "
                f"{shape} was expected from the other tensors."
            )
    module.load_state_dict({name: weights[name].to(dtype) for name in wanted}, assign=True)
    return module


def _restore_position_ids(text_encoder: nn.Module) -> None:
    """Counts the positions again: this buffer is in no file, so it is still empty after loading."""
    embeddings: Any = getattr(text_encoder, "text_model", text_encoder).embeddings
    embeddings.position_ids = torch.arange(embeddings.position_embedding.num_embeddings).unsqueeze(0)


def _frozen(module: nn.Module, device: torch.device | str) -> nn.Module:
    return module.to(device).requires_grad_(False).eval()
