"""Prompts as WebUIs of the A1111 family read them: stressed words, BREAK, as many chunks of 75 tokens as it takes,
and textual inversions. Captions are read as sd-scripts reads them, in `tokens`.

Prompt editing ([a:b:0.5], [a|b]) and AND are not read: their marks are brackets and words like others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lora_engine.families.family import TextStates
from lora_engine.families.sd1 import StableDiffusion1, device_of
from lora_engine.families.tokens import BEGIN_ID, END_ID, stresses
from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import verify_safetensors

BREAK = re.compile(r"\s*\bBREAK\b\s*")
BACKTRACK = 20
"""How many tokens behind the last comma are moved to the next chunk rather than cut off from their words."""
FIRST_ENCODER, SECOND_ENCODER = "clip_l", "clip_g"


@dataclass(frozen=True, eq=False)
class Inversion:
    """What a textual inversion puts in the place of its word: for each text encoder vectors, V x D."""

    name: str
    vectors: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.vectors[0])


@dataclass
class _Chunk:
    """Up to 75 tokens with their weights, and inversions by the place of their first token."""

    tokens: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    inversions: list[tuple[int, Inversion]] = field(default_factory=list)
    after_comma: int = -1

    def add(self, token: int, weight: float) -> None:
        self.tokens.append(token)
        self.weights.append(weight)

    def split(self, at: int) -> _Chunk:
        """Cuts the chunk there; returns the rest."""
        rest = _Chunk(self.tokens[at:], self.weights[at:])
        rest.inversions = [(place - at, one) for place, one in self.inversions if place >= at]
        self.inversions = [(place, one) for place, one in self.inversions if place < at]
        del self.tokens[at:], self.weights[at:]
        return rest


def read_inversion(path: Path, name: str, model: StableDiffusion1) -> Inversion:
    """The inversion of a safetensors file. CheckpointError when it is damaged or made for another family."""
    from safetensors.torch import load_file

    verify_safetensors(path)
    tensors = load_file(path)
    encoders = encoders_of(model)
    names = (FIRST_ENCODER, SECOND_ENCODER)[: len(encoders)] if len(encoders) > 1 else tuple(tensors)[:1]
    vectors = tuple(tensors[key].float().reshape(-1, tensors[key].shape[-1]) for key in names if key in tensors)
    widths = tuple(encoder.get_input_embeddings().weight.shape[1] for encoder in encoders)
    if tuple(one.shape[1] for one in vectors) != widths:
        made_for = ", ".join(str(tensor.shape[-1]) for _, tensor in sorted(tensors.items())) or "nothing"
        raise CheckpointError(
            f"The embedding {name!r} is made for text encoders of width {made_for}; this model's have "
            f"{', '.join(map(str, widths))}. It belongs to another kind of base model."
        )
    return Inversion(name, vectors)


def encode_prompts(
    model: StableDiffusion1,
    prompts: Sequence[str],
    clip_skip: int | None = None,
    inversions: Sequence[Inversion] = (),
) -> list[TextStates]:
    """What the text encoders say of each prompt: 1 x (77 chunks) x D, so that prompts may differ in length."""
    words = {inversion.name.lower(): inversion for inversion in inversions}
    return [_encoded(model, _chunks(model, prompt, words), clip_skip) for prompt in prompts]


def encoders_of(model: StableDiffusion1) -> list[Any]:
    """The text encoders, as a list also when there is one."""
    return list(model.text_encoder) if isinstance(model.text_encoder, nn.ModuleList) else [model.text_encoder]


def _encoded(model: StableDiffusion1, chunks: Sequence[_Chunk], clip_skip: int | None) -> TextStates:
    inner = model.token_limit - 2
    encoders = encoders_of(model)
    ids = [
        torch.tensor([_line(chunk, inner, pad) for chunk in chunks]).to(device_of(encoder))
        for encoder, pad in zip(encoders, model.pad_ids, strict=True)
    ]
    with ExitStack() as stack:
        for number, encoder in enumerate(encoders):
            stack.enter_context(_inverted(encoder, number, chunks))
        states, pooled = model.states_of(ids, clip_skip)
    weights_CT = torch.tensor([_weights(chunk, inner) for chunk in chunks])
    if bool((weights_CT != 1).any()):
        states = [_stressed(states_CTD, weights_CT.to(states_CTD)) for states_CTD in states]
    states_CTD = torch.cat(states, dim=-1)
    return TextStates(states_CTD.flatten(0, 1)[None], None if pooled is None else pooled[:1])


def _stressed(states_CTD: Tensor, weights_CT: Tensor) -> Tensor:
    """Each chunk's states times their weights, then with the mean they had before."""
    weighted = states_CTD * weights_CT[..., None]
    before, after = (tensor.float().mean(dim=(1, 2), keepdim=True) for tensor in (states_CTD, weighted))
    return weighted * (before / after).to(weighted)


