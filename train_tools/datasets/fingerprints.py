"""What pictures are and what they look like, as numbers: equal bytes by sha256, like pictures by how neighbouring
areas compare in brightness (a difference hash, along both sides). Kept in a file, so that each is seen once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_tools.datasets.pictures import DECODING_ERRORS, NotAPictureError, read_picture
from train_tools.files import sha256_of, storage_error
from train_tools.model.paths import VersionPaths

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

ALIKE = 10
"""Of 128 comparisons: pictures that differ in no more look like one saved again, resized or slightly retouched."""
SMALL_PX = 64
FLAT = 0
"""What a picture of one colour looks like: it says nothing about any other."""


@dataclass(frozen=True)
class Fingerprint:
    sha256: str
    looks: int
    """128 bits."""


def looks_of(picture: Image.Image) -> int:
    """A picture's 128 comparisons: is the left one of two neighbouring areas darker, is the upper one."""
    import numpy as np
    from PIL import Image

    grey = _small_and_grey(picture)
    across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX), dtype=np.int16)
    bits = np.concatenate([(np.diff(across, axis=1) > 0).ravel(), (np.diff(down, axis=0) > 0).ravel()])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _small_and_grey(picture: Image.Image) -> Image.Image:
    """Upright, on white, in 8 bits."""
    from PIL import Image, ImageOps

    if picture.mode.startswith(("I", "F")):
        picture = _in_eight_bits(picture)
    transparent = picture.has_transparency_data
    plain = picture.convert("RGBA" if transparent else "RGB")
    small = plain.resize((SMALL_PX, SMALL_PX), Image.Resampling.BOX, reducing_gap=2.0)
    with contextlib.suppress(*DECODING_ERRORS):  # broken EXIF data turn nothing
        small.getexif()[0x0112] = picture.getexif().get(0x0112, 1)
        small = ImageOps.exif_transpose(small)
    if transparent:
        small = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    return small.convert("L")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float32))
    brightest = float(values.max(initial=0)) or 1.0
    return Image.fromarray((np.clip(values / brightest, 0, 1) * 255).astype(np.uint8))


class Fingerprints:
    """Of the pictures of a version's dataset. A file that was not changed is not read again; one whose content is
    known is not decoded again."""

    def __init__(self, version: VersionPaths) -> None:
        self._file = version.fingerprints
        self._root = version.origin.parent
        self._by_file: dict[str, tuple[int, int, str]] = {}
        self._looks: dict[str, int] = {}
        for line in _lines(self._file):
            self._remember(line)

    def of(self, picture: Path) -> Fingerprint:
        """Raises NotAPictureError for one that can't be read."""
        found = picture.stat()
        size, modified, sha256 = self._by_file.get(self._name(picture), (-1, -1, ""))
        if (size, modified) == (found.st_size, found.st_mtime_ns) and sha256 in self._looks:
            return Fingerprint(sha256, self._looks[sha256])
        sha256 = sha256_of(picture)
        looks = self.looks_like(sha256)
        fingerprint = Fingerprint(sha256, looks_of(read_picture(picture)) if looks is None else looks)
        self.note(picture, fingerprint)
        return fingerprint

    def looks_like(self, sha256: str) -> int | None:
        """What a picture of that content looks like, if that was ever seen."""
        return self._looks.get(sha256)

    def note(self, picture: Path, fingerprint: Fingerprint) -> None:
        """Keeps the fingerprint of a file as it is now. Raises StorageError."""
        found = picture.stat()
        line = {
            "path": self._name(picture),
            "size": found.st_size,
            "modified_ns": found.st_mtime_ns,
            "sha256": fingerprint.sha256,
            "looks": f"{fingerprint.looks:032x}",
        }
        self._remember(line)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(line))  # the line before may be torn
        except OSError as error:
            raise storage_error(self._file, error) from error

    def _remember(self, line: dict[str, Any]) -> None:
        """A line that is torn, or another's, is no reason to stop: the picture is read again."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            looks = int(line["looks"], 16)
            self._by_file[line["path"]] = int(line["size"]), int(line["modified_ns"]), line["sha256"]
            self._looks[line["sha256"]] = looks

    def _name(self, picture: Path) -> str:
        return picture.relative_to(self._root).as_posix()


class Likenesses:
    """Pictures by what they look like; the nearest of tens of thousands is found at once."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._looks: np.ndarray[Any, Any] | None = None

    def add(self, name: str, looks: int) -> None:
        import numpy as np

        if looks == FLAT:
            return
        if self._looks is None:
            self._looks = np.zeros((1024, 2), dtype=np.uint64)
        elif len(self._names) == len(self._looks):
            self._looks = np.concatenate([self._looks, np.zeros_like(self._looks)])
        self._looks[len(self._names)] = _halves(looks)
        self._names.append(name)

    def nearest(self, looks: int) -> tuple[str, int] | None:
        """(name, distance) of the first of those that look most like it; None when none looks like it."""
        import numpy as np

        if looks == FLAT or self._looks is None:
            return None
        differing = self._looks[: len(self._names)] ^ np.array(_halves(looks), dtype=np.uint64)
        distances = np.bitwise_count(differing).sum(axis=1)
        best = int(distances.argmin())
        return (self._names[best], int(distances[best])) if distances[best] <= ALIKE else None


def likenesses_of(pictures: Iterator[Path], fingerprints: Fingerprints, root: Path) -> Likenesses:
    """Those of files below `root`; what is no picture any more is left out."""
    alike = Likenesses()
    for picture in pictures:
        with contextlib.suppress(NotAPictureError):
            alike.add(picture.relative_to(root).as_posix(), fingerprints.of(picture).looks)
    return alike


def _halves(looks: int) -> tuple[int, int]:
    return looks >> 64, looks & (1 << 64) - 1


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            for line in opened:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
    except OSError:
        return
