"""The image files of a folder, and what lies beside them without being trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
OTHER_IMAGES = frozenset({".gif", ".tif", ".tiff", ".avif", ".jxl", ".heic", ".heif"})
NAMED = 5
"""So many names a warning tells."""


def list_images(folder: Path) -> tuple[Path, ...]:
    """The image files directly in a folder, sorted by name; suffixes in any case, hidden files left out."""
    return tuple(sorted(entry for entry in _shown(folder) if entry.suffix.lower() in IMAGE_SUFFIXES))


def left_out(folder: Path) -> list[str]:
    """What in a folder looks as if it were to be trained on but is not, a sentence each."""
    other = [entry.name for entry in _shown(folder) if entry.suffix.lower() in OTHER_IMAGES]
    deeper = [entry.name for entry in _visible(folder) if entry.is_dir() and _holds_images(entry)]
    return [
        f"{count} {what} in {folder} {why}: {some(sorted(names))}"
        for names, what, why in (
            (other, "files", f"are left out; images are files ending in {', '.join(sorted(IMAGE_SUFFIXES))}"),
            (deeper, "folders", "are left out; only images directly in image_dir are trained on"),
        )
        if (count := len(names))
    ]


def some(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:NAMED]) + (" ..." if len(names) > NAMED else "")


def _holds_images(folder: Path) -> bool:
    return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in _shown(folder))


def _shown(folder: Path) -> Iterable[Path]:
    return (entry for entry in _visible(folder) if entry.is_file())


def _visible(folder: Path) -> Iterable[Path]:
    return (entry for entry in folder.iterdir() if not entry.name.startswith("."))
