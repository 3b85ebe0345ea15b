"""What images look like, as a few numbers, kept by content: a picture is decoded once, whatever it is called."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_tools.datasets.fingerprints import looks_of
from train_tools.datasets.pictures import NotAPictureError, read_picture
from train_tools.files import sha256_of, storage_error, write_text
from train_tools.model.paths import VersionPaths

if TYPE_CHECKING:
    from PIL import Image

SMALL_PX = 512
"""Blur is measured on a copy no larger: what is lost beyond that, trainings mostly never see."""
BLURRED_BY = 9
"""Pixels that are averaged to see how much a picture still loses."""
FLAT_LEVELS = 2.0
"""A picture whose grey varies less than that (0 to 255) is one surface."""
Progress = Callable[[int, int], None]
KEPT_EVERY = 100
"""So many images are looked at between two writes: what was done is not lost when it is stopped."""


@dataclass(frozen=True)
class Look:
    """`problem` says why a picture can't be read; the numbers mean nothing then."""

    looks: str = ""
    """The 128 comparisons of neighbouring areas, in hex: near-duplicates have nearly the same."""
    blur: float = 0.0
    """How little it changes when it is blurred: the part of the differences between neighbours that an average
    of 9 pixels leaves (Crete et al., The blur effect, 2007). About 0.2 to 0.4 for sharp photographs and drawings,
    above 0.55 for what is out of focus or was enlarged threefold; smooth gradients look the same as blur."""
    contrast: float = 0.0
    """The standard deviation of its grey, 0 to 127."""
    colour: float = 0.0
    """Mean saturation, 0 to 255."""
    transparent: float = 0.0
    """The part of it that is not opaque."""
    problem: str = ""

    @property
    def is_flat(self) -> bool:
        return not self.problem and self.contrast < FLAT_LEVELS


def look_at(picture: Path) -> Look:
    """One bad picture is told in its look, and stops nothing."""
    try:
        return look_of(read_picture(picture))
    except NotAPictureError as error:
        return Look(problem=str(error))


def look_of(picture: Image.Image) -> Look:
    import numpy as np
    from PIL import Image

    small = picture.copy() if picture.mode in ("RGB", "RGBA", "L") else picture.convert(_plain_mode(picture))
    small.thumbnail((SMALL_PX, SMALL_PX), Image.Resampling.BOX)
    grey = np.asarray(small.convert("L"), dtype=np.float32)
    saturation = np.asarray(small.convert("RGB").convert("HSV"))[..., 1]
    opacity = np.asarray(small.convert("RGBA"))[..., 3] if small.has_transparency_data else None
    variance = float(grey.var())
    return Look(
        looks=f"{looks_of(picture):032x}",
        blur=max(_left_after_blurring(grey), _left_after_blurring(grey.T)),
        contrast=variance**0.5,
        colour=float(saturation.mean()),
        transparent=0.0 if opacity is None else float((opacity < 255).mean()),
    )


def _plain_mode(picture: Image.Image) -> str:
    return "RGBA" if picture.has_transparency_data else "RGB"


def _left_after_blurring(grey: Any) -> float:
    """Of the differences between neighbours in a column, the part that stays when columns are averaged."""
    import numpy as np

    around = BLURRED_BY // 2
    padded = np.pad(grey, ((around, around), (0, 0)), mode="edge").astype(np.float64)
    sums = np.concatenate([np.zeros((1, padded.shape[1])), np.cumsum(padded, axis=0)])
    averaged = (sums[BLURRED_BY:] - sums[:-BLURRED_BY]) / BLURRED_BY
    differences, left = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(averaged, axis=0))
    total = float(differences.sum())
    return float(np.minimum(differences, left).sum()) / total if total else 0.0


class Looks:
    """Of a version's training images. `known` only asks the disk for sizes and times; `look` decodes what is new.

    Raises StorageError where the file that keeps them can't be written.
    """

    def __init__(self, version: VersionPaths) -> None:
        self._file = version.looks
        self._root = version.processed
        self._by_file: dict[str, tuple[int, int, str]] = {}
        self._by_content: dict[str, Look] = {}
        self._lines = 0
        for line in _lines(self._file):
            self._remember(line)

    def known(self, images: Sequence[str]) -> dict[str, Look]:
        """By image, of those that were looked at since they were last changed."""
        found = ((image, self._known(image)) for image in images)
        return {image: look for image, look in found if look}

    def look(
        self,
        images: Sequence[str],
        progress: Progress = lambda done, total: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Look]:
        """Those of all images; when it is stopped, of as many as there was time for."""
        known = self.known(images)
        new = iter([image for image in images if image not in known])
        done = len(known)
        progress(done, len(images))
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            while (some := list(islice(new, KEPT_EVERY))) and not should_stop():
                lines = [line for line in workers.map(self._looked_at, some) if line]
                for line in lines:
                    self._remember(line)
                self._append(lines)
                done += len(some)
                progress(done, len(images))
        self._tidy()
        return self.known(images)

    def _known(self, image: str) -> Look | None:
        try:
            found = (self._root / image).stat()
        except OSError:
            return None
        size, modified, sha256 = self._by_file.get(image, (-1, -1, ""))
        return self._by_content.get(sha256) if (size, modified) == (found.st_size, found.st_mtime_ns) else None

    def _looked_at(self, image: str) -> dict[str, Any] | None:
        path = self._root / image
        try:
            found = path.stat()
            sha256 = sha256_of(path)
        except OSError:
            return None
        look = self._by_content.get(sha256) or look_at(path)
        return {
            "image": image,
            "size": found.st_size,
            "modified_ns": found.st_mtime_ns,
            "sha256": sha256,
            "look": asdict(look),
        }

    def _remember(self, line: dict[str, Any]) -> None:
        """A line that is torn, or of another version of this file, is no reason to stop: it is looked at again."""
        with contextlib.suppress(KeyError, TypeError, ValueError):
            self._by_content[line["sha256"]] = Look(**line["look"])
            self._by_file[line["image"]] = int(line["size"]), int(line["modified_ns"]), line["sha256"]
            self._lines += 1

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.writelines(f"\n{json.dumps(line)}" for line in lines)  # the line before may be torn
        except OSError as error:
            raise storage_error(self._file, error) from error

    def _tidy(self) -> None:
        """Lines of images that were changed since make the file longer each time."""
        if self._lines > 2 * len(self._by_file) + KEPT_EVERY:
            lines = (
                {
                    "image": image,
                    "size": size,
                    "modified_ns": at,
                    "sha256": sha,
                    "look": asdict(self._by_content[sha]),
                }
                for image, (size, at, sha) in self._by_file.items()
            )
            write_text(self._file, "\n".join(map(json.dumps, lines)))
            self._lines = len(self._by_file)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            for line in opened:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
    except OSError:
        return
