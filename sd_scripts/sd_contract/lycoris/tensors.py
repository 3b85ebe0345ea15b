"""Which tensors the methods of LyCORIS keep for a layer, by their names in a file and with their shapes.

`shape` is that of the layer's weight: [out, in] or [out, in, height, width], of a norm [width]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from sd_contract.errors import OptionError
from sd_contract.options.lycoris import Lycoris
from sd_contract.tensors.tensor_names import DOWN, UP

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
MID = "lora_mid.weight"
SCALAR = "scalar"
"""Trained with `use_scalar`, and multiplied into other tensors in a file."""


def tensor_shapes(method: Lycoris, rank: int, shape: Shape, *, has_bias: bool = False) -> Shapes:
    """The tensors that training moves. OptionError when the method can't split a layer of this size so."""
    found = _SHAPES[method.algo](method, rank, shape)
    if method.algo == "full" and has_bias:
        found["diff_b"] = (shape[0],)
    if method.dora_wd:
        found["dora_scale"] = _side(shape, 0 if method.wd_on_output else 1)
    return {**found, **({SCALAR: ()} if method.use_scalar else {})}


def norm_shapes(shape: Shape, *, has_bias: bool) -> Shapes:
    return {"w_norm": shape, **({"b_norm": shape} if has_bias else {})}


def split(width: int, factor: int) -> tuple[int, int]:
    """Two factors of a width, the smaller one first: one of them `factor` if that divides the width, else the
    smaller as near to it, from below, as the width allows; -1 makes them as equal as possible."""
    if factor > 0 and width % factor == 0:
        return min(factor, width // factor), max(factor, width // factor)
    most = width if factor < 0 else factor
    smaller, larger = 1, width
    while smaller < larger:
        following = next(n for n in range(smaller + 1, width + 1) if width % n == 0)
        if following + width // following > smaller + larger or following > most:
            break
        smaller, larger = following, width // following
    return min(smaller, larger), max(smaller, larger)


def blocks_of_butterfly(width: int, most: int) -> tuple[int, int]:
    """Size and number of BOFT's blocks (Liu et al., arXiv 2311.06243): an even size, `most` at most, times a power
    of two. OptionError when there is none."""
    fitting = [size for size in range(2, width + 1, 2) if width % size == 0 and _is_power_of_two(width // size)]
    allowed = [size for size in fitting if size <= most]
    if not allowed:
        needed = f"{fitting[0]} at least" if fitting else "a width that is even"
        raise OptionError(
            f"network_args: boft can't split a layer of {width} outputs with rank {most}: it needs {needed}. "
            "Set network_dim (and conv_dim) higher, or take algo=diag-oft."
        )
    return allowed[-1], width // allowed[-1]


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _side(shape: Shape, which: int) -> Shape:
    """A shape in which only one side is left."""
    return tuple(size if place == which else 1 for place, size in enumerate(shape))


def _is_tucker(method: Lycoris, shape: Shape) -> bool:
    return method.use_tucker and any(size != 1 for size in shape[2:])


def _locon(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    out, inner, *kernel = shape
    ones = [1] * len(kernel)
    if _is_tucker(method, shape):
        return {DOWN: (rank, inner, *ones), MID: (rank, rank, *kernel), UP: (out, rank, *ones)}
    return {DOWN: (rank, inner, *kernel), UP: (out, rank, *ones)}


def _loha(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    out, inner, *kernel = shape
    if not _is_tucker(method, shape):
        a, b = (out, rank), (rank, inner * prod(kernel))
        return {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": a, "hada_w2_b": b}
    a, b, t = (rank, out), (rank, inner), (rank, rank, *kernel)
    return {"hada_t1": t, "hada_w1_a": a, "hada_w1_b": b, "hada_t2": t, "hada_w2_a": a, "hada_w2_b": b}


def _lokr(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    out, inner, *kernel = shape
    small_in, large_in = split(inner, method.factor)
    small_out, large_out = split(out, method.factor)
    if method.unbalanced_factorization:
        small_out, large_out = large_out, small_out
    found: Shapes = {"lokr_w1": (small_out, small_in)}
    if method.decompose_both and rank < max(small_out, small_in) / 2:
        found = {"lokr_w1_a": (small_out, rank), "lokr_w1_b": (rank, small_in)}
    if method.full_matrix or rank >= max(large_out, large_in) / 2:
        return {**found, "lokr_w2": (large_out, large_in, *kernel)}
    if _is_tucker(method, shape):
        t = (rank, rank, *kernel)
        return {**found, "lokr_t2": t, "lokr_w2_a": (rank, large_out), "lokr_w2_b": (rank, large_in)}
    return {**found, "lokr_w2_a": (large_out, rank), "lokr_w2_b": (rank, large_in * prod(kernel))}


def _full(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    return {"diff": shape}


def _ia3(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    width = shape[1] if method.train_on_input else shape[0]
    return {"weight": (1, width, *(1 for _ in shape[2:])) if len(shape) > 2 else (width,)}


def _glora(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    out, inner, *kernel = shape
    ones = [1] * len(kernel)
    return {
        "a1.weight": (inner, rank, *ones),
        "a2.weight": (rank, inner, *ones),
        "b1.weight": (out, rank, *ones),
        "b2.weight": (rank, inner, *kernel),
    }


def _diag_oft(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    size, number = split(shape[0], rank)
    return {"oft_blocks": (number, size, size), **_rescale(method, shape)}


def _boft(method: Lycoris, rank: int, shape: Shape) -> Shapes:
    size, number = blocks_of_butterfly(shape[0], rank)
    stages = (number - 1).bit_count() + 1
    return {"oft_blocks": (stages, number, size, size), **_rescale(method, shape)}


def _rescale(method: Lycoris, shape: Shape) -> Shapes:
    return {"rescale": _side(shape, 0)} if method.rescaled else {}


_SHAPES: Mapping[str, Callable[[Lycoris, int, Shape], Shapes]] = {
    "locon": _locon,
    "dylora": _locon,
    "loha": _loha,
    "lokr": _lokr,
    "full": _full,
    "ia3": _ia3,
    "glora": _glora,
    "diag-oft": _diag_oft,
    "boft": _boft,
}
