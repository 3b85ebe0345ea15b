"""Measures losses with fixed noise.

The base model is loaded once for all checkpoints of a series. Each image meets one timestep of each quarter of the
schedule, with noise of its own; which, its place among the images decides, so that every checkpoint is asked the
same questions. Shapes: B timesteps of one image, C channels, H and W latent cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lora_engine.data.framing import middle_of
from lora_engine.data.latents import ImageKey, LatentCache
from lora_engine.families import Family, ImageSize, load
from lora_engine.maths.losses import element_losses, sample_means
from lora_engine.maths.noise import TIMESTEPS as SCHEDULE
from lora_engine.maths.noise import NoiseSchedule
from lora_engine.maths.streams import Streams
from lora_engine.networks.shown import ShownLora
from sd_contract.base_models.base_model import BaseModel, inspect_trainable, with_vae
from sd_contract.datasets import DatasetItem, Subset
from sd_contract.errors import ContractError
from sd_contract.images.buckets import CELL, BucketRule, place
from sd_contract.images.image_sizes import image_size
from train_tools.jobs.errand import StoppedError
from train_tools.scoring.measured import keep, kept
from train_tools.scoring.measuring_process.course import Course
from train_tools.scoring.request import CaptionedImage, Series, Wanted
from train_tools.scoring.scorers.fixed_noise import TIMESTEPS

STEP_PX = 64
"""Sides are whole multiples of it, as every U-Net here takes them."""
STREAMS = Streams(0)


@dataclass(frozen=True)
class Question:
    """An image with the noise that is to be found in it."""

    name: str
    caption: str
    size: ImageSize
    noisy: Tensor
    """B x C x H x W."""
    target: Tensor
    timesteps: Tensor


class Measuring:
    """A loaded model with the questions about its images, and at most one LoRA on it."""

    def __init__(self, series: Series, cache: Path, device: torch.device) -> None:
        found = inspect_trainable(Path(series.base_model))
        base = with_vae(found, Path(series.measurement.vae)) if series.measurement.vae else found
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        self._model = load(base, device=device, dtype=dtype)
        self._device, self._dtype = device, dtype
        self._clip_skip = series.measurement.clip_skip
        self._shown = ShownLora(self._model)
        is_v = base.v_prediction or series.measurement.v_prediction
        self._questions = questions(self._model, base, series.images, cache, is_v=is_v)

    def use(self, checkpoint: Path | None) -> None:
        """Raises CheckpointError for a file that is none for this model."""
        self._shown.show(checkpoint)

    def losses(self, stopped: Callable[[], bool]) -> list[list[float | None]]:
        """By image, then by timestep; None where it is no number. Raises StoppedError."""
        found = []
        for question in self._questions:
            if stopped():
                raise StoppedError
            found.append([loss if math.isfinite(loss) else None for loss in self._losses(question)])
        return found

    @property
    def facts(self) -> dict[str, object]:
        return {
            "images": [question.name for question in self._questions],
            "timesteps": [question.timesteps.tolist() for question in self._questions],
        }

    @torch.inference_mode()
    def _losses(self, question: Question) -> list[float]:
        text = self._model.encode_text([question.caption] * TIMESTEPS, self._clip_skip)
        prediction_BCHW = self._model.predict(
            question.noisy.to(self._device, self._dtype),
            question.timesteps.to(self._device),
            text,
            [question.size] * TIMESTEPS,
        )
        losses: list[float] = sample_means(element_losses(prediction_BCHW.cpu(), question.target)).tolist()
        return losses


@torch.inference_mode()
def questions(
    model: Family, base: BaseModel, images: Sequence[CaptionedImage], cache: Path, *, is_v: bool
) -> list[Question]:
    """One for each image, at its own size but no larger than the model paints. DatasetError for an image that
    can't be read."""
    latents = LatentCache(model.take_vae(), cache)
    schedule = NoiseSchedule(torch.device("cpu"), zero_terminal_snr=base.zero_terminal_snr)
    side = max(STEP_PX, base.resolution // STEP_PX * STEP_PX)
    asked = []
    for number, image in enumerate(images):
        item = _item(image, side)
        framing = middle_of(item)
        x0_CHW = latents.moments(ImageKey.of(item, framing)).mean * model.scaling_factor
        t_B = timesteps_of(number)
        x0_BCHW = x0_CHW.expand(TIMESTEPS, *x0_CHW.shape)
        noise_BCHW = torch.randn(x0_BCHW.shape, generator=STREAMS.generator("score noise", number))
        target = schedule.velocity(x0_BCHW, noise_BCHW, t_B) if is_v else noise_BCHW
        size = ImageSize.uncropped(*framing.size)
        noisy_BCHW = schedule.add(x0_BCHW, noise_BCHW, t_B)
        asked.append(Question(Path(image.image).name, image.caption, size, noisy_BCHW, target, t_B))
    return asked


def timesteps_of(number: int) -> Tensor:
    """One of each equal part of the schedule, for the image of that number."""
    part = SCHEDULE // TIMESTEPS
    chance = STREAMS.random("score timesteps", number)
    return torch.tensor([part * place + chance.randrange(part) for place in range(TIMESTEPS)])


def measure_losses(series: Series, cache: Path, device: torch.device, course: Course) -> int:
    """Measures what is missing of a series; returns how many could not be. Raises StoppedError."""
    course.phase("loading the base model")
    measuring = Measuring(series, cache, device)
    course.phase("measuring losses")
    problems = 0
    for wanted in missing_of(series):
        course.begin()
        problems += not _measure(measuring, wanted, course)
        course.done()
    return problems


def missing_of(series: Series) -> list[Wanted]:
    return [wanted for wanted in series.wanted if kept(Path(wanted.file)) is None]


def _measure(measuring: Measuring, wanted: Wanted, course: Course) -> bool:
    """Whether it could be. What can't is told in the file, so that it is not tried again and again."""
    checkpoint = Path(wanted.checkpoint) if wanted.checkpoint else None
    try:
        measuring.use(checkpoint)
    except ContractError as error:
        keep(Path(wanted.file), {"problem": str(error)})
        return False
    losses = measuring.losses(lambda: course.stopped)
    keep(Path(wanted.file), {"checkpoint": wanted.checkpoint, "losses": losses, **measuring.facts})
    return True


def _item(image: CaptionedImage, side: int) -> DatasetItem:
    """The image as training would see it at this size: enlarged only when it is smaller than a step."""
    path = Path(image.image)
    size = image_size(path)
    small = min(size) < STEP_PX
    rule = BucketRule(
        resolution=(STEP_PX, STEP_PX) if small else (side, side),
        enabled=not small,
        smallest=STEP_PX,
        step=STEP_PX,
        no_upscale=not small,
    )
    assert STEP_PX % CELL == 0, "sides are whole cells"
    return DatasetItem(
        image=path,
        caption=image.caption,
        repeats=1,
        subset=Subset(image_dir=path.parent),
        size=size,
        placement=place(size, rule),
    )
