"""Stable Diffusion XL: two text encoders, the caption as a whole, and the image's sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lora_engine.families.family import ImageSize, TextStates
from lora_engine.families.parts import make_text_encoder, make_unet, make_vae
from lora_engine.families.sd1 import StableDiffusion1, device_of, keep_fewer_activations
from lora_engine.families.sd2 import OPEN_CLIP_PAD
from lora_engine.families.tokens import END_ID, Chunks, chunks_of, joined_states, stressed
from lora_engine.families.weights import Find
from sd_contract.base_models.base_model import BaseModel

BEFORE_LAST = -2


class StableDiffusionXL(StableDiffusion1):
    """A loaded model of the family. `text_encoder` is the list of CLIP-L and OpenCLIP bigG."""

    def encode_text(
        self,
        captions: Sequence[str],
        clip_skip: int | None = None,
        *,
        max_token_length: int | None = None,
        weighted: bool = False,
    ) -> TextStates:
        """The states before the last of both encoders side by side, without a final layer norm, and the second's
        projected view of the whole caption, of a long one its first 75 tokens. `clip_skip` means nothing here."""

        def chunks(pad_id: int) -> Chunks:
            return chunks_of(
                self.tokenizer,
                captions,
                pad_id=pad_id,
                max_token_length=max_token_length,
                weighted=weighted,
                length=self.token_limit,
            )

        first, second = self.text_encoder
        states_1 = self._joined(first(**_asked(first, chunks(END_ID))), chunks(END_ID), weighted)
        of_second = chunks(OPEN_CLIP_PAD)
        output = second(**_asked(second, of_second))
        states_2 = self._joined(output, of_second, weighted)
        pooled_BP = output.text_embeds.unflatten(0, (len(captions), -1))[:, 0]
        return TextStates(torch.cat([states_1, states_2], dim=-1), pooled_BP)

    @property
    def pad_ids(self) -> tuple[int, ...]:
        """What each text encoder's chunks are filled up with."""
        return (END_ID, OPEN_CLIP_PAD)

    def states_of(self, ids: Sequence[Tensor], clip_skip: int | None) -> tuple[list[Tensor], Tensor | None]:
        """The states of both encoders, and the chunks as a whole."""
        outputs = [
            encoder(input_ids=each, output_hidden_states=True)
            for encoder, each in zip(self.text_encoder, ids, strict=True)
        ]
        return [output.hidden_states[BEFORE_LAST] for output in outputs], outputs[1].text_embeds

    def _joined(self, output: Any, chunks: Chunks, weighted: bool) -> Tensor:
        states_BTD = joined_states(output.hidden_states[BEFORE_LAST], chunks.ids.shape[1])
        return stressed(states_BTD, chunks.weights) if weighted else states_BTD

    def predict(
        self, latents_BCHW: Tensor, timesteps_B: Tensor, text: TextStates, sizes: Sequence[ImageSize] = ()
    ) -> Tensor:
        """The noise, or the velocity."""
        if not sizes:
            height, width = (side * self.base.latent_factor for side in latents_BCHW.shape[-2:])
            sizes = [ImageSize.uncropped(width, height)] * len(latents_BCHW)
        numbers_B6 = torch.tensor([size.numbers() for size in sizes], dtype=torch.float32)
        told = {"text_embeds": text.pooled, "time_ids": numbers_B6.to(latents_BCHW.device)}
        prediction: Tensor = self.unet(
            latents_BCHW, timesteps_B, text.states, added_cond_kwargs=told, return_dict=False
        )[0]
        return prediction

    def save_memory(self) -> None:
        """Keeps fewer activations for the backward pass and computes them again there."""
        keep_fewer_activations(self.unet, tuple(self.text_encoder))

    @classmethod
    def assembled(
        cls,
        base: BaseModel,
        parts: Mapping[str, Find],
        tokenizer: Any,
        device: torch.device | str,
        dtype: torch.dtype,
    ) -> StableDiffusionXL:
        """A model whose parts find their weights so. BaseModelError when tensors are missing or don't fit."""
        names = ("text_encoder", "text_encoder_2")
        encoders = [make_text_encoder(base, name, parts[name], device, dtype) for name in names]
        return cls(
            base=base,
            unet=make_unet(base, parts["unet"], device, dtype),
            vae=make_vae(base, parts["vae"], device),
            text_encoder=nn.ModuleList(encoders),
            tokenizer=tokenizer,
        )


def _asked(encoder: nn.Module, chunks: Chunks) -> dict[str, Any]:
    ids_CT = chunks.ids.flatten(0, 1).to(device_of(encoder))
    return {"input_ids": ids_CT, "output_hidden_states": True}
