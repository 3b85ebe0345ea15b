"""The names of dataset folders: `<repeats>_<class>` (S0-21)."""

from __future__ import annotations

import re
import unicodedata

from train_tools.errors import DatasetNotUsableError
from train_tools.model.preparation import AUTOMATIC_REPEATS

_LONGEST_CLASS_BYTES = 100


def automatic_repeats(images: int) -> int:
    """How often a set of so many originals is shown per epoch when nothing else is asked for (S1-29)."""
    return max(4, 512 // images)


def repeats_of(wanted: int, images: int) -> int:
    return automatic_repeats(images) if wanted == AUTOMATIC_REPEATS else wanted


def folder_name(repeats: int, class_name: str) -> str:
    return f"{repeats}_{class_name}"


def parsed(name: str) -> tuple[int, str] | None:
    """Repeats and class of a folder's name; the class may hold underscores itself. None when it is no such."""
    match = re.fullmatch(r"([0-9]+)_(.+)", name)
    if match is None or int(match[1]) < 1:
        return None
    return int(match[1]), match[2]


def class_of(name: str) -> str | None:
    repeats_and_class = parsed(name)
    return repeats_and_class[1] if repeats_and_class else None


def foldable_class(name: str) -> str:
    """The class as part of a folder's name: what no file system takes becomes `-`, and it neither begins nor
    ends with underscores, dots or spaces. Raises DatasetNotUsableError when nothing is left."""
    letters = [_foldable(letter) for letter in unicodedata.normalize("NFC", name)]
    cut = "".join(letters).strip("_. ").encode("utf-8")[:_LONGEST_CLASS_BYTES].decode("utf-8", "ignore")
    if not cut.strip("_. -"):
        raise DatasetNotUsableError(
            f"The class {name!r} can't be part of a folder's name. Use at least one letter or digit."
        )
    return cut.rstrip("_. ")


def _foldable(letter: str) -> str:
    unusable = letter in '<>:"/\\|?*' or unicodedata.category(letter) in ("Cc", "Cs")
    return "-" if unusable else letter
