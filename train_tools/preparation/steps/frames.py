"""Frames: the sizes, in steps, that pictures of any shape are brought to, for training in buckets (S2-05 to
S2-09)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from train_tools.model.preparation import Preparation

Size = tuple[int, int]


def largest_frames(preparation: Preparation) -> tuple[Size, ...]:
    """A square, and for each width the greatest height within the size's area and longer side, lying and standing;
    from the narrowest to the widest."""
    short, long = sorted((preparation.width_px, preparation.height_px))
    step = preparation.frame_step_px
    frames = {(short, short)}
    for width in range(preparation.frame_least_px, long + 1, step):
        height = min(long, short * long // width // step * step)
        if height and _within(preparation, (width, height)):
            frames |= {(width, height), (height, width)}
    return _by_shape(frames)


def smaller_frames(preparation: Preparation) -> tuple[Size, ...]:
    """All other sizes in the steps, no larger in area; from the narrowest to the widest."""
    short, long = sorted((preparation.width_px, preparation.height_px))
    sides = range(preparation.frame_least_px, long + 1, preparation.frame_step_px)
    sizes = {(width, height) for width in sides for height in sides if width * height <= short * long}
    return _by_shape({size for size in sizes if _within(preparation, size)} - set(largest_frames(preparation)))


def frames_for(picture: Size, preparation: Preparation) -> tuple[Size, ...]:
    """The largest frame of the nearest shape, then as many smaller ones as are wanted, nearest first (S2-08)."""
    nearest = _nearest(largest_frames(preparation), picture)[:1]
    return (*nearest, *_nearest(smaller_frames(preparation), picture)[: preparation.smaller_frames])


def _within(preparation: Preparation, size: Size) -> bool:
    return max(size) <= min(size) * preparation.frame_ratio


def _by_shape(sizes: Iterable[Size]) -> tuple[Size, ...]:
    """By width / height; of equal shapes the larger first."""
    return tuple(sorted(sizes, key=lambda size: (Fraction(*size), -size[0])))


def _nearest(sizes: Sequence[Size], picture: Size) -> Sequence[Size]:
    """By the difference of width / height, exact, so that of two as near the narrower is first everywhere."""
    return sorted(sizes, key=lambda size: abs(Fraction(*size) - Fraction(*picture)))
