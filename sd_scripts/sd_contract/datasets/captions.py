"""Caption files: which belongs to an image, and what it says."""

from __future__ import annotations

from pathlib import Path

from sd_contract.datasets.description import Subset
from sd_contract.errors import DatasetError

FACE_WORDS = 4
"""Names of images that were cut around a face end in _x_y_width_height."""


def caption_of(image: Path, subset: Subset, warnings: list[str]) -> str | None:
    """The first line of an image's caption file, or with wildcards all that are not blank; None without such a
    file. DatasetError when the file is no text."""
    path = image.with_suffix(subset.caption_extension)
    text = _text(path)
    if text is None:
        path = image.with_name(without_face(image.stem) + subset.caption_extension)
        text = _text(path)
    if text is None:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        warnings.append(f"caption file {path} is empty; its image is trained without a caption.")
        return ""
    return "\n".join(lines) if subset.enable_wildcard else lines[0]


def without_face(stem: str) -> str:
    """A name without the place of the face that it ends in."""
    words = stem.split("_")
    return "_".join(words[:-FACE_WORDS]) if len(words) > FACE_WORDS else stem


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"caption file {path} can't be read ({error}). Save it as UTF-8 text.") from error
