"""Opening pictures that may be anything: which formats are allowed, and why a file is not one."""

from __future__ import annotations

import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from train_tools.errors import DatasetNotUsableError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
}
"""By suffix. The last three are allowed where Pillow can read them."""

DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise for damaged files."""


class NotAPictureError(DatasetNotUsableError):
    """A file that can't be trained on. The text is a reason to stand behind its name."""


def picture_suffixes() -> tuple[str, ...]:
    """The file name endings that are allowed on this machine, in lower case."""
    from PIL import Image

    Image.init()
    return tuple(suffix for suffix in _FORMATS if suffix in Image.EXTENSION)


def read_picture(path: Path) -> Image.Image:
    """The picture, decoded; of several frames the first. Raises NotAPictureError.

    What the file is decides, not what its name says. Formats that are not allowed are never even tried.
    """
    from PIL import Image, UnidentifiedImageError

    _refuse_without_opening(path)
    formats = sorted({_FORMATS[suffix] for suffix in picture_suffixes()})
    with without_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            # By name, Pillow 12 maps raw TIFF into memory and garbles those that lie on their side.
            with path.open("rb") as file, Image.open(file, formats=formats) as picture:
                picture.load()
                return picture
        except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError) as error:
            raise NotAPictureError(_too_large()) from error
        except UnidentifiedImageError as error:
            raise NotAPictureError("it is not a picture, or one of a format that can't be read") from error
        except PermissionError as error:
            raise NotAPictureError("it can't be read: check its permissions") from error
        except DECODING_ERRORS as error:
            raise NotAPictureError(f"it is broken or incomplete ({error})") from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Pillow warns of oddities in files of others that it copes with; the user can do nothing about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _refuse_without_opening(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise NotAPictureError(f"it can't be read: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise NotAPictureError("it is not a plain file")
    if found.st_size == 0:
        raise NotAPictureError("it is empty (0 bytes)")


def _too_large() -> str:
    from PIL import Image

    limit = (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000
    return f"it has more than {limit} million pixels, the most that is opened: save it smaller"
