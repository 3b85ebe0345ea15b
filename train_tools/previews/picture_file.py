"""Preview pictures as files: PNGs that say what they show, written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from train_tools.files import storage_error, whole_file, write_json
from train_tools.model.preview import Picture
from train_tools.previews.infotext import infotext

if TYPE_CHECKING:
    from PIL.Image import Image

BEGINNING = b"\x89PNG\r\n\x1a\n"
END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
READABLE = ("PNG", "JPEG", "WEBP")
"""Nothing else is opened: some of Pillow's readers start other programs."""
INFOTEXT, PICTURE, RENDERED_BY = "parameters", "train_tools.picture", "train_tools.rendered_by"
"""Names of the text chunks: the infotext where WebUIs look for it, the exact picture as JSON, and what the program
said that rendered it, where it is not ours. An image bears that in its `info` until it is written."""


def is_whole(file: Path) -> bool:
    """The file is there, and is a PNG from its first to its last byte."""
    try:
        with file.open("rb") as content:
            if content.read(len(BEGINNING)) != BEGINNING:
                return False
            content.seek(-len(END), 2)
            return content.read() == END
    except OSError:
        return False


def write_picture(file: Path, image: Image, picture: Picture, *, base_stem: str, lora_stem: str | None) -> None:
    """Writes the PNG with its infotext, and beside it the same as JSON, making the folder when it is not there.
    Raises StorageError."""
    from PIL.PngImagePlugin import PngInfo

    texts = PngInfo()
    said = infotext(picture, base_stem=base_stem, lora_stem=lora_stem)
    texts.add_text(INFOTEXT, said)
    texts.add_text(PICTURE, json.dumps(asdict(picture)))
    if theirs := image.info.get(RENDERED_BY):
        texts.add_text(RENDERED_BY, theirs)
    make_folder(file.parent)
    with whole_file(file) as content:
        image.save(content, "PNG", pnginfo=texts)
    told = {"format": 1, "picture": asdict(picture), "base": base_stem, "lora": lora_stem, "infotext": said}
    write_json(facts_of(file), told)


def without_texts(file: Path) -> bytes:
    """The same pixels as a PNG that says nothing of what they show. Raises StorageError."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            pixels = image.convert("RGB")
    except OSError as error:
        raise storage_error(file, error) from error
    content = BytesIO()
    Image.frombytes(pixels.mode, pixels.size, pixels.tobytes()).save(content, "PNG", compress_level=1)
    return content.getvalue()


def facts_of(file: Path) -> Path:
    """The JSON beside a picture."""
    return file.with_suffix(".json")


def delete_picture(file: Path) -> bool:
    """Deletes a picture and its JSON. Whether there was a picture. Raises StorageError."""
    try:
        was_there = file.exists()
        file.unlink(missing_ok=True)
        facts_of(file).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(file, error) from error
    return was_there


def read_infotext(file: Path | BinaryIO) -> str:
    """The infotext a PNG carries, "" when it has none."""
    return _texts(file).get(INFOTEXT, "")


def read_picture(file: Path) -> Picture | None:
    """What the PNG shows, exactly, or None when it was not written by `write_picture`."""
    try:
        return Picture(**json.loads(_texts(file)[PICTURE]))
    except (KeyError, ValueError, TypeError):
        return None


def _texts(file: Path | BinaryIO) -> dict[str, str]:
    from PIL import Image

    with Image.open(file, formats=READABLE) as image:
        image.load()
        return {str(key): value for key, value in image.info.items() if isinstance(value, str)}


def make_folder(folder: Path) -> None:
    """The folder and its parents. Raises StorageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
