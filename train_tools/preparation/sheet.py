"""A picture of what the steps make of one original: a row for each step, its name beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preview, Stage

if TYPE_CHECKING:
    from PIL import Image

WIDTH_PX, SIDE_PX, MARGIN_PX, LETTERS_PX = 1600, 192, 8, 14
PAPER, INK = "#ffffff", "#202020"


def drawn(preview: Preview) -> bytes:
    """As a PNG file."""
    from PIL import Image

    rows = [_row(stage) for stage in preview.stages]
    sheet = Image.new("RGB", (WIDTH_PX, sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue()


def _row(stage: Stage) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    pictures, sizes = _small(stage.pictures)
    places = _places(pictures)
    height = max(top for _, top in places) + SIDE_PX + MARGIN_PX
    row = Image.new("RGB", (WIDTH_PX, height), PAPER)
    title = f"{stage.name}: {len(pictures)} ({', '.join(sizes)})"
    ImageDraw.Draw(row).text((MARGIN_PX, MARGIN_PX // 2), title, INK, ImageFont.load_default(LETTERS_PX))
    for picture, place in zip(pictures, places, strict=True):
        row.paste(picture, place)
    return row


def _places(pictures: Sequence[Image.Image]) -> Sequence[tuple[int, int]]:
    """One beside the other, in as many lines as it takes."""
    left, top, places = MARGIN_PX, 3 * MARGIN_PX, []
    for picture in pictures:
        if left > MARGIN_PX and left + picture.width + MARGIN_PX > WIDTH_PX:
            left, top = MARGIN_PX, top + SIDE_PX + MARGIN_PX
        places.append((left, top))
        left += picture.width + MARGIN_PX
    return places


def _small(files: Sequence[bytes]) -> tuple[Sequence[Image.Image], Sequence[str]]:
    """The pictures so that they fit in a row, and their sizes in words, each once."""
    from PIL import Image

    pictures, sizes = [], {}
    for content in files:
        with Image.open(io.BytesIO(content)) as picture:
            sizes[f"{picture.width}x{picture.height}"] = True
            small = picture.convert("RGB")
        small.thumbnail((WIDTH_PX - 2 * MARGIN_PX, SIDE_PX))
        pictures.append(small)
    return pictures, list(sizes)
