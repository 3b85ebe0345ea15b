"""The WD v3 taggers of SmilingWolf, in ONNX. Their output is likelihoods already: no sigmoid."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_tools.captioners.captioning_process.opening import Opening
from train_tools.captioners.session import Subject
from train_tools.captioners.tags import Tag, TagKind, Thresholds, words_of
from train_tools.errors import StorageError, TrainToolsError
from train_tools.model.captioning import TagWords

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

USUAL = Thresholds(general=0.35, character=0.85)
"""Those of the author's own page."""
KINDS = {"0": TagKind.GENERAL, "4": TagKind.CHARACTER, "9": TagKind.RATING}
"""Categories in selected_tags.csv; others are left out."""
WHITE = (255, 255, 255)


class WdTagger:
    def __init__(self, session: Any, tags: Sequence[tuple[str, TagKind | None]], wanted: TagWords) -> None:
        """`session` is an onnxruntime.InferenceSession."""
        self._session = session
        self._tags = tags
        self._wanted = wanted
        self._input = session.get_inputs()[0]
        batch, side, *_ = self._input.shape
        self._batch = batch if isinstance(batch, int) else 1
        self._side_px = side if isinstance(side, int) else 448

    @property
    def vocabulary(self) -> Sequence[str]:
        return [name for name, kind in self._tags if kind in (TagKind.GENERAL, TagKind.CHARACTER)]

    def words(self, subject: Subject) -> tuple[str, ...]:
        pixels = pixels_of(subject.image, self._side_px).repeat(self._batch, axis=0)
        likelihoods = self._session.run(None, {self._input.name: pixels})[0][0]
        found = [
            Tag(name, float(likelihood), kind)
            for (name, kind), likelihood in zip(self._tags, likelihoods, strict=True)
            if kind is not None
        ]
        return words_of(found, self._wanted, USUAL)


def pixels_of(image: Image, side_px: int) -> np.ndarray:
    """[1, side, side, 3]: padded to a square with white, BGR, 0 to 255 as real numbers, not normalised."""
    import numpy as np
    from PIL import Image as Pictures

    longest = max(image.size)
    square = Pictures.new("RGB", (longest, longest), WHITE)
    square.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
    small = square.resize((side_px, side_px), Pictures.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(small, dtype=np.float32)[None, :, :, ::-1])


def read_tags(file: Path) -> list[tuple[str, TagKind | None]]:
    """Name and kind of each output. Raises StorageError."""
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            return [(row["name"], KINDS.get(row["category"])) for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise StorageError(f"{file} is no list of tags ({error!r}). Fetch it again.") from error


def open_wd(opening: Opening) -> WdTagger:
    """Raises TrainToolsError without onnxruntime, StorageError for a damaged model."""
    try:
        import onnxruntime
    except ImportError as error:
        raise TrainToolsError(
            f"The WD taggers need the package onnxruntime, which can't be loaded ({error}). Install it into Train "
            "Tools' environment: `pip install onnxruntime`, or onnxruntime-gpu for CUDA."
        ) from error
    file = opening.folder / "model.onnx"
    tags = read_tags(opening.folder / "selected_tags.csv")
    try:
        session = onnxruntime.InferenceSession(
            str(file), providers=_providers(onnxruntime, opening.request.device)
        )
    except Exception as error:
        raise StorageError(f"{file} can't be loaded: {error}. Delete it and fetch it again.") from error
    outputs = session.get_outputs()[0].shape[-1]
    if isinstance(outputs, int) and outputs != len(tags):
        raise StorageError(
            f"{file} tells {outputs} tags apart, and selected_tags.csv beside it names {len(tags)}: they belong "
            "to different models. Fetch both again."
        )
    return WdTagger(session, tags, opening.settings.tags)


def _providers(onnxruntime: Any, device: str) -> list[str]:
    """CUDA where the installed build has it, unless the CPU is wanted."""
    available = onnxruntime.get_available_providers()
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return [each for each in wanted if each in available]