@contextmanager
def _inverted(encoder: Any, number: int, chunks: Sequence[_Chunk]) -> Iterator[None]:
    """Lets the encoder see the inversions' vectors where their words stand."""
    places = [(at, place + 1, one) for at, chunk in enumerate(chunks) for place, one in chunk.inversions]

    def put(module: nn.Module, given: Any, found: Tensor) -> Tensor:
        for chunk, place, inversion in places:
            found[chunk, place : place + len(inversion)] = inversion.vectors[number].to(found)
        return found

    handle = encoder.get_input_embeddings().register_forward_hook(put) if places else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _chunks(model: StableDiffusion1, prompt: str, words: Mapping[str, Inversion]) -> list[_Chunk]:
    inner = model.token_limit - 2
    spoken = partial(model.tokenizer, add_special_tokens=False, verbose=False)
    comma = spoken(",").input_ids[0]
    chunks = [_Chunk()]
    for piece, weight in stresses(prompt):
        for number, part in enumerate(BREAK.split(piece)):
            if number:
                chunks.append(_Chunk())
            for text, inversion in _named(part, words):
                if inversion is not None:
                    _add_inversion(chunks, inversion, weight, inner)
                    continue
                for token in spoken(text).input_ids:
                    _add_token(chunks, token, weight, inner, comma)
    return chunks


def _add_token(chunks: list[_Chunk], token: int, weight: float, inner: int, comma: int) -> None:
    chunk = chunks[-1]
    if token == comma:
        chunk.after_comma = len(chunk.tokens) + 1
    elif len(chunk.tokens) == inner and 0 < inner + 1 - chunk.after_comma <= BACKTRACK and chunk.after_comma != -1:
        chunks.append(chunk.split(chunk.after_comma))
    if len(chunks[-1].tokens) == inner:
        chunks.append(_Chunk())
    chunks[-1].add(token, weight)


def _add_inversion(chunks: list[_Chunk], inversion: Inversion, weight: float, inner: int) -> None:
    if len(chunks[-1].tokens) + len(inversion) > inner:
        chunks.append(_Chunk())
    chunks[-1].inversions.append((len(chunks[-1].tokens), inversion))
    for _ in range(min(len(inversion), inner)):
        chunks[-1].add(0, weight)


def _named(text: str, words: Mapping[str, Inversion]) -> Iterator[tuple[str, Inversion | None]]:
    """The text in pieces, with the inversions whose names stand between them."""
    if not words:
        yield text, None
        return
    longest_first = sorted(words, key=len, reverse=True)
    names = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
    for number, piece in enumerate(names.split(text)):
        yield piece, words[piece.lower()] if number % 2 else None


def _line(chunk: _Chunk, inner: int, pad_id: int) -> list[int]:
    return [BEGIN_ID, *chunk.tokens, END_ID, *([pad_id] * (inner - len(chunk.tokens)))]


def _weights(chunk: _Chunk, inner: int) -> list[float]:
    return [1.0, *chunk.weights, *([1.0] * (inner + 1 - len(chunk.weights)))]
