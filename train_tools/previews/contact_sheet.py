"""The matrix as one HTML file that shows itself in any browser, without us and without the network: the pictures
are inside it, and all that people wrote stands there as text."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from train_tools.files import write_text
from train_tools.model.preview import Cell, Line, PreviewMatrix
from train_tools.previews.axes import PROMPT
from train_tools.previews.picture_file import is_whole, make_folder, read_infotext
from train_tools.previews.told import told_once

SHOWN_PX, QUALITY = 512, 85
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 24px; background: #fbfbf9; color: #1c1c1a }
table { border-collapse: collapse }
td, th { padding: 3px; vertical-align: top; text-align: left; font-weight: normal }
thead th { white-space: pre-wrap; max-width: 30em } tbody th { position: sticky; left: 0; background: #fbfbf9 }
tbody th small, p { color: #6a6a64; display: block; overflow-wrap: anywhere } tr.base { background: #eef1f5 }
img { max-width: 256px; display: block } img.small { image-rendering: pixelated; width: 192px }
.none { color: #6a6a64; background: #ececea; padding: 2em 1em }
"""


def write_contact_sheet(matrix: PreviewMatrix, target: Path, title: str) -> None:
    """Writes the file, whole or not at all. Raises StorageError."""
    make_folder(target.parent)
    write_text(target, "".join(_page(matrix, title)))


def _page(matrix: PreviewMatrix, title: str) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    yield "style-src 'unsafe-inline'\">"
    yield f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
    yield "<table><thead>"
    yield from _headings(matrix.columns)
    yield "</thead><tbody>"
    cells: dict[tuple[int, int], list[Cell]] = {}
    for cell in matrix.cells:
        cells.setdefault((cell.row, cell.column), []).append(cell)
    for number, row in enumerate(matrix.rows):
        yield f"<tr{' class=base' if row.is_base else ''}><th>{html.escape(row.run)}"
        yield f"<small>{html.escape(row.label)}</small></th>"
        for column in range(len(matrix.columns)):
            yield f"<td>{''.join(map(_picture, cells.get((number, column), ())))}</td>"
        yield "</tr>"
    yield "</tbody></table>"
    yield from (f"<p>{html.escape(line)}</p>" for line in told_once(matrix))
    yield "</body></html>\n"


def _headings(columns: Sequence[Line]) -> Iterator[str]:
    """A row for each axis; a label that goes on is not repeated."""
    for at in range(len(columns[0].values) if columns else 0):
        yield "<tr><th></th>"
        before = None
        for line in columns:
            value = line.values[at]
            told = value.text if value.axis in (PROMPT, "run", "checkpoint") else f"{value.words} {value.text}"
            yield f"<th>{html.escape('' if told == before or not value.text else told)}</th>"
            before = told
        yield "</tr>"


def _picture(cell: Cell) -> str:
    if not is_whole(cell.file):
        return '<div class="none">not rendered</div>'
    from PIL import Image

    try:
        with Image.open(cell.file) as image:
            small = max(image.size) <= SHOWN_PX // 4
            shown = image.convert("RGB")
        shown.thumbnail((SHOWN_PX, SHOWN_PX))
        content = io.BytesIO()
        shown.save(content, "WEBP", quality=QUALITY, lossless=small)
        told = html.escape(read_infotext(cell.file), quote=True)
    except (OSError, ValueError, SyntaxError):
        return '<div class="none">can\'t be shown</div>'
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img{" class=small" if small else ""} alt="" title="{told}" src="data:image/webp;base64,{data}">'
