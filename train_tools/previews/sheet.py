"""The matrix as one labelled picture: a row for each checkpoint below the base model, a column for each weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageDraw

from train_tools.files import whole_file
from train_tools.model.preview import Cell, Line, PreviewMatrix
from train_tools.previews.axes import CHECKPOINT, OF_LORA, PROMPT, RUN, WEIGHT
from train_tools.previews.lettering import draw_lines, line_height, width_of, wrapped
from train_tools.previews.picture_file import is_whole, make_folder
from train_tools.previews.told import told_once

TEXT_PX, SMALL_TEXT_PX, TITLE_PX = 15, 10, 20
MARGIN, GAP, BAND_GAP, GROUP_GAP = 24, 6, 8, 18
WIDEST_LABEL, LEAST_INNER_WIDTH = 260, 480
SHOWN_SIDES = (256, 192, 160, 128, 96, 64, 48)
"""Longest side of a picture on the sheet, in the order in which they are tried."""
ENLARGED_TO = 192
LONGEST_SIDE, MOST_PIXELS = 12_000, 40_000_000
PROMPT_LINES, FOOTER_LINES, LABEL_LINES = 2, 8, 6

PAPER, BASE_PAPER, EDGE = "#fbfbf9", "#eef1f5", "#d4d4ce"
EMPTY, HATCH = "#ececea", "#dcdcd8"
INK, QUIET = "#1c1c1a", "#6a6a64"
NOT_RENDERED = "not rendered"

Key = TypeVar("Key")
Band = list[tuple[int, tuple[str, ...]]]
"""Labels side by side: the column each begins at, and its lines."""


def draw_sheet(matrix: PreviewMatrix, target: Path, title: str = "") -> None:
    """Writes the sheet as a PNG or a WebP, as its name ends, whole or not at all. Pictures that are not there are
    marked as not rendered.

    Small pictures are enlarged by a whole factor, large ones reduced. A matrix that is too large for one picture
    is drawn as far as it goes, and the sheet says how much is left out. Raises StorageError.
    """
    sheet = _Sheet(_fitting(matrix, title)).drawn()
    make_folder(target.parent)
    with whole_file(target) as file:
        sheet.save(file, "WEBP" if target.suffix.lower() == ".webp" else "PNG")


@dataclass(frozen=True)
class _Layout:
    """Where everything goes, in pixels, for the rows and columns that are drawn."""

    matrix: PreviewMatrix
    title: str
    shown_side: int
    rows: int
    columns: int

    @cached_property
    def shown_px(self) -> tuple[int, int]:
        """Width and height of a cell on the sheet."""
        width, height = (side * self.per_side for side in self._largest_px)
        longest = max(width, height)
        if longest <= min(ENLARGED_TO, self.shown_side):
            factor = min(ENLARGED_TO, self.shown_side) // longest
            return width * factor, height * factor
        scale = min(1.0, self.shown_side / longest)
        return max(1, round(width * scale)), max(1, round(height * scale))

    @cached_property
    def _largest_px(self) -> tuple[int, int]:
        sizes = {(cell.picture.width_px, cell.picture.height_px) for cell in self.matrix.cells}
        sizes = sizes or {(self.matrix.settings.width_px, self.matrix.settings.height_px)}
        return max(width for width, _ in sizes), max(height for _, height in sizes)

    @cached_property
    def per_side(self) -> int:
        """How many pictures stand side by side in a cell: several are put into a square (S1-65)."""
        return math.ceil(math.sqrt(1 + max((cell.place for cell in self.matrix.cells), default=0)))

    def box_of(self, cell: Cell) -> tuple[int, int, int, int]:
        """Left, top, width and height of the picture."""
        width, height = (side // self.per_side for side in self.shown_px)
        down, across = divmod(cell.place, self.per_side)
        return self.lefts[cell.column] + across * width, self.tops[cell.row] + down * height, width, height

    @cached_property
    def label_px(self) -> int:
        texts = [text for row in self.shown_rows for text in (row.run, row.label)]
        return round(min(WIDEST_LABEL, max(width_of(text, TEXT_PX) for text in texts))) + 1

    @property
    def shown_rows(self) -> Sequence[Line]:
        return self.matrix.rows[: self.rows]

    @property
    def shown_columns(self) -> Sequence[Line]:
        return self.matrix.columns[: self.columns]

    def label_of(self, row: Line) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The run's lines and the checkpoint's."""
        return (
            wrapped(row.run, TEXT_PX, self.label_px, LABEL_LINES),
            wrapped(row.label, TEXT_PX, self.label_px, LABEL_LINES),
        )

    @cached_property
    def row_heights(self) -> list[int]:
        return [
            max(self.shown_px[1], line_height(TEXT_PX) * sum(map(len, self.label_of(row))))
            for row in self.shown_rows
        ]

    @cached_property
    def title_lines(self) -> tuple[str, ...]:
        return wrapped(self.title, TITLE_PX, self.inner_width, 2) if self.title else ()

    @cached_property
    def bands(self) -> list[Band]:
        """The labels above the base model's row, a band for each axis of the columns that it has as well. Of
        prompts, those that are alone are told below."""
        return [self._band(at) for at, axis in enumerate(self._column_axes) if self._is_told_above(axis)]

    @property
    def _column_axes(self) -> list[str]:
        return [value.axis for value in self.matrix.columns[0].values] if self.matrix.columns else []

    def _is_told_above(self, axis: str) -> bool:
        return not self._is_of_checkpoints(axis) and (axis != PROMPT or len(self._prompts) > 1)

    def _is_of_checkpoints(self, axis: str) -> bool:
        """The base model's row has no use for it. Where the base model is a column there is no such row."""
        return axis in OF_LORA and self.matrix.rows[0].is_base

    @cached_property
    def _prompts(self) -> list[str]:
        return list(dict.fromkeys(line[PROMPT] for line in self.matrix.columns))

    def _band(self, at: int) -> Band:
        """The labels of one axis, each over all columns that agree so far."""
        outer = [tuple(value.value for value in line.values[: at + 1]) for line in self.shown_columns]
        return [(span[0], self._fitted(self._told(span[0], at), span)) for _, span in _spans(outer)]

    def _told(self, column: int, at: int) -> str:
        value = self.shown_columns[column].values[at]
        if value.axis == PROMPT:
            return f"{self._prompts.index(value.value) + 1}: {value.value}"
        if value.axis in (RUN, CHECKPOINT) or not value.text:
            return value.text
        return f"{value.words} {value.text}"

    @cached_property
    def weights_band(self) -> Band:
        """The labels above the checkpoints' rows, which the base model's row has no use for."""
        places = [at for at, axis in enumerate(self._column_axes) if self._is_of_checkpoints(axis)]
        if self.rows == 1 or not places:
            return []
        labels = [", ".join(self._weight_label(line, at) for at in places) for line in self.shown_columns]
        return [(number, self._fitted(label, (number, number))) for number, label in enumerate(labels)]

    def _weight_label(self, line: Line, at: int) -> str:
        value = line.values[at]
        spelt = value.axis == WEIGHT and self.weights_are_spelt_out
        return f"{WEIGHT} {value.text}" if spelt else value.text

    @cached_property
    def weights_are_spelt_out(self) -> bool:
        """Each column has room for "weight 0.5"; else the word stands once, left of the numbers."""
        texts = [value.text for line in self.shown_columns for value in line.values if value.axis == WEIGHT]
        return max((width_of(f"{WEIGHT} {text}", TEXT_PX) for text in texts), default=0) <= self.shown_px[0]

    def _fitted(self, text: str, span: tuple[int, int]) -> tuple[str, ...]:
        width = self.lefts[span[1]] + self.shown_px[0] - self.lefts[span[0]]
        return wrapped(text, TEXT_PX, width, PROMPT_LINES)

    @cached_property
    def band_heights(self) -> list[int]:
        return [_height(band) for band in self.bands]

    @cached_property
    def footer(self) -> list[str]:
        texts = list(told_once(self.matrix))
        if self.rows < len(self.matrix.rows):
            texts.append(f"{len(self.matrix.rows) - self.rows} more rows have no room on this sheet.")
        if self.columns < len(self.matrix.columns):
            texts.append(f"{len(self.matrix.columns) - self.columns} more columns have no room on this sheet.")
        return [line for text in texts for line in wrapped(text, TEXT_PX, self.inner_width, FOOTER_LINES)]

    @cached_property
    def inner_width(self) -> int:
        return max(self.lefts[-1] + self.shown_px[0] - MARGIN, LEAST_INNER_WIDTH)

    @property
    def width(self) -> int:
        return self.inner_width + 2 * MARGIN

    @cached_property
    def tops(self) -> list[int]:
        """Upper edge of each row; one more for the end of the last."""
        steps = [height + GAP for height in self.row_heights]
        steps[0] += _height(self.weights_band) + (BAND_GAP if self.weights_band else 0)
        return list(itertools.accumulate(steps, initial=self.pictures_top))

    @property
    def weights_top(self) -> int:
        return self.tops[1] - _height(self.weights_band) - GAP // 2

    @cached_property
    def pictures_top(self) -> int:
        title = line_height(TITLE_PX) * len(self.title_lines) + (BAND_GAP if self.title_lines else 0)
        return MARGIN + title + sum(self.band_heights) + BAND_GAP

    @property
    def bands_top(self) -> int:
        return self.pictures_top - BAND_GAP - sum(self.band_heights)

    @property
    def footer_top(self) -> int:
        return self.tops[-1] + MARGIN // 2

    @property
    def height(self) -> int:
        return self.footer_top + line_height(TEXT_PX) * len(self.footer) + MARGIN

    @cached_property
    def lefts(self) -> list[int]:
        """Left edge of each column; what shares a prompt and a seed stands closer together."""
        lefts = [MARGIN + self.label_px + GROUP_GAP]
        for before, after in itertools.pairwise(self.shown_columns):
            together = _group_of(before) == _group_of(after)
            lefts.append(lefts[-1] + self.shown_px[0] + (GAP if together else GROUP_GAP))
        return lefts

    @property
    def fits(self) -> bool:
        return max(self.width, self.height) <= LONGEST_SIDE and self.width * self.height <= MOST_PIXELS


