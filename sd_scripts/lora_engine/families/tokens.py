"""Captions as CLIP tokens: padded as each encoder learnt it, in several chunks when they are long, with
weights when words are stressed. Follows sd-scripts token by token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sd_contract.base_models.vocabulary import END, START, find_vocabulary

MODEL_LENGTH = 77
BEGIN_ID, END_ID = 49406, 49407
STRESS = 1.1

STRESS_MARKS = re.compile(r"\\[()\[\]\\]|\\|\(|\[|:([+-]?[.\d]+)\)|\)|\]|[^\\()\[\]:]+|:")


@dataclass(frozen=True)
class Chunks:
    """Token ids of a batch of captions, and the weight of each token: B x N x 77."""

    ids: Tensor
    weights: Tensor


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
        model_max_length=MODEL_LENGTH,
    )


def chunks_of(
    tokenizer: Any,
    captions: Sequence[str],
    *,
    pad_id: int,
    max_token_length: int | None = None,
    weighted: bool = False,
    length: int = MODEL_LENGTH,
) -> Chunks:
    """The captions as chunks that each begin and, after their text, end as a caption of their own would."""
    inner = length - 2
    kept = max_token_length or inner
    assert kept % inner == 0, f"max_token_length {max_token_length} is no multiple of {inner}"
    spoken = [_spoken(tokenizer, caption, weighted) for caption in captions]
    padded = [_padded(tokens[:kept], pad_id, kept) for tokens in spoken]
    starts = range(0, kept, inner)
    ids = [[_chunk(line, start, inner, pad_id) for start in starts] for line in padded]
    weights = [[_chunk_weights(tokens[:kept], start, inner) for start in starts] for tokens in spoken]
    return Chunks(torch.tensor(ids), torch.tensor(weights))


def joined_states(states_CTD: Tensor, chunks: int) -> Tensor:
    """The states of each caption's chunks as one row: the first chunk's beginning, all inner states, the last
    chunk's end: B x (75 chunks + 2) x D."""
    if chunks == 1:
        return states_CTD
    states_BNTD = states_CTD.reshape(-1, chunks, *states_CTD.shape[1:])
    inner_BTD = states_BNTD[:, :, 1:-1].flatten(1, 2)
    return torch.cat([states_BNTD[:, 0, :1], inner_BTD, states_BNTD[:, -1, -1:]], dim=1)


def stressed(states_BTD: Tensor, weights_BNT: Tensor) -> Tensor:
    """The states multiplied with their tokens' weights."""
    inner_BT = weights_BNT[:, :, 1:-1].flatten(1)
    weights_BT = torch.nn.functional.pad(inner_BT, (1, 1), value=1.0).to(states_BTD)
    return states_BTD * weights_BT[..., None]


def stresses(caption: str) -> list[tuple[str, float]]:
    """The caption in pieces with their weights: (x) is 1.1, [x] is 1/1.1, (x:1.3) is 1.3, nested ones multiply; a
    backslash makes a bracket a mere letter. Brackets that are not closed reach to the end."""
    pieces: list[tuple[str, float]] = []
    round_from: list[int] = []
    square_from: list[int] = []
    for match in STRESS_MARKS.finditer(caption):
        mark, number = match[0], match[1]
        if mark == "(":
            round_from.append(len(pieces))
        elif mark == "[":
            square_from.append(len(pieces))
        elif number is not None and round_from and _is_number(number):
            _multiply(pieces, round_from.pop(), float(number))
        elif mark == ")" and round_from:
            _multiply(pieces, round_from.pop(), STRESS)
        elif mark == "]" and square_from:
            _multiply(pieces, square_from.pop(), 1 / STRESS)
        else:
            pieces.append((mark[1:] if mark.startswith("\\") else mark, 1.0))
    for start in round_from:
        _multiply(pieces, start, STRESS)
    for start in square_from:
        _multiply(pieces, start, 1 / STRESS)
    return _merged(pieces)


def _spoken(tokenizer: Any, caption: str, weighted: bool) -> list[tuple[int, float]]:
    """The tokens of a caption with their weights, without beginning and end."""
    pieces = stresses(caption) if weighted else [(caption, 1.0)]
    return [
        (token, weight)
        for text, weight in pieces
        for token in tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    ]


def _padded(tokens: Sequence[tuple[int, float]], pad_id: int, kept: int) -> list[int]:
    line = [BEGIN_ID, *(token for token, _ in tokens), END_ID]
    return line + [pad_id] * (kept + 2 - len(line))


def _chunk(line: Sequence[int], start: int, inner: int, pad_id: int) -> list[int]:
    chunk = [line[0], *line[1 + start : 1 + start + inner], line[-1]]
    if pad_id == END_ID:
        return chunk
    if chunk[-2] not in (END_ID, pad_id):
        chunk[-1] = END_ID
    if chunk[1] == pad_id:
        chunk[1] = END_ID
    return chunk


def _chunk_weights(tokens: Sequence[tuple[int, float]], start: int, inner: int) -> list[float]:
    weights = [weight for _, weight in tokens[start : start + inner]]
    return [1.0, *weights, *([1.0] * (inner - len(weights))), 1.0]


def _multiply(pieces: list[tuple[str, float]], start: int, factor: float) -> None:
    pieces[start:] = [(text, weight * factor) for text, weight in pieces[start:]]


def _merged(pieces: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Neighbours of equal weight as one, so that words are not torn apart."""
    merged: list[tuple[str, float]] = []
    for text, weight in pieces:
        if merged and merged[-1][1] == weight:
            merged[-1] = merged[-1][0] + text, weight
        else:
            merged.append((text, weight))
    return merged or [("", 1.0)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
