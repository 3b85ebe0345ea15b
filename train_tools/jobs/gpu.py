"""What the driver says about this machine's GPUs: which there are, how much of their memory is used, by whom."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PATIENCE_S = 20.0
"""How long the driver's program may take."""
FREEING_S = 10.0
"""How long a driver may take to free the memory of a process that was killed."""
SLACK_MIB = 64
"""What another program's window may take meanwhile."""
MEMORY = ("--query-gpu=memory.used",)
USE = ("--query-gpu=memory.total,memory.used",)
HOLDERS = ("--query-compute-apps=pid,used_memory,process_name",)


def gpus() -> tuple[str, ...]:
    """The UUIDs of the GPUs, in the driver's order; none when there is no driver."""
    listing = _Asked("-L").answer()
    return tuple(re.findall(r"^GPU \d+:.*\(UUID: (GPU-[0-9a-fA-F-]+)\)", listing, re.MULTILINE))


@dataclass(frozen=True, kw_only=True)
class GpuUse:
    """A GPU's memory, and how much of it is in use, by whomever."""

    total_bytes: int
    used_bytes: int

    @property
    def free_bytes(self) -> int:
        return self.total_bytes - self.used_bytes


def use_of(uuid: str) -> GpuUse | None:
    """How much of a GPU's memory is in use now; None when the driver does not say."""
    answer = _Asked(f"--id={uuid}", *USE, "--format=csv,noheader,nounits").answer()
    total, _, used = (_mib(text) for text in answer.partition(","))
    if not total or used is None:
        return None
    return GpuUse(total_bytes=total * 2**20, used_bytes=used * 2**20)


class GpuMemory:
    """One GPU's memory as it was when this was made, to be compared with what is left behind later. The driver is
    asked in the background: nobody waits for its answer who does not need it."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._used_before = self._ask(*MEMORY)
        self._held_before = self._ask(*HOLDERS)

    def left_behind(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> str:
        """Waits until the memory is back where it was; else says how much more is used, and by whom. Empty when it
        is free, or when the driver does not say."""
        before = _mib(self._used_before.answer())
        deadline = clock() + FREEING_S
        while True:
            now = _mib(self._ask(*MEMORY).answer())
            if before is None or now is None or now <= before + SLACK_MIB:
                return ""
            if clock() >= deadline:
                return (
                    f"{now - before:,} MB of GPU memory more than before it started are still in use, by "
                    f"{self._holders()}."
                )
            sleep(0.2)

    def _holders(self) -> str:
        before = _holders(self._held_before.answer())
        grown = {
            name: mib - before.get(name, 0)
            for name, mib in _holders(self._ask(*HOLDERS).answer()).items()
            if mib > before.get(name, 0) or name not in before
        }
        return ", ".join(grown) or "a process that can't be seen from here"

    def _ask(self, *question: str) -> _Asked:
        return _Asked(f"--id={self._uuid}", *question, "--format=csv,noheader,nounits")


class _Asked:
    """A question to the driver's program that is under way."""

    def __init__(self, *arguments: str) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._answer: str | None = None
        program = shutil.which("nvidia-smi")
        if program is None:
            return
        try:
            self._process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
            )
        except OSError:
            return

    def answer(self) -> str:
        """What it printed; nothing when it could not be started, failed or hangs."""
        if self._answer is None:
            self._answer = self._waited_for()
        return self._answer

    def _waited_for(self) -> str:
        if self._process is None:
            return ""
        try:
            printed, _ = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return ""
        return printed if self._process.returncode == 0 else ""


def _mib(printed: str) -> int | None:
    first = printed.strip().split("\n")[0].strip()
    return int(first) if first.isdecimal() else None


def _holders(printed: str) -> Mapping[str, int]:
    """Memory by process, in words; 0 where the driver keeps the number to itself."""
    found = {}
    for line in printed.splitlines():
        pid, _, rest = line.partition(",")
        used, _, name = rest.partition(",")
        if pid.strip().isdecimal():
            words = f"process {pid.strip()} ({name.strip()})"
            found[words] = int(used.strip()) if used.strip().isdecimal() else 0
    return found
