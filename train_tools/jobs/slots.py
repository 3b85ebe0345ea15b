"""Slots: one per GPU, or some for the CPU, and beside them some for light jobs. A job runs in a slot; a slot is
locked as long as its job lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from train_tools.errors import OptionValueError
from train_tools.jobs.gpu import gpus
from train_tools.jobs.lease import Lease, held, state_folder

CPU, LIGHT = "cpu", "light"
GPUS, CPU_SLOTS = "TRAIN_TOOLS_GPUS", "TRAIN_TOOLS_CPU_SLOTS"
MOST_CPU_SLOTS = 64


@dataclass(frozen=True)
class Slot:
    """A device to run on. GPUs are named by UUID: their numbers change with drivers and other users."""

    name: str

    @property
    def is_gpu(self) -> bool:
        return self.name.partition("-")[0] not in (CPU, LIGHT)

    @property
    def is_light(self) -> bool:
        """For jobs that need no GPU and wait for none: news, copies, pictures that are taken in."""
        return self.name.partition("-")[0] == LIGHT

    @property
    def environment(self) -> Mapping[str, str]:
        if not self.is_gpu:
            return {"CUDA_VISIBLE_DEVICES": ""}
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": self.name}

    @property
    def path(self) -> Path:
        return state_folder() / "slots" / f"{self.name}.lock"

    def take(self, lease: Path) -> Lease | None:
        """Locks the slot for the job whose lease is `lease`; None when another job has it.

        The job that had it last may outlive its supervisor, which held the lock: its lease tells.
        """
        slot = Lease.take(self.path)
        if slot is None:
            return None
        last = slot.noted()
        if last and last != str(lease) and held(Path(last)):
            slot.release()
            return None
        slot.note(str(lease))
        return slot

    def busy(self) -> bool:
        slot = Lease.take(self.path)
        if slot is None:
            return True
        last = slot.noted()
        slot.release()
        return bool(last) and held(Path(last))


LIGHT_SLOTS = (Slot(LIGHT), Slot(f"{LIGHT}-2"))
"""Two: what waits for a server that does not answer holds up nobody's import."""


def slots_of_this_machine(
    environment: Mapping[str, str] = os.environ, cpu_slots: int | None = None
) -> tuple[Slot, ...]:
    """One slot per NVIDIA GPU, else as many for the CPU as are asked for (`cpu_slots`, TRAIN_TOOLS_CPU_SLOTS; 1).

    `TRAIN_TOOLS_GPUS` names the GPUs that may be used, by the beginnings of their UUIDs with commas between them;
    `none` = the CPU. Raises OptionValueError for one that this machine does not have.
    """
    chosen = [name.strip() for name in environment.get(GPUS, "").split(",") if name.strip()]
    there = gpus() if chosen != ["none"] else ()
    for name in chosen if chosen != ["none"] else ():
        if not any(_is_called(uuid, name) for uuid in there):
            raise OptionValueError(
                f"{GPUS} names {name!r}, and this machine has {', '.join(there) or 'no GPU'}. Give UUIDs with "
                "commas between them, as `nvidia-smi -L` shows them, or `none` for the CPU."
            )
    used = [uuid for uuid in there if not chosen or any(_is_called(uuid, name) for name in chosen)]
    if used:
        return tuple(Slot(uuid) for uuid in used)
    wanted = environment.get(CPU_SLOTS, "1") if cpu_slots is None else str(cpu_slots)
    return tuple(Slot(f"{CPU}-{n}" if n > 1 else CPU) for n in range(1, _cpu_slots(wanted) + 1))


def _is_called(uuid: str, name: str) -> bool:
    return uuid.lower().startswith(name.lower())


def _cpu_slots(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_CPU_SLOTS:
        raise OptionValueError(
            f"{text!r} CPU slots (--cpu-slots, {CPU_SLOTS}) can't be used: how many jobs may run at a time on the "
            f"CPU, from 1 to {MOST_CPU_SLOTS}."
        )
    return int(text)