def _fitting(matrix: PreviewMatrix, title: str) -> _Layout:
    """The layout with the largest pictures that fits; where the smallest do not, with fewer rows and columns."""
    whole = _Layout(matrix, title, SHOWN_SIDES[0], len(matrix.rows), len(matrix.columns))
    for side in SHOWN_SIDES:
        layout = replace(whole, shown_side=side)
        if layout.fits:
            return layout
    while not layout.fits:
        if layout.width > LONGEST_SIDE or layout.rows == 1:
            layout = replace(layout, columns=max(1, layout.columns * 3 // 4))
        else:
            layout = replace(layout, rows=max(1, layout.rows * 3 // 4))
    return layout


class _Sheet:
    """Draws a layout."""

    def __init__(self, layout: _Layout) -> None:
        self._layout = layout
        self._image = Image.new("RGB", (layout.width, layout.height), PAPER)
        self._canvas = ImageDraw.Draw(self._image)

    def drawn(self) -> Image.Image:
        layout = self._layout
        draw_lines(self._canvas, (MARGIN, MARGIN), layout.title_lines, TITLE_PX, INK)
        self._draw_bands()
        self._draw_labels()
        for cell in layout.matrix.cells:
            if cell.row < layout.rows and cell.column < layout.columns:
                self._draw_cell(cell)
        draw_lines(self._canvas, (MARGIN, layout.footer_top), layout.footer, TEXT_PX, QUIET)
        return self._image

    def _draw_bands(self) -> None:
        layout, top = self._layout, self._layout.bands_top
        for band, height in zip(layout.bands, layout.band_heights, strict=True):
            self._draw_band(band, top)
            top += height
        self._draw_band(layout.weights_band, layout.weights_top)
        if layout.weights_band and not layout.weights_are_spelt_out:
            draw_lines(self._canvas, (MARGIN, layout.weights_top), [WEIGHT], TEXT_PX, INK)

    def _draw_band(self, band: Band, top: int) -> None:
        for column, lines in band:
            draw_lines(self._canvas, (self._layout.lefts[column], top), lines, TEXT_PX, INK)

    def _draw_labels(self) -> None:
        layout = self._layout
        for row, top, height in zip(layout.shown_rows, layout.tops[:-1], layout.row_heights, strict=True):
            if row.is_base:
                edges = (0, top - GAP // 2, layout.width, top + height + GAP // 2 - 1)
                self._canvas.rectangle(edges, fill=BASE_PAPER)
            run, checkpoint = layout.label_of(row)
            draw_lines(self._canvas, (MARGIN, top), run, TEXT_PX, INK)
            draw_lines(self._canvas, (MARGIN, top + len(run) * line_height(TEXT_PX)), checkpoint, TEXT_PX, QUIET)

    def _draw_cell(self, cell: Cell) -> None:
        left, top, width, height = self._layout.box_of(cell)
        picture = _shown(cell.file, (width, height))
        if picture is None:
            self._image.paste(self._empty, (left, top))
        else:
            self._image.paste(picture, (left, top))
            edges = (left - 1, top - 1, left + picture.width, top + picture.height)
            self._canvas.rectangle(edges, outline=EDGE)

    @cached_property
    def _empty(self) -> Image.Image:
        """What stands for a picture that is not there."""
        width, height = (side // self._layout.per_side for side in self._layout.shown_px)
        field = Image.new("RGB", (width, height), EMPTY)
        canvas = ImageDraw.Draw(field)
        for start in range(-height, width, 12):
            canvas.line((start, height, start + height, 0), fill=HATCH, width=3)
        size = TEXT_PX if width_of(NOT_RENDERED, TEXT_PX) <= width - GAP else SMALL_TEXT_PX
        lines = wrapped(NOT_RENDERED, size, width - 2, 2)
        top = (height - len(lines) * line_height(size)) / 2
        for number, line in enumerate(lines):
            left = (width - width_of(line, size)) / 2
            draw_lines(canvas, (left, top + number * line_height(size)), [line], size, QUIET)
        return field


def _shown(file: Path, room: tuple[int, int]) -> Image.Image | None:
    """The picture as large as the room allows, or None when the file is not a whole picture."""
    if not is_whole(file):
        return None
    try:
        with Image.open(file) as image:
            scale = min(room[0] / image.width, room[1] / image.height)
            size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            enlarged = scale >= 1
            return image.convert("RGB").resize(
                size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
            )
    except (OSError, ValueError, SyntaxError):
        return None


def _group_of(line: Line) -> tuple[object, ...]:
    """What a column shares with those it stands close to."""
    return tuple(value.value for value in line.values if value.axis not in OF_LORA)


def _spans(keys: Sequence[Key]) -> Iterator[tuple[Key, tuple[int, int]]]:
    """Each stretch of equal keys with its first and last position."""
    for key, group in itertools.groupby(enumerate(keys), key=lambda pair: pair[1]):
        positions = [position for position, _ in group]
        yield key, (positions[0], positions[-1])


def _height(band: Band) -> int:
    return line_height(TEXT_PX) * max((len(lines) for _, lines in band), default=0)
