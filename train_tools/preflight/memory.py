"""Whether the device holds what a run needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sd_contract.errors import ContractError
from train_tools.memory.estimate import Device as Place
from train_tools.memory.estimate import MemoryEstimate, memory_of
from train_tools.model.device import DeviceKind
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

MEMORY = "memory"
NEARLY = 0.9
"""Of what is free: above it, other programs or a driver that lends main memory make training slow."""
GIGABYTE = 1e9
OTHER_RATES = frozenset(
    {"learning_rate", "unet_lr", "text_encoder_lr", "seed", "max_train_steps", "max_train_epochs", "lr_scheduler"}
)
"""Options that memory does not depend on: grids vary them most."""


def memory(prospect: Prospect) -> Iterator[Finding]:
    for candidate, found in estimates(prospect):
        if found is not None:
            yield _told(prospect, candidate, found)


def estimates(prospect: Prospect) -> Iterator[tuple[Candidate, MemoryEstimate | None]]:
    """What each run would take; None where a file can't be read, which is told elsewhere."""
    known: dict[Any, MemoryEstimate | None] = {}
    for candidate in prospect.candidates:
        key = candidate.base_model, frozenset(_that_count(candidate.options).items())
        if key not in known:
            known[key] = _estimate(prospect, candidate)
        yield candidate, known[key]


def _estimate(prospect: Prospect, candidate: Candidate) -> MemoryEstimate | None:
    place: Place = "cpu" if prospect.device.kind is DeviceKind.CPU else "cuda"
    try:
        return memory_of(candidate.options, candidate.base_model, engine=prospect.engine.name, device=place)
    except ContractError:
        return None


def _that_count(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if name not in OTHER_RATES}


def _told(prospect: Prospect, candidate: Candidate, needed: MemoryEstimate) -> Finding:
    device = prospect.device
    about = "very roughly" if needed.rough else "about"
    what = (
        f"A run takes {about} {needed.bytes / GIGABYTE:.1f} GB of memory; {device.name} has "
        f"{device.memory_bytes / GIGABYTE:.1f} GB, of which {device.free_bytes / GIGABYTE:.1f} GB are free."
    )
    lever = f"What saves most: {needed.lever}." if needed.lever else "A smaller batch or resolution needs less."
    if not device.memory_bytes or needed.bytes <= device.free_bytes * NEARLY:
        return candidate.finds(MEMORY, Level.OK, what)
    if needed.bytes > device.memory_bytes and not needed.rough:
        return candidate.finds(MEMORY, Level.STOP, what, lever)
    close = "Close what else uses it (`train-tools doctor` names it)."
    return candidate.finds(MEMORY, Level.WARNING, what, f"{close} {lever}")
