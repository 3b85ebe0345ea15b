"""What can be told of a run before it begins: names that can't be written, files that will be replaced, saves that
never come, options that do nothing. Without torch."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from sd_contract.errors import OptionError
from sd_contract.images.image_files import some
from sd_contract.options import Settings, option
from sd_contract.output.checkpoints import CheckpointName, SaveSchedule
from sd_contract.steps import StepPlan

OVERRULED: Mapping[str, str] = {
    "max_train_steps": "max_train_epochs",
    "save_every_n_epochs": "save_n_epoch_ratio",
    "sample_every_n_steps": "sample_every_n_epochs",
    "text_encoder_lr": "network_train_unet_only",
    "unet_lr": "network_train_text_encoder_only",
}
"""Options and those beside which they do nothing."""
IDLE_WITHOUT: Mapping[str, str] = {
    "save_last_n_epochs_state": "save_state",
    "save_last_n_steps_state": "save_state",
    "state_every_n_steps": "state_dir",
    "noise_offset_random_strength": "noise_offset",
    "ip_noise_gamma_random_strength": "ip_noise_gamma",
    "multires_noise_discount": "multires_noise_iterations",
}
"""Options and those without which they do nothing."""
BY_STEPS = ("save_every_n_steps", "sample_every_n_steps", "state_every_n_steps")
BY_EPOCHS = ("save_every_n_epochs", "sample_every_n_epochs")


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


def replaced_files(folder: Path, settings: Settings, plan: StepPlan, own: Collection[str] = ()) -> Iterator[str]:
    """A warning when files lie where the run will write. `own` are those that the run itself has left there."""
    names = SaveSchedule(settings.output, plan).file_names(CheckpointName(settings.output.output_name))
    replaced = [name for name in names if name not in own and (folder / name).exists()]
    if replaced:
        yield (
            f"{len(replaced)} files in {folder} will be replaced: {some(replaced)}. Choose another output_name or "
            "output_dir to keep them."
        )


def idle_options(settings: Settings, plan: StepPlan) -> Iterator[str]:
    """A warning for each option that is given and changes nothing."""
    for name, other in OVERRULED.items():
        if _given(name, settings) and _given(other, settings):
            yield f"{_told(name, settings)} has no effect beside {_told(other, settings)}"
    for name, other in IDLE_WITHOUT.items():
        if _given(name, settings) and not _given(other, settings):
            yield f"{_told(name, settings)} has no effect without {other}"
    for names, there_are, what in ((BY_STEPS, plan.total_steps, "steps"), (BY_EPOCHS, plan.epochs, "epochs")):
        for name in names:
            every = settings.get(name)
            if isinstance(every, int) and every > there_are:
                yield f"{_told(name, settings)} never comes: the run has {there_are} {what}"


def _given(name: str, settings: Settings) -> bool:
    return settings.get(name) != option(name).default


def _told(name: str, settings: Settings) -> str:
    """An option as it would stand in a config file, near enough."""
    value = settings.get(name)
    written = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{name} = {written.lower() if isinstance(value, bool) else written}"
