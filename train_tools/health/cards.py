"""What is to be said about the cards: whether there is one that trainings can use, how much of it is free, and
which programs hold the rest."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from train_tools.health.answers import answer_of
from train_tools.health.graphics import nvidia_smi
from train_tools.health.webui import Running
from train_tools.model.device import Device, DeviceKind, Holder
from train_tools.model.finding import Finding, Level

GB = 1e9
MUCH = 2 * GB
"""What a desktop and its browser may hold; more is a model."""
TAKEN_BY_US = "Jobs of this queue are running, and hold what they need."
CURE = "Close what is not needed; trainings then have that much more."
UNLOAD = (
    "Unload the model of the WebUI (Settings, Actions, Unload SD checkpoint to RAM), or close it: it keeps its "
    "model on the card also while it does nothing."
)
NO_CARD = (
    "For an NVIDIA card: install its driver, so that `nvidia-smi` lists it. In a container pass it on (docker: "
    "--gpus all); in WSL install the driver in Windows alone."
)


def card_findings(
    devices: Sequence[Device], holders: Sequence[Holder], webuis: Sequence[Running], *, working: bool
) -> Iterator[Finding]:
    """`working`: jobs of the queue run now, so that memory in use is no surprise."""
    yield from _driver_findings(devices)
    for device in devices:
        if device.kind is DeviceKind.CUDA:
            yield _card(device)
            yield _memory(device, [holder for holder in holders if holder.card == device.uuid], webuis, working)
        elif device.kind is DeviceKind.ROCM:
            yield _amd(device)
        else:
            yield _processor(device)


def _driver_findings(devices: Sequence[Device]) -> Iterator[Finding]:
    program = nvidia_smi()
    if program is not None and devices[0].kind is not DeviceKind.CUDA:
        answer = answer_of([program, "-L"])
        words = (answer.out + answer.err).strip().splitlines()
        said = answer.problem or (words[0].strip() if words else f"it ends with code {answer.code}")
        yield _finding(
            "driver",
            Level.STOP,
            f"NVIDIA's driver is installed and shows no card: {said}",
            "Install the driver anew and start the computer anew (after a new kernel, too). In a container, its "
            "libraries have to be those of the host's driver.",
        )
    elif program is not None and shutil.which("nvidia-smi") is None:
        yield _finding(
            "driver",
            Level.STOP,
            f"The driver's program {program} is not on PATH, so the queue does not see the card.",
            "Add its folder to PATH, and start Train Tools anew.",
        )


def _card(card: Device) -> Finding:
    generation = f", compute capability {card.capability[0]}.{card.capability[1]}" if card.capability else ""
    precision = "bf16 and fp16" if card.bf16 else "fp16, no bf16" if card.capability else "fp16, bf16 not known"
    return _finding(
        "card",
        Level.OK,
        f"{card.name}, {card.memory_bytes / GB:.1f} GB, driver {card.driver}{generation}: {precision}.",
    )


def _memory(card: Device, holders: Sequence[Holder], webuis: Sequence[Running], working: bool) -> Finding:
    used = card.memory_bytes - card.free_bytes
    told = f"{card.free_bytes / GB:.1f} of {card.memory_bytes / GB:.1f} GB of {card.name} are free."
    if holders:
        told += f" In use by {', '.join(map(_holder, holders))}."
    if working:
        return _finding("memory of the card", Level.OK, f"{told} {TAKEN_BY_US}")
    pids = {holder.pid for holder in holders} & {webui.pid for webui in webuis}
    if pids:
        return _finding("memory of the card", Level.WARNING, told, UNLOAD)
    if used > MUCH:
        return _finding("memory of the card", Level.WARNING, told, CURE)
    return _finding("memory of the card", Level.OK, told)


def _holder(holder: Holder) -> str:
    size = "an amount that the driver does not tell" if holder.memory_bytes is None else _size(holder.memory_bytes)
    return f"{holder.name} (process {holder.pid}): {size}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / GB:.1f} GB"


def _amd(card: Device) -> Finding:
    return _finding(
        "card",
        Level.WARNING,
        f"{card.name}, {card.memory_bytes / GB:.1f} GB, of AMD: the queue does not use it; that was never tried.",
        "The queue trains on the processor. A pasted command (`train-tools command RUN`) may use the card.",
    )


def _processor(device: Device) -> Finding:
    if sys.platform == "darwin":
        told = (
            "No NVIDIA card: the trainer uses the processor. Apple's GPU (MPS) is not used: that was never tried."
        )
        return _finding(
            "card", Level.WARNING, told, "For more than the demo, train on a computer with an NVIDIA card."
        )
    return _finding(
        "card",
        Level.WARNING,
        f"No graphics card was found: trainings use the processor ({device.name}). The demo does well so; a "
        "training on a model of full size takes days.",
        NO_CARD,
    )


def _finding(check: str, level: Level, message: str, cure: str = "") -> Finding:
    return Finding(check=check, level=level, message=message, cure=cure)
