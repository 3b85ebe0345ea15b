"""Small WebP copies of pictures, kept in the cache of the outputs folder; they can be deleted at any time."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from PIL import Image, ImageOps

from train_tools.errors import NotFoundError, TrainToolsError
from train_tools.files import whole_file

SIDE_PX = 256
QUALITY = 80
READABLE = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""Formats that are drawn small. Nothing else is opened: some of Pillow's readers start other programs."""

_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


class NotAPictureError(TrainToolsError):
    """The file is not a whole picture of a kind that is shown."""


class Thumbnails:
    """Thumbnails of the pictures below one cache folder. May be asked by many threads at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._drawing = [threading.Lock() for _ in range(4)]

    def of(self, picture: Path) -> Path:
        """The file of the thumbnail: at most 256 x 256 px, drawn again when the picture has changed.

        Raises NotFoundError, or NotAPictureError for what can't be drawn.
        """
        key = hashlib.sha256(f"{picture}\0{edition(picture)}".encode("utf-8", "surrogateescape")).hexdigest()
        thumbnail = self.folder / key[:2] / f"{key}.webp"
        with self._drawing[int(key[0], 16) % len(self._drawing)]:
            if not thumbnail.exists():
                thumbnail.parent.mkdir(parents=True, exist_ok=True)
                _draw(picture, thumbnail)
        return thumbnail


def edition(picture: Path) -> str:
    """Changes whenever the file does: its time of change and its size."""
    try:
        facts = picture.stat()
    except OSError as error:
        raise NotFoundError(f"There is no picture {picture.name}; it may have been moved or deleted.") from error
    return f"{facts.st_mtime_ns:x}-{facts.st_size:x}"


def media_type(picture: Path) -> str:
    """The type by the file's first bytes. Raises NotAPictureError for all but PNG, JPEG and WebP."""
    try:
        with picture.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise NotFoundError(f"The picture {picture.name} can't be read: {error.strerror or error}.") from error
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "image/webp"
    raise NotAPictureError(f"{picture.name} can't be shown: only PNG, JPEG and WebP pictures are.")


def _draw(picture: Path, thumbnail: Path) -> None:
    try:
        with Image.open(picture, formats=READABLE) as opened:
            opened.draft("RGB", (SIDE_PX * 2, SIDE_PX * 2))
            upright = ImageOps.exif_transpose(opened)
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NotAPictureError(f"{picture.name} can't be shown: {error}.") from error
    small.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    with whole_file(thumbnail) as file:
        small.save(file, "WEBP", quality=QUALITY)
