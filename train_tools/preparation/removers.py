"""Networks that tell what stands before the background: ONNX files of the U2-Net and IS-Net kind, such as those of
rembg. They are not downloaded; onnxruntime is imported only for those who use one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from train_tools.errors import DatasetNotUsableError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

FOLDER = "backgrounds"
_SIDE_PX = 320
"""Where the file leaves open what size it takes: U2-Net's."""
_IS_NET_SIDE_PX = 1024


class Remover(Protocol):
    """Tells foreground from background."""

    def foreground(self, picture: Image.Image) -> Image.Image:
        """How opaque each pixel of an RGB picture is to be: mode L, of its size."""
        ...


def remover_named(name: str, models: Path | None) -> Remover:
    """Raises DatasetNotUsableError saying where the file has to lie, or what is to be installed."""
    folder = (models or Path("models")) / FOLDER
    file = folder / name
    if not file.is_file():
        there = ", ".join(names_in(models)) or "nothing yet"
        raise DatasetNotUsableError(
            f"The background remover {name} is not in {folder} (there: {there}). Put its file there, such as "
            "u2net.onnx or isnet-general-use.onnx of rembg, or empty background_remover."
        )
    return _opened(file, file.stat().st_mtime_ns)


def names_in(models: Path | None) -> list[str]:
    """The files that may be named."""
    return sorted(each.name for each in ((models or Path("models")) / FOLDER).glob("*.onnx"))


@cache
def _opened(file: Path, modified_ns: int) -> Remover:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise DatasetNotUsableError(f"The background remover {file} can't be read: {error}") from error
    return SaliencyNetwork(session)


class SaliencyNetwork:
    """One picture in, one map of the same kind out, whose least value is background and whose greatest is not."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0]

    def foreground(self, picture: Image.Image) -> Image.Image:
        import numpy as np
        from PIL import Image

        found = self._session.run(None, {self._input.name: self._normalised(picture)})[0].reshape(self._size[::-1])
        least, most = float(found.min()), float(found.max())
        shares = (found - least) / (most - least) if most > least else np.clip(found, 0, 1)
        opaque = Image.fromarray(np.rint(shares * 255).astype(np.uint8))
        return opaque.resize(picture.size, Image.Resampling.LANCZOS)

    @property
    def _size(self) -> tuple[int, int]:
        """Width and height that the network takes."""
        height, width = self._input.shape[-2:]
        return (width if isinstance(width, int) else _SIDE_PX, height if isinstance(height, int) else _SIDE_PX)

    def _normalised(self, picture: Image.Image) -> np.ndarray:
        """By its brightest value, then as the network was trained: IS-Net's are the large ones."""
        import numpy as np
        from PIL import Image

        pixels = np.asarray(picture.resize(self._size, Image.Resampling.LANCZOS), dtype=np.float32)
        mean, deviation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        if max(self._size) >= _IS_NET_SIDE_PX:
            mean, deviation = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
        scaled = (pixels / max(float(pixels.max()), 1e-6) - mean) / deviation
        return scaled.transpose(2, 0, 1)[np.newaxis].astype(np.float32)
