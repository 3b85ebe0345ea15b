"""What lets a run go on where an earlier attempt at it ended: which steps are left, what a state holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol

import torch

from lora_engine.data.batches import Step, run_steps
from lora_engine.job import Job
from lora_engine.maths.streams import Streams, generator_states, take_up_generators
from lora_engine.output.progress import Progress
from lora_engine.output.reporting import Reporter
from lora_engine.output.states import MadeWith, read_tree
from sd_contract.errors import StateError


class Resumable(Protocol):
    """What can go on from a state."""

    def state(self) -> dict[str, Any]: ...

    def take_up(self, state: Mapping[str, Any]) -> None: ...


def steps_to_do(job: Job, streams: Streams) -> Iterator[Step]:
    """The steps of the run that an earlier attempt has not done."""
    accumulation = job.settings.training.gradient_accumulation_steps
    return islice(run_steps(job.datasets, job.plan, streams, accumulation), job.from_step, None)


def state_of(learner: Resumable, progress: Progress) -> dict[str, Any]:
    """Everything that changes from step to step. What a step draws depends on its number alone; the library's own
    generators are kept for an optimizer that draws from them."""
    return {**learner.state(), "generators": generator_states(), "losses": progress.window}


def restore(job: Job, device: torch.device, learner: Resumable, progress: Progress, reporter: Reporter) -> None:
    """Takes up the state that the job goes on from, if any. StateError when it is of another network or
    optimizer."""
    if job.resumed is None:
        return
    folder, manifest = job.resumed.folder, job.resumed.manifest
    tree = read_tree(folder)
    try:
        learner.take_up(tree)
    except (KeyError, ValueError, RuntimeError) as error:
        raise StateError(
            f"state {folder} is of another network or optimizer ({error}). "
            "Go on with the options it was made with."
        ) from error
    take_up_generators(tree["generators"])
    progress.take_up(tree["losses"])
    if manifest.made_with != vars(MadeWith.here(device)):
        reporter.warn(
            "the state was saved by another version of torch, number of threads or kind of device: the training "
            "goes on, but its numbers will not be those of an uninterrupted run to the last bit"
        )
    reporter.note(f"resuming from {folder}: step {manifest.step} of {job.plan.total_steps} is done")
