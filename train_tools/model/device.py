"""What can calculate in this machine: a graphics card, or the processor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

AMPERE = (8, 0)
"""The first generation of NVIDIA's that multiplies bf16 in hardware."""


class DeviceKind(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"
    ROCM = "rocm"
    """An AMD card; PyTorch calls it cuda as well."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Memory is the machine's main memory where the kind is CPU."""

    kind: DeviceKind
    name: str
    uuid: str = ""
    """What the driver calls a card; it stays when others are put in."""
    memory_bytes: int = 0
    """0 where it is not told."""
    free_bytes: int = 0
    driver: str = ""
    capability: tuple[int, int] | None = None
    """CUDA's compute capability, as (8, 6) for an RTX 3090; None where there is none or an old driver does not
    tell."""

    @property
    def bf16(self) -> bool:
        """Whether bf16 works here without being emulated; not known of AMD's cards, so not believed."""
        if self.kind is DeviceKind.CUDA:
            return self.capability is not None and self.capability >= AMPERE
        return self.kind is DeviceKind.CPU

    @property
    def fp16(self) -> bool:
        return self.kind is not DeviceKind.CPU


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that holds memory of a card."""

    pid: int
    name: str
    memory_bytes: int | None
    """None where the driver keeps it to itself, as on Windows."""
    card: str = ""
    """The card's uuid."""
