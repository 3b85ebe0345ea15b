"""Number formats, optimizers and attention that this machine has not got."""

from __future__ import annotations

import re
from collections.abc import Iterator

from train_tools.model.device import Device, DeviceKind
from train_tools.model.finding import Finding, Level
from train_tools.preflight.prospect import Candidate, Prospect

PRECISION, DEVICE = "precision", "device"
COMPILED = ("torch_compile", "dynamo_backend")
OF_BITSANDBYTES = ("8bit", "paged", "32bit")
"""Parts of the names of optimizers that only graphics cards can run."""
OF_BITSANDBYTES_ALONE = re.compile("|".join(OF_BITSANDBYTES), re.IGNORECASE)
NOT_COMPILED = (None, False, "", "no")


def precision(prospect: Prospect) -> Iterator[Finding]:
    device = prospect.device
    yield Finding(check=DEVICE, level=Level.OK, message=f"It trains on {device.name}.")
    for candidate in prospect.candidates:
        yield from _format(candidate, device)
        yield from _what_needs_cuda(candidate, device)
        if any(candidate.options.get(name) not in NOT_COMPILED for name in COMPILED):
            tried = prospect.compiles()
            yield candidate.finds(tried.check, tried.level, tried.message, tried.cure)


def _format(candidate: Candidate, device: Device) -> Iterator[Finding]:
    chosen = str(candidate.value("mixed_precision") or "no")
    if chosen == "fp16" and not device.fp16:
        yield candidate.finds(
            PRECISION,
            Level.STOP,
            "mixed_precision = fp16 works on graphics cards only; on a processor it is refused, or slower by far.",
            "Set mixed_precision=no or bf16.",
        )
    elif chosen == "bf16" and not device.bf16:
        yield candidate.finds(
            PRECISION,
            Level.STOP,
            f"mixed_precision = bf16: {device.name} can't calculate in it; NVIDIA's cards can from the RTX 30 on.",
            "Set mixed_precision=fp16.",
        )
    elif chosen == "fp16" and device.bf16:
        yield candidate.finds(
            PRECISION,
            Level.OK,
            f"{device.name} can calculate in bf16 as well, which seldom overflows: mixed_precision=bf16.",
        )
    elif chosen == "no" and device.kind is not DeviceKind.CPU:
        better = "bf16" if device.bf16 else "fp16"
        yield candidate.finds(
            PRECISION,
            Level.WARNING,
            f"mixed_precision is not set: on {device.name} that takes about twice the memory and time.",
            f"Set mixed_precision={better}.",
        )


def _what_needs_cuda(candidate: Candidate, device: Device) -> Iterator[Finding]:
    if device.kind is not DeviceKind.CPU:
        return
    optimizer = str(candidate.value("optimizer_type") or "")
    if candidate.value("use_8bit_adam") or any(sign in optimizer.casefold() for sign in OF_BITSANDBYTES):
        plain = OF_BITSANDBYTES_ALONE.sub("", optimizer.rpartition(".")[2]) or "AdamW"
        yield candidate.finds(
            DEVICE,
            Level.STOP,
            f"{optimizer or 'use_8bit_adam'} needs a graphics card of NVIDIA, and there is none here.",
            f"Set optimizer_type={plain}.",
        )
    if candidate.value("xformers"):
        yield candidate.finds(
            DEVICE,
            Level.STOP,
            "xformers needs a graphics card, and there is none here.",
            "Take xformers out: PyTorch's own attention is used then.",
        )
