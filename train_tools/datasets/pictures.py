"""Opening pictures that may be anything: which formats are allowed, and why a file is not one."""

from __future__ import annotations

import importlib
import math
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
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
    ".pcx": "PCX",
    ".ico": "ICO",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".jxl": "JXL",
}
"""By suffix. The last four are allowed where Pillow can read them, by itself or with a plugin."""
_PLUGINS = {"HEIF": ("pillow_heif", "pillow-heif"), "JXL": ("pillow_jxl", "pillow-jxl-plugin")}
"""By format: the module that adds it to Pillow, and what is to be installed for that."""

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
_FRAMES = "frames counted"


class NotAPictureError(DatasetNotUsableError):
    """A file that can't be trained on. The text is a reason to stand behind its name."""


@lru_cache(maxsize=1)
def picture_suffixes() -> tuple[str, ...]:
    """The file name endings that are allowed on this machine, in lower case."""
    from PIL import Image

    Image.init()
    for module, _ in _PLUGINS.values():
        _add_plugin(module)
    return tuple(suffix for suffix in _FORMATS if suffix in Image.EXTENSION)


def formats_in_words() -> str:
    return ", ".join(suffix.removeprefix(".") for suffix in picture_suffixes())


def why_not_a_picture(suffix: str) -> str:
    """Why files of that ending, in lower case, are not taken; what to install where that would help."""
    image_format = _FORMATS.get(suffix, "")
    if image_format in _PLUGINS and suffix not in picture_suffixes():
        package = _PLUGINS[image_format][1]
        return f"{suffix.removeprefix('.')} can't be read here: `pip install {package}` adds it, or save it as png"
    return f"its format is not one of {formats_in_words()}"


def _add_plugin(module: str) -> None:
    try:
        plugin = importlib.import_module(module)
    except ImportError:
        return
    register = getattr(plugin, "register_heif_opener", None)
    if register is not None:
        register()


def read_picture(path: Path, at_least_px: int | None = None) -> Image.Image:
    """The picture, decoded; of several frames the first. Raises NotAPictureError.

    What the file is decides, not what its name says. Formats that are not allowed are never even tried. With
    `at_least_px`, a JPEG both of whose sides stay as long is decoded at 1/2, 1/4 or 1/8 of its size, which takes a
    fraction of the time.
    """
    from PIL import Image, UnidentifiedImageError

    refuse_without_opening(path)
    formats = sorted({_FORMATS[suffix] for suffix in picture_suffixes()})
    with without_warnings():
        try:
            # By name, Pillow 12 maps raw TIFF into memory and garbles those that lie on their side.
            with path.open("rb") as file, Image.open(file, formats=formats) as picture:
                if picture.width * picture.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                    raise NotAPictureError(_too_large())
                frames = _count_frames(picture)
                if at_least_px:
                    picture.draft(None, (at_least_px, at_least_px))
                picture.load()
                picture.info[_FRAMES] = frames
                return picture
        except (Image.DecompressionBombError, MemoryError) as error:
            raise NotAPictureError(_too_large()) from error
        except UnidentifiedImageError as error:
            raise NotAPictureError("it is not a picture, or one of a format that can't be read") from error
        except PermissionError as error:
            raise NotAPictureError("it can't be read: check its permissions") from error
        except DECODING_ERRORS as error:
            raise NotAPictureError(f"it is broken or incomplete ({error})") from error


def frames_of(picture: Image.Image) -> int:
    """How many frames a picture had that was read here: more than 1 of an animation, say."""
    return int(picture.info.get(_FRAMES, 1))


def _count_frames(picture: Image.Image) -> int:
    """1 where the others can't be read, and for phones, whose second one is of depth."""
    if picture.format == "MPO":
        return 1
    try:
        return getattr(picture, "n_frames", 1)
    except DECODING_ERRORS:
        picture.seek(0)
        return 1


@contextmanager
def without_warnings() -> Iterator[None]:
    """Pillow warns of oddities in files of others that it copes with; the user can do nothing about them.

    What warns is one for all threads: the first to come turns it off, the last to go turns it on.
    """
    _silence.enter()
    try:
        yield
    finally:
        _silence.leave()


class _Silence:
    """How many have asked for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._before = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            self._asked += 1
            if self._asked == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._asked -= 1
            if self._asked == 0:
                self._before.__exit__(None, None, None)


_silence = _Silence()


def refuse_without_opening(path: Path) -> None:
    """Raises NotAPictureError for what is no file that could hold one: to open a pipe would wait for ever."""
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
