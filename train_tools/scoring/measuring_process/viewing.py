"""What CLIP and DINOv2 see on previews: how alike they are to training images, and with CLIP how well they show
what the prompt says. As in DreamBooth (Ruiz et al., arXiv 2208.12242): the mean cosine similarity of a picture
to each training image (CLIP-I, DINO), and of a picture to its prompt (CLIP-T).

Shapes: N pictures, T training images, D features of length 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lora_engine.families.tokens import stresses
from train_tools.base_models.web import Web
from train_tools.captioners.fetching import fetch
from train_tools.captioners.weights import repository_named, state_named, words_for
from train_tools.datasets.pictures import DECODING_ERRORS
from train_tools.errors import ConfirmationWantedError, StorageError
from train_tools.jobs.errand import StoppedError
from train_tools.scoring.lookers import CLIP, model_named
from train_tools.scoring.measured import keep
from train_tools.scoring.measuring_process.course import Course
from train_tools.scoring.request import Gallery, Looking, ScoreRequest, Shown

if TYPE_CHECKING:
    from PIL.Image import Image

CLASSES = {"clip": ("CLIPModel", "AutoProcessor"), "dino": ("Dinov2Model", "AutoImageProcessor")}
"""Of the transformers library: the model and what prepares pictures for it."""


class Viewer:
    """A model from a folder alone, never from the network, never with code of others."""

    def __init__(self, looker: str, folder: Path, device: torch.device) -> None:
        """Raises StorageError for a folder that holds something else."""
        import transformers as library

        transformers: Any = library  # much of it is untyped
        transformers.logging.disable_progress_bar()
        model_class, processor_class = CLASSES[looker]
        try:
            self._processor: Any = getattr(transformers, processor_class).from_pretrained(
                folder, local_files_only=True
            )
            model: Any = getattr(transformers, model_class).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except Exception as error:  # of what is wrong with a folder, several libraries have their own kinds
            words = str(error).strip().split("\n")[0][:300]
            raise StorageError(
                f"{folder} can't be loaded as {model_class}: {words} Delete it and fetch it again, or choose "
                "another model."
            ) from error
        self._model = model.to(device).eval()
        self._device = device
        self.reads = looker == CLIP.name

    @torch.inference_mode()
    def picture(self, image: Image) -> Tensor:
        pixels = self._processor(images=image, return_tensors="pt")["pixel_values"].to(self._device)
        answer = self._model.get_image_features(pixel_values=pixels) if self.reads else self._model(pixels)
        return normalize(answer.pooler_output[0], dim=-1).cpu()

    @torch.inference_mode()
    def text(self, prompt: str) -> Tensor:
        """What goes beyond the model's 77 tokens is cut off."""
        tokens = self._processor(text=[plain_words(prompt)], return_tensors="pt", truncation=True, padding=True)
        answer = self._model.get_text_features(**tokens.to(self._device))
        return normalize(answer.pooler_output[0], dim=-1).cpu()


class Gaze:
    """A viewer that looks at each picture and reads each prompt once."""

    def __init__(self, viewer: Viewer, training: Sequence[str]) -> None:
        self._viewer = viewer
        self._pictures: dict[str, Tensor | None] = {}
        self._texts: dict[str, Tensor] = {}
        self._training = training

    def rows(self, shown: Iterable[Shown]) -> list[dict[str, float]]:
        """Numbers for each picture that can be read."""
        found = ((each, self._picture(each.file)) for each in shown)
        return [self._row(each, features_D) for each, features_D in found if features_D is not None]

    @cached_property
    def training_TD(self) -> Tensor | None:
        found = [features for file in self._training if (features := self._picture(file)) is not None]
        return torch.stack(found) if found else None

    @cached_property
    def among_training(self) -> float | None:
        """The mean similarity of training images to one another; None for fewer than two."""
        if self.training_TD is None or len(self.training_TD) < 2:
            return None
        count = len(self.training_TD)
        similar_TT = self.training_TD @ self.training_TD.T
        return float((similar_TT.sum() - similar_TT.trace()) / (count * (count - 1)))

    def _row(self, shown: Shown, features_D: Tensor) -> dict[str, float]:
        row = {}
        if self.training_TD is not None:
            row["likeness"] = float((self.training_TD @ features_D).mean())
        if self._viewer.reads and shown.prompt.strip():
            row["adherence"] = float(self._text(shown.prompt) @ features_D)
        return row

    def _picture(self, file: str) -> Tensor | None:
        if file not in self._pictures:
            self._pictures[file] = self._looked(Path(file))
        return self._pictures[file]

    def _looked(self, file: Path) -> Tensor | None:
        from PIL import Image, ImageOps

        try:
            with Image.open(file) as image:
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except DECODING_ERRORS:
            return None
        return self._viewer.picture(upright)

    def _text(self, prompt: str) -> Tensor:
        if prompt not in self._texts:
            self._texts[prompt] = self._viewer.text(prompt)
        return self._texts[prompt]


def view(
    looking: Looking, galleries: Sequence[Gallery], request: ScoreRequest, device: torch.device, course: Course
) -> None:
    """Looks at all galleries. Raises ConfirmationWantedError when the weights are missing and nobody agreed to
    fetching them, StoppedError, StorageError."""
    model = model_named(looking.looker)
    folder = _folder_of(looking, request, course)
    course.phase(f"loading {model.title}")
    gaze = Gaze(Viewer(looking.looker, folder, device), looking.training)
    course.phase(f"looking with {model.title}")
    for gallery in galleries:
        course.begin()
        rows = {"own": gaze.rows(gallery.own), "base": gaze.rows(gallery.base)}
        keep(Path(gallery.file), {**rows, "training": gaze.among_training})
        course.done()


def plain_words(prompt: str) -> str:
    """A prompt as people would say it: without marks of stress."""
    return " ".join("".join(text for text, _ in stresses(prompt)).replace("BREAK", " ").split())


def _folder_of(looking: Looking, request: ScoreRequest, course: Course) -> Path:
    model = model_named(looking.looker)
    state = state_named(model, looking.chosen, Path(request.weights))
    if state.place is not None:
        return state.place
    if not request.download:
        raise ConfirmationWantedError(words_for(model, state))
    repository = repository_named(model, looking.chosen)
    told = _told(course)
    if not fetch(model, repository, state.folder, web=Web(), progress=told, stopped=lambda: course.stopped):
        raise StoppedError
    return state.folder


def _told(course: Course) -> Callable[[str, int, int], None]:
    """Tells how far a download is, at each per cent."""
    last = -1

    def tell(file: str, done: int, total: int) -> None:
        nonlocal last
        if total and (percent := 100 * done // total) != last:
            last = percent
            course.phase(f"fetching {file}: {done // 1_000_000} of {total // 1_000_000} MB")

    return tell
