"""Pictures that show how a training comes along: painted in between, under sd-scripts' file names. They draw from
no stream of the training."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lora_engine.families import Family, TextStates
from lora_engine.maths.precision import Precision
from lora_engine.output.pictures import as_image, paint, prompts_of
from lora_engine.output.reporting import Reporter
from sd_contract.events import ImageRendered
from sd_contract.options import Settings
from sd_contract.sample_prompts import SamplePrompt

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "sample"


@dataclass(frozen=True)
class Painter:
    """What pictures are painted with: the model, its VAE, and the LoRA as it will be saved."""

    model: Family
    vae: Any
    precision: Precision
    as_saved: Callable[[], AbstractContextManager[None]]

    @contextmanager
    def ready(self) -> Iterator[None]:
        """While pictures are painted the VAE is on the device."""
        home = next(self.vae.parameters()).device
        self.vae.to(self.precision.device)
        try:
            with self.as_saved():
                yield
        finally:
            self.vae.to(home)

    def paint(self, prompt: SamplePrompt, seed: int, clip_skip: int | None) -> Tensor | None:
        """The picture's pixels; None when numbers overflowed."""
        prompts = prompts_of(prompt.prompt, prompt.negative_prompt, prompt.guidance)
        device = self.precision.device
        with self.precision.autocast():
            text = self.model.encode_text(prompts, clip_skip)
            states = TextStates(text.states.to(device), None if text.pooled is None else text.pooled.to(device))
            return paint(self.model, self.vae, states, prompt, seed, device)


class Samples:
    """Paints the prompts when they are due. What can't be painted is a warning: the training is worth more."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        prompts: Sequence[SamplePrompt],
        painter: Painter,
        reporter: Reporter,
    ) -> None:
        self._folder = folder / FOLDER
        self._options = settings.samples
        self._clip_skip = settings.model.clip_skip
        self._prefix = f"{settings.output.output_name}_" if settings.output.output_name else ""
        self._prompts = prompts
        self._painter = painter
        self._reporter = reporter

    def at_first(self) -> None:
        """Before the first step of a run."""
        if self._options.sample_at_first:
            self._paint_all("e000000")

    def after(self, step: int, epoch: int, *, ends_epoch: bool) -> None:
        """After a step; `sample_every_n_epochs` goes before `sample_every_n_steps`."""
        by_epoch, by_step = self._options.sample_every_n_epochs, self._options.sample_every_n_steps
        if by_epoch is not None:
            if ends_epoch and epoch % by_epoch == 0:
                self._paint_all(f"e{epoch:06d}")
        elif by_step is not None and step % by_step == 0:
            self._paint_all(f"{step:06d}")

    @torch.no_grad()
    def _paint_all(self, when: str) -> None:
        if not self._prompts:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._painter.ready():
                for place, prompt in enumerate(self._prompts):
                    self._paint(prompt, f"{self._prefix}{when}_{place:02d}")
        except (torch.OutOfMemoryError, OSError) as error:
            self._reporter.warn(f"a sample could not be painted ({error}). The training goes on.")

    def _paint(self, prompt: SamplePrompt, stem: str) -> None:
        seed = secrets.randbits(32) if prompt.seed is None else prompt.seed
        pixels = self._painter.paint(prompt, seed, self._clip_skip)
        if pixels is None or not bool(pixels.isfinite().all()):
            self._reporter.warn(f"sample {stem}: the numbers overflowed, so there is no picture")
            return
        now = datetime.now().strftime("%Y%m%d%H%M%S")
        file = f"{stem}_{now}{'' if prompt.seed is None else f'_{prompt.seed}'}.png"
        _save(as_image(pixels), self._folder / file, prompt, seed)
        self._reporter.emit(ImageRendered(f"{FOLDER}/{file}"))
        self._reporter.note(f"sample: {self._folder / file}")


def _save(image: Image, file: Path, prompt: SamplePrompt, seed: int) -> None:
    """With an infotext as WebUIs write it, so that the picture says later what it was to show."""
    from PIL.PngImagePlugin import PngInfo

    lines = [prompt.prompt, *([f"Negative prompt: {prompt.negative_prompt}"] if prompt.negative_prompt else [])]
    lines.append(
        f"Steps: {prompt.steps}, Sampler: {prompt.sampler}, CFG scale: {prompt.guidance:g}, Seed: {seed}, "
        f"Size: {prompt.width_px}x{prompt.height_px}"
    )
    texts = PngInfo()
    texts.add_text("parameters", "\n".join(lines))
    image.save(file, pnginfo=texts)
