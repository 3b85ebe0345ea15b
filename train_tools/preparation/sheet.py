"""A picture of what the steps make of one original: a row for each step, its name beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from train_tools.model.preparation import Preview, Stage

if TYPE_CHECKING:
    from PIL import Image

SIDE_PX, MARGIN_PX, LETTERS_PX = 256, 8, 14
PAPER, INK = "#ffffff", "#202020"


def drawn(preview: Preview) -> bytes:
    """As a PNG file."""
    from PIL import Image

    rows = [_row(stage) for stage in preview.stages]
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
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
    width = sum(picture.width + MARGIN_PX for picture in pictures) + MARGIN_PX
    title = f"{stage.name}: {', '.join(sizes)}"
    font = ImageFont.load_default(LETTERS_PX)
    row = Image.new(
        "RGB", (max(width, int(font.getlength(title)) + 2 * MARGIN_PX), SIDE_PX + 4 * MARGIN_PX), PAPER
    )
    ImageDraw.Draw(row).text((MARGIN_PX, MARGIN_PX // 2), title, INK, font)
    left = MARGIN_PX
    for picture in pictures:
        row.paste(picture, (left, 3 * MARGIN_PX))
        left += picture.width + MARGIN_PX
    return row


def _small(files: Sequence[bytes]) -> tuple[Sequence[Image.Image], Sequence[str]]:
    """The pictures so that they fit in a row, and their sizes in words, each once."""
    from PIL import Image

    pictures, sizes = [], {}
    for content in files:
        with Image.open(io.BytesIO(content)) as picture:
            sizes[f"{picture.width}x{picture.height}"] = True
            small = picture.convert("RGB")
        small.thumbnail((SIDE_PX * 4, SIDE_PX))
        pictures.append(small)
    return pictures, list(sizes)
