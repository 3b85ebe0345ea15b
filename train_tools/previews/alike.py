"""Whether the pictures of a matrix can be compared: in which settings a row or a column differs from the others
that stand beside it, apart from what its heading tells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from train_tools.model.matrix_view import Alike
from train_tools.model.preview import Cell, Line, Picture, PreviewMatrix
from train_tools.previews.axes import BASE_MODEL, words_of

SETTINGS: Mapping[str, Callable[[Picture], object]] = {
    BASE_MODEL: lambda picture: picture.base,
    "prompt": lambda picture: picture.prompt,
    "negative_prompt": lambda picture: picture.negative_prompt,
    "size": lambda picture: (picture.width_px, picture.height_px),
    "sampler": lambda picture: picture.sampler,
    "scheduler": lambda picture: picture.scheduler,
    "steps": lambda picture: picture.steps,
    "guidance": lambda picture: picture.guidance,
    "clip_skip": lambda picture: picture.clip_skip,
    "vae": lambda picture: picture.vae,
    "seed": lambda picture: picture.seed,
    "embeddings": lambda picture: picture.embeddings,
    "renderer": lambda picture: picture.renderer,
}
"""Whatever decides a picture besides the LoRA and its weight, by the axis that would tell it."""


def alike(matrix: PreviewMatrix) -> Alike:
    rendered = [cell.picture for cell in matrix.cells if not cell.sampled]
    return Alike(
        rows=_differing(matrix.rows, matrix.cells, lambda cell: cell.row, lambda cell: cell.column),
        columns=_differing(matrix.columns, matrix.cells, lambda cell: cell.column, lambda cell: cell.row),
        prompts=tuple(dict.fromkeys(picture.prompt for picture in rendered)),
        seeds=tuple(sorted({picture.seed for picture in rendered})),
    )


def _differing(
    lines: Sequence[Line], cells: Iterable[Cell], own: Callable[[Cell], int], across: Callable[[Cell], int]
) -> tuple[tuple[str, ...], ...]:
    beside: dict[tuple[int, int], list[Cell]] = defaultdict(list)
    for cell in cells:
        beside[across(cell), cell.place].append(cell)
    found: list[set[str]] = [set() for _ in lines]
    for neighbours in beside.values():
        for axis, value in SETTINGS.items():
            values = Counter(value(cell.picture) for cell in neighbours)
            if len(values) > 1:
                usual = values.most_common(1)[0][0]
                for cell in neighbours:
                    if value(cell.picture) != usual:
                        found[own(cell)].add(axis)
    return tuple(_untold(line, axes) for line, axes in zip(lines, found, strict=True))


def _untold(line: Line, axes: set[str]) -> tuple[str, ...]:
    told = {value.axis for value in line.values}
    return tuple(words_of(axis) or axis for axis in SETTINGS if axis in axes and axis not in told)
