"""The graphics cards: which there are, what they can, and who holds their memory. The drivers' own programs are
asked; where there is none, there is the processor."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from train_tools.health.answers import answer_of
from train_tools.model.device import Device, DeviceKind, Holder

MIB = 1024**2
FIELDS = ("uuid", "name", "memory.total", "memory.used", "driver_version")
PLACES: Mapping[str, Sequence[str]] = {
    "win32": (
        r"%SystemRoot%\System32\nvidia-smi.exe",
        r"%ProgramFiles%\NVIDIA Corporation\NVSMI\nvidia-smi.exe",
    ),
    "linux": ("/usr/lib/wsl/lib/nvidia-smi", "/usr/bin/nvidia-smi"),
}
"""Where it lies when it is not on PATH; under WSL it comes from Windows."""


def nvidia_smi(system: str = sys.platform) -> str | None:
    """The program of NVIDIA's driver, or None when this machine has none."""
    beside = (os.path.expandvars(place) for place in PLACES.get(system, ()))
    return shutil.which("nvidia-smi") or next((place for place in beside if Path(place).is_file()), None)


def devices() -> tuple[Device, ...]:
    """The cards in the driver's order, those that TRAIN_TOOLS_GPUS leaves out as well; without a card, the
    processor."""
    return tuple(_nvidia_cards()) or tuple(_amd_cards()) or (processor(),)


def processor() -> Device:
    memory = psutil.virtual_memory()
    name = platform.processor() or platform.machine() or "processor"
    return Device(kind=DeviceKind.CPU, name=name, memory_bytes=memory.total, free_bytes=memory.available)


def holders() -> tuple[Holder, ...]:
    """Who holds memory of NVIDIA's cards, the largest first."""
    found = []
    for pid, used, card, name in _rows(
        "--query-compute-apps=", ("pid", "used_memory", "gpu_uuid", "process_name")
    ):
        if pid.isdecimal():
            memory = int(used) * MIB if used.isdecimal() else None
            found.append(Holder(pid=int(pid), name=_name_of(int(pid), name), memory_bytes=memory, card=card))
    return tuple(sorted(found, key=lambda holder: -(holder.memory_bytes or 0)))


def _nvidia_cards() -> Iterator[Device]:
    with_capability = list(_rows("--query-gpu=", (*FIELDS, "compute_cap")))
    rows = with_capability or [[*row, ""] for row in _rows("--query-gpu=", FIELDS)]  # drivers before 470 refuse it
    for uuid, name, total, used, driver, capability in rows:
        memory, taken = (int(text) * MIB if text.isdecimal() else 0 for text in (total, used))
        yield Device(
            kind=DeviceKind.CUDA,
            name=name,
            uuid=uuid,
            memory_bytes=memory,
            free_bytes=max(0, memory - taken),
            driver=driver,
            capability=_capability(capability),
        )


def _capability(text: str) -> tuple[int, int] | None:
    said = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(said[1]), int(said[2])) if said else None


def _rows(question: str, fields: Sequence[str]) -> Iterator[list[str]]:
    """The driver's answer, a row for each card or process; none when it has no whole answer. It quotes nothing: a
    name with a comma in it has to be the last field."""
    program = nvidia_smi()
    if program is None:
        return
    answer = answer_of([program, question + ",".join(fields), "--format=csv,noheader,nounits"])
    if answer.good:
        rows = (line.split(",", len(fields) - 1) for line in answer.out.splitlines())
        yield from ([word.strip() for word in row] for row in rows if len(row) == len(fields))


def _name_of(pid: int, said: str) -> str:
    """What to call a process. The driver says only which program it is; where it says nothing (`[Not Found]`), the
    process is of another container, and the number may be anybody's here."""
    if said.startswith("["):
        return "a process that can't be seen from here"
    name = _last_part(said)
    return f"{name} {script}" if (script := _script_of(pid, name)) else name


def _script_of(pid: int, program: str) -> str:
    """The Python file that a process runs, if it is a process of this program."""
    try:
        words = psutil.Process(pid).cmdline()
    except (psutil.Error, OSError):
        return ""
    if not words or _last_part(words[0]) != program:
        return ""
    return next((_last_part(word) for word in words[1:] if word.endswith(".py")), "")


def _last_part(place: str) -> str:
    return re.split(r"[/\\]", place)[-1]


def _amd_cards() -> Iterator[Device]:
    program = shutil.which("rocm-smi")
    if program is None:
        return
    answer = answer_of([program, "--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json"])
    try:
        said = json.loads(answer.out) if answer.good else {}
        driver = str(said.get("system", {}).get("Driver version", ""))
        cards = [said[key] for key in sorted(said) if key.startswith("card")]
        for card in cards:
            yield _amd_card(card, driver)
    except (ValueError, KeyError, TypeError, AttributeError):  # each release of it words its answer anew
        return


def _amd_card(said: Mapping[str, str], driver: str) -> Device:
    by_word = {key.casefold(): value for key, value in said.items()}
    memory = int(by_word["vram total memory (b)"])
    used = int(by_word["vram total used memory (b)"])
    name = by_word.get("card series") or by_word.get("card model") or "AMD GPU"
    return Device(
        kind=DeviceKind.ROCM, name=name, memory_bytes=memory, free_bytes=max(0, memory - used), driver=driver
    )
