"""The blocks of a base model's networks as memory sees them: what each keeps for the backward pass, and how many
weights a LoRA beside its layers has.

Counted by reading what autograd saves for a frozen layer with a LoRA (Hu et al., arXiv 2106.09685) beside it:
a linear layer's input (for the LoRA alone), a convolution's input, what norms and activations begin from, and the
queries, keys, values and outputs of attention (Dao et al., arXiv 2205.14135: no matrix of tokens x tokens).
c is a block's width, N the latent cells or tokens it works on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TEXT_TOKENS = 77
ENCODER_COPIES = 5
FEED_FORWARD = 4
KERNEL = 9


@dataclass(frozen=True, kw_only=True)
class Block:
    """One block. Kept numbers are counted for one image; `normed` are those that norms keep, which mixed precision
    holds in float32 on a GPU. `layers` x `tokens` are a LoRA's inner values a rank."""

    tokens: int
    enters: int
    """The numbers that come in: all that is kept of it with gradient checkpointing."""
    held: int
    normed: int = 0
    layers: int = 0
    sides: int = 0
    """Inputs + outputs of its linear layers: a LoRA has rank x that many weights."""
    convolutions: int = 0
    convolution_sides: int = 0
    """The same for 3x3 convolutions and the linear layer beside them, which carry LoRAs with `conv_dim` alone."""
    scores: int = 0
    """Numbers of the matrix of tokens x tokens, which only plain attention keeps."""
    recomputed: bool = True
    """Whether gradient checkpointing lets it go and computes it again."""


def unet_blocks(unet: Mapping[str, Any], width: int, height: int) -> Iterator[Block]:
    """The blocks of a U-Net (diffusers' configuration) for latents of this size, in their order."""
    widths: Sequence[int] = unet["block_out_channels"]
    depths = _depths(unet)
    text = int(unet["cross_attention_dim"])
    sizes = [_cells(width, height, level) for level in range(len(widths))]
    c, skips = widths[0], [widths[0]]
    for level, (out, depth) in enumerate(zip(widths, depths, strict=True)):
        for _ in range(int(unet["layers_per_block"])):
            yield residual(sizes[level], c, out, widths[0])
            yield from transformer(sizes[level], out, depth, text, unet)
            c = out
            skips.append(c)
        if level + 1 < len(widths):
            yield resampling(sizes[level], c)
            skips.append(c)
    bottom = sizes[-1]
    yield residual(bottom, c, c, widths[0])
    yield from transformer(bottom, c, depths[-1] or 1, text, unet)
    yield residual(bottom, c, c, widths[0])
    for level in reversed(range(len(widths))):
        for _ in range(int(unet["layers_per_block"]) + 1):
            yield residual(sizes[level], c + skips.pop(), widths[level], widths[0])
            c = widths[level]
            yield from transformer(sizes[level], c, depths[level], text, unet)
        if level:
            yield resampling(sizes[level - 1], c)
    yield Block(tokens=sizes[0], enters=sizes[0] * c, held=sizes[0] * c, normed=2 * sizes[0] * c, recomputed=False)


def residual(cells: int, c: int, out: int, first: int) -> Block:
    """A ResNet block: norm, SiLU, convolution, twice. Both norms, both SiLUs and both convolutions keep what comes
    in; in its time embedding 4 x `first` numbers do."""
    shortcut = c + out if c != out else 0
    return Block(
        tokens=cells,
        enters=cells * c,
        held=cells * (c + out),
        normed=2 * cells * (c + out),
        convolutions=3 + bool(shortcut),
        convolution_sides=KERNEL * (c + out) + 2 * out + FEED_FORWARD * first + out + shortcut,
    )


def resampling(cells: int, c: int) -> Block:
    """The convolution that halves or doubles the sides; `cells` of the larger side."""
    return Block(
        tokens=cells,
        enters=cells * c,
        held=cells * c,
        convolutions=1,
        convolution_sides=(KERNEL + 1) * c,
        recomputed=False,
    )


def transformer(cells: int, c: int, depth: int, text: int, unet: Mapping[str, Any]) -> Iterator[Block]:
    """What an attention of this depth consists of: its norm and projections, then its blocks, each of
    self-attention, attention on the text's states and a gated feed-forward (GEGLU: 8c, its gate 4c, their
    product 4c)."""
    if not depth:
        return
    yield Block(
        tokens=cells,
        enters=cells * c,
        held=2 * cells * c,
        normed=cells * c,
        layers=2,
        sides=2 * 2 * c,
        recomputed=False,
    )
    attention = 5 + 3  # normed input, queries, keys, values, output; of the text's keys and values no more than 77
    for _ in range(depth):
        yield Block(
            tokens=cells,
            enters=cells * c,
            held=cells * c * (attention + 1 + 4 * FEED_FORWARD) + 2 * TEXT_TOKENS * c,
            normed=3 * cells * c,
            layers=8,
            sides=8 * c + 2 * c + 2 * (text + c) + 2 * c + (1 + 2 * FEED_FORWARD) * c + (FEED_FORWARD + 1) * c,
            scores=2 * _heads(unet, c) * cells * (cells + TEXT_TOKENS),
        )


def text_blocks(encoder: Mapping[str, Any], chunks: int) -> Iterator[Block]:
    """The layers of a CLIP text encoder (transformers' configuration) for captions of so many chunks."""
    c, inner, tokens = int(encoder["hidden_size"]), int(encoder["intermediate_size"]), TEXT_TOKENS * chunks
    for _ in range(int(encoder["num_hidden_layers"])):
        yield Block(
            tokens=tokens,
            enters=tokens * c,
            held=tokens * (6 * c + 3 * inner),
            normed=2 * tokens * c,
            layers=6,
            sides=8 * c + 2 * (c + inner),
        )


def encoding(vae: Mapping[str, Any], width: int, height: int) -> int:
    """The most numbers a VAE holds at a time while it encodes an image of this size, nothing being kept for a
    backward pass: at full size input, normed input, output of a convolution, and the convolution's own copies
    (measured at 512x512)."""
    return ENCODER_COPIES * int(vae["block_out_channels"][0]) * width * height


def _cells(width: int, height: int, level: int) -> int:
    """Latent cells after so many halvings; an odd side is rounded up."""
    halved = [-(-side // (1 << level)) for side in (width, height)]
    return halved[0] * halved[1]


def _depths(unet: Mapping[str, Any]) -> list[int]:
    """Transformer blocks of each level, 0 where there is no attention."""
    kinds: Sequence[str] = unet["down_block_types"]
    depths = unet.get("transformer_layers_per_block", (1,) * len(kinds))
    return [depth if kind.startswith("CrossAttn") else 0 for kind, depth in zip(kinds, depths, strict=True)]


def _heads(unet: Mapping[str, Any], c: int) -> int:
    heads, widths = unet["attention_head_dim"], tuple(unet["block_out_channels"])
    return int(heads if isinstance(heads, int) else heads[widths.index(c)])
