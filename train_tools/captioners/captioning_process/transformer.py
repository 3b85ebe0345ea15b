"""What captioners of the transformers library have in common: loaded from a folder alone, never from the network,
never with code of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from train_tools.captioners.captioning_process.opening import Opening, torch_device
from train_tools.errors import StorageError, TrainToolsError

if TYPE_CHECKING:
    from PIL.Image import Image


class Transformer:
    """A model with its processor, from an `Opening`'s folder."""

    def __init__(self, opening: Opening, model_class: str) -> None:
        """`model_class` by name: transformers loads it when it is asked for. Raises StorageError."""
        import transformers as library

        transformers: Any = library  # much of it is untyped
        transformers.logging.disable_progress_bar()
        device = torch_device(opening.request.device)
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        try:
            self.processor: Any = transformers.AutoProcessor.from_pretrained(opening.folder, local_files_only=True)
            model: Any = getattr(transformers, model_class).from_pretrained(
                opening.folder, local_files_only=True, use_safetensors=True, dtype=dtype
            )
        except Exception as error:  # of what is wrong with a folder, several libraries have their own kinds
            words = str(error).strip().split("\n")[0][:300]
            raise StorageError(
                f"{opening.folder} can't be loaded as {model_class}: {words} Delete it and fetch it again, or "
                "choose another model."
            ) from error
        self.model = model.to(device).eval()
        self._device, self._dtype = device, dtype

    def generate(self, image: Image, text: str | None = None, **settings: Any) -> Any:
        """Token ids for a picture, the likeliest there are: the same picture gives the same words."""
        told: Mapping[str, Any] = {} if text is None else {"text": text}
        inputs = self.processor(images=image, return_tensors="pt", **told).to(self._device, self._dtype)
        try:
            with torch.inference_mode():
                return self.model.generate(**inputs, do_sample=False, **settings)
        except torch.OutOfMemoryError as error:
            raise TrainToolsError(
                "The GPU has too little free memory for this captioner. Close what else uses it, or choose a "
                "smaller model."
            ) from error
