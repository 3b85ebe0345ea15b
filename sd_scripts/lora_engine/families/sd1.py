"""Stable Diffusion 1: encodes text, predicts noise. Its parts are diffusers' and transformers' own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lora_engine.families.family import ImageSize, TextStates
from lora_engine.families.parts import final_layer_norm, make_text_encoder, make_unet, make_vae
from lora_engine.families.tokens import END_ID, chunks_of, joined_states, make_tokenizer, stressed
from lora_engine.families.weights import Find, Tensors, file_parts, open_parts
from sd_contract.base_models.base_model import BaseModel
from sd_contract.errors import OptionError


@dataclass
class StableDiffusion1:
    """A loaded model of the family; see `lora_engine.families.family.Family`."""

    base: BaseModel
    unet: Any
    vae: nn.Module | None
    text_encoder: Any
    tokenizer: Any

    pad_id: ClassVar[int] = END_ID

    @property
    def pad_ids(self) -> tuple[int, ...]:
        """What each text encoder's chunks are filled up with."""
        return (self.pad_id,)

    def encode_text(
        self,
        captions: Sequence[str],
        clip_skip: int | None = None,
        *,
        max_token_length: int | None = None,
        weighted: bool = False,
    ) -> TextStates:
        """The states of the layer that `clip_skip` names; the final layer norm follows in any case, as Stable
        Diffusion 1 was trained. OptionError when there is no such layer."""
        chunks = chunks_of(
            self.tokenizer,
            captions,
            pad_id=self.pad_id,
            max_token_length=max_token_length,
            weighted=weighted,
            length=self.token_limit,
        )
        ids_CT = chunks.ids.flatten(0, 1).to(device_of(self.text_encoder))
        states_BTD = joined_states(self._states(ids_CT, clip_skip), chunks.ids.shape[1])
        return TextStates(stressed(states_BTD, chunks.weights) if weighted else states_BTD)

    def states_of(self, ids: Sequence[Tensor], clip_skip: int | None) -> tuple[list[Tensor], Tensor | None]:
        """The states of each text encoder for chunks of token ids, C x T each, as `encode_text` takes them, and
        the chunks as a whole where the family has that."""
        return [self._states(ids[0], clip_skip)], None

    def _states(self, ids_CT: Tensor, clip_skip: int | None) -> Tensor:
        if clip_skip is None or clip_skip == 1:
            last: Tensor = self.text_encoder(ids_CT).last_hidden_state
            return last
        layers = self.base.text_encoder["num_hidden_layers"]
        if clip_skip > layers:
            raise OptionError(f"clip_skip = {clip_skip}: the text encoder has {layers} layers. Use 1 to {layers}.")
        states = self.text_encoder(ids_CT, output_hidden_states=True).hidden_states
        normed: Tensor = final_layer_norm(self.text_encoder)(states[-clip_skip])
        return normed

    def predict(
        self, latents_BCHW: Tensor, timesteps_B: Tensor, text: TextStates, sizes: Sequence[ImageSize] = ()
    ) -> Tensor:
        """The noise, or the velocity; sizes mean nothing to this family."""
        prediction: Tensor = self.unet(latents_BCHW, timesteps_B, text.states, return_dict=False)[0]
        return prediction

    def save_memory(self) -> None:
        """Keeps fewer activations for the backward pass and computes them again there."""
        keep_fewer_activations(self.unet, (self.text_encoder,))

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

    @classmethod
    def assembled(
        cls,
        base: BaseModel,
        parts: Mapping[str, Find],
        tokenizer: Any,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> StableDiffusion1:
        """A model whose parts find their weights so. BaseModelError when tensors are missing or don't fit."""
        return cls(
            base=base,
            unet=make_unet(base, parts["unet"], device, dtype),
            vae=make_vae(base, parts["vae"], device),
            text_encoder=make_text_encoder(base, "text_encoder", parts["text_encoder"], device, dtype),
            tokenizer=tokenizer,
        )


def load(
    base: BaseModel,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    tokenizer_folder: Path | None = None,
) -> StableDiffusion1:
    """Loads all parts of an SD1 model that `sd_contract.base_models.base_model` has inspected. BaseModelError when
    tensors are missing or don't fit, or when no CLIP vocabulary is found."""
    tokenizer = make_tokenizer(tokenizer_folder, base.path.parent)
    return StableDiffusion1.assembled(base, open_parts(base), tokenizer, device, dtype)


def assemble(
    base: BaseModel, tensors: Tensors, tokenizer: Any, *, device: torch.device | str, dtype: torch.dtype
) -> StableDiffusion1:
    """The parts of an SD1 model from the tensors of its file, under their single-file names."""
    return StableDiffusion1.assembled(base, file_parts(base, tensors), tokenizer, device, dtype)


def keep_fewer_activations(unet: Any, text_encoders: Sequence[Any]) -> None:
    """Turns gradient checkpointing on, which diffusers and transformers do in training mode alone."""
    for part in (unet, *text_encoders):
        part.train()
    unet.enable_gradient_checkpointing()
    for encoder in text_encoders:
        encoder.activation_checkpointing_enable()


def device_of(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
