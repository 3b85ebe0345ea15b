"""Pictures that a trainer painted while it trained, as it left them in an attempt's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from train_tools.errors import TrainToolsError
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import AttemptPaths, RunPaths
from train_tools.model.preview import Picture, PreviewSettings
from train_tools.previews.axes import values_of
from train_tools.previews.pasted import settings_from_infotext
from train_tools.previews.picture_file import read_infotext
from train_tools.previews.samplers import parted
from train_tools.previews.subjects import TrainingSample, checkpoint_label

FOLDER = "sample"
NAME = re.compile(r"(?:.*_)?(e?)(\d{6})_(\d{2})_\d{14}(?:_(\d+))?")
"""What sd-scripts calls them: epoch or step, the prompt's place, the time, the seed."""


def training_samples(
    paths: RunPaths, base: str, options: Mapping[str, Any], checkpoints: Sequence[Checkpoint]
) -> list[TrainingSample]:
    """All pictures of a run in the order in which they were painted; of one that was painted again the later."""
    found: dict[tuple[str, str, str | None], TrainingSample] = {}
    attempts = sorted(paths.folder.glob("attempts/*"))
    for file in (
        file for attempt in attempts for file in sorted((AttemptPaths(attempt).output / FOLDER).glob("*.png"))
    ):
        match = NAME.fullmatch(file.stem)
        if match is not None:
            counted, number = ("epoch", int(match[2])) if match[1] else ("step", int(match[2]))
            when, step = _moment(counted, number, checkpoints)
            picture, values = _told(file, base, prompt=f"sample prompt {int(match[3]) + 1}", seed=match[4])
            found[when, match[3], match[4]] = TrainingSample(
                run=paths.folder.name,
                when=when,
                step=step,
                picture=picture,
                file=file,
                values=values,
                options=options,
            )
    return sorted(found.values(), key=lambda sample: sample.step)


def _moment(counted: str, number: int, checkpoints: Sequence[Checkpoint]) -> tuple[str, int]:
    """What the row is called: as the checkpoint of that moment, where there is one; and the step."""
    for checkpoint in checkpoints:
        if number and number == (checkpoint.epoch if counted == "epoch" else checkpoint.step):
            return checkpoint_label(checkpoint), checkpoint.step
    if counted == "step":
        return f"step {number}", number
    steps = next((one.step // one.epoch for one in checkpoints if one.epoch), 1)
    return ("before training" if number == 0 else f"epoch {number}"), number * steps


def _told(file: Path, base: str, *, prompt: str, seed: str | None) -> tuple[Picture, dict[str, Any]]:
    """What the picture says of itself; other trainers' say nothing, so that their name has to do."""
    settings = PreviewSettings(prompts=(prompt,), negative_prompt="", seeds=(int(seed or 0),), weights=(1.0,))
    with suppress(OSError, ValueError, SyntaxError, TrainToolsError):
        settings = settings_from_infotext(read_infotext(file), settings).settings
    values = {axis: several[0] for axis, several in values_of(settings).items()}
    sampler, scheduler = parted(values["sampler"], values["scheduler"])
    picture = Picture(
        base=base.lower(),
        lora=file.stem,
        weight=1.0,
        prompt=values["prompt"],
        negative_prompt=values["negative_prompt"],
        seed=values["seed"],
        width_px=settings.width_px,
        height_px=settings.height_px,
        steps=values["steps"],
        guidance=values["guidance"],
        sampler=sampler,
        clip_skip=values["clip_skip"],
        scheduler=scheduler,
        renderer="trainer",
    )
    return picture, values
