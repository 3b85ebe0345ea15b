"""The two images of a pair that a page sends: kept in the version beside its dataset, drawn anew as PNG.
An image is never replaced, since runs may wait for it: one that shows something else has another name."""

from __future__ import annotations

import hashlib
import re
import uuid
from pathlib import PurePosixPath

from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.errors import DatasetNotUsableError
from train_tools.files import storage_error
from train_tools.model.paths import VersionPaths

LONGEST_STEM = 40
HEX_DIGITS = 8


def keep_pair_image(version: VersionPaths, name: str, content: bytes) -> str:
    """Takes in one image that was called `name`, and returns its path below the version's folder. Raises
    DatasetNotUsableError for what is no whole picture."""
    target = version.pair / f"{_plain(name)}-{hashlib.sha256(content).hexdigest()[:HEX_DIGITS]}.png"
    if not target.is_file():
        _draw(version, target.name, content, name)
    return target.relative_to(version.folder).as_posix()


def _draw(version: VersionPaths, kept_as: str, content: bytes, name: str) -> None:
    from PIL import ImageOps

    sent, drawn = (version.pair / f".{uuid.uuid4().hex}.part" for _ in range(2))
    try:
        version.pair.mkdir(parents=True, exist_ok=True)
        sent.write_bytes(content)
        upright = ImageOps.exif_transpose(read_picture(sent))
        upright.convert("RGBA" if upright.has_transparency_data else "RGB").save(drawn, format="PNG")
        drawn.replace(version.pair / kept_as)
    except NotAPictureError as error:
        raise DatasetNotUsableError(f"{name!r} is not taken: {error}.") from error
    except OSError as error:
        raise storage_error(version.pair / kept_as, error) from error
    finally:
        for part in (sent, drawn):
            part.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """What of a name means nothing else in an option's field: letters and digits."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return re.sub(r"[^\w]+", "-", stem).strip("-_")[:LONGEST_STEM] or "image"
