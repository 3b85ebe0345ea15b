"""Slots: one per GPU, or one for the CPU. A job runs in a slot; a slot is locked as long as its job lives."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from train_tools.jobs.lease import Lease, held, state_folder


@dataclass(frozen=True)
class Slot:
    """A device to run on. GPUs are named by UUID: their numbers change with drivers and other users."""

    name: str

    @property
    def environment(self) -> Mapping[str, str]:
        if self.name == "cpu":
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


def slots_of_this_machine() -> tuple[Slot, ...]:
    """One slot per NVIDIA GPU, else the CPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return (Slot("cpu"),)
    try:
        listing = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        listing = ""
    uuids = re.findall(r"^GPU \d+:.*\(UUID: (GPU-[0-9a-fA-F-]+)\)", listing, re.MULTILINE)
    return tuple(Slot(uuid) for uuid in uuids) or (Slot("cpu"),)
