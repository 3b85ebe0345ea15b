"""Captions to token ids, with the vocabulary that every Stable Diffusion 1 model shares."""

from collections.abc import Sequence

import torch
from transformers import CLIPTokenizer

from sd_contract.base_models.vocabulary import find_vocabulary

PLACES = 77


def tokenizer() -> CLIPTokenizer:
    """The tokenizer, without the network; BaseModelError says what to install when no vocabulary is found."""
    vocabulary = find_vocabulary()
    return CLIPTokenizer(vocab=vocabulary.ids, merges=list(vocabulary.merges), model_max_length=PLACES)


def token_ids(words: CLIPTokenizer, captions: Sequence[str]) -> torch.Tensor:
    """Ids of captions x 77 places, cut and filled up."""
    encoded = words(list(captions), padding="max_length", truncation=True, max_length=PLACES)
    return torch.tensor(encoded.input_ids)
