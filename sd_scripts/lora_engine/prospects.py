"""What can be told of a run's files before it begins: names that can't be written, files that will be replaced.
Without torch."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from sd_contract.errors import OptionError
from sd_contract.images.image_files import some
from sd_contract.options import Settings
from sd_contract.output.checkpoints import CheckpointName, SaveSchedule
from sd_contract.steps import StepPlan


def refuse_unwritable_name(folder: Path, settings: Settings) -> None:
    """OptionError when the disk takes no file of the names to come. A temporary one, as long as the longest of
    them, is made to find out."""
    name = settings.output.output_name
    file = folder / f".{CheckpointName(name).at_step(0)}.{os.getpid():010}.tmp"
    try:
        file.touch()
        file.unlink()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(
            f"output_name = {name!r}: a file of that name can't be written to {folder} ({reason}). Choose another."
        ) from error


def refuse_lying_files(folder: Path, settings: Settings, plan: StepPlan) -> None:
    """OptionError when files lie where a run without epochs will write, unless it goes on or may overwrite."""
    if settings.output.save_overwrite or settings.state.resume:
        return
    names = SaveSchedule.of(settings, plan).file_names(CheckpointName.of(settings, plan))
    lying = [name for name in names if (folder / name).exists()]
    if lying:
        raise OptionError(
            f"{some(lying)} lies in {folder} already. Choose another output_name, or set save_overwrite = true."
        )


def replaced_files(folder: Path, settings: Settings, plan: StepPlan, own: Collection[str] = ()) -> Iterator[str]:
    """A warning when files lie where the run will write. `own` are those that the run itself has left there."""
    names = SaveSchedule.of(settings, plan).file_names(CheckpointName.of(settings, plan))
    replaced = [name for name in names if name not in own and (folder / name).exists()]
    if replaced:
        yield (
            f"{len(replaced)} files in {folder} will be replaced: {some(replaced)}. Choose another output_name or "
            "output_dir to keep them."
        )
