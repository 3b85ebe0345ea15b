"""Number formats: what the frozen model computes in, and what a device can do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from sd_contract.errors import OptionError


@dataclass(frozen=True)
class Precision:
    """The number format of the frozen model; the LoRA itself is always trained in float32."""

    dtype: torch.dtype
    device: torch.device

    @classmethod
    def chosen(cls, name: str, device: torch.device) -> Precision:
        """OptionError when the device can't train in that format."""
        if name == "fp16" and device.type == "cpu":
            raise OptionError(
                'mixed_precision = "fp16" does not work on a CPU. Use "no" or "bf16", or train on a GPU.'
            )
        if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
            raise OptionError('mixed_precision = "bf16" does not work on this GPU. Use "fp16" or "no".')
        return cls({"no": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[name], device)

    @property
    def is_mixed(self) -> bool:
        return self.dtype != torch.float32

    def send(self, tensor: Tensor) -> Tensor:
        """The tensor on the device, without waiting for what the device is doing."""
        if self.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, self.dtype, enabled=self.is_mixed)

    def scaler(self) -> torch.amp.GradScaler:
        """Keeps small fp16 gradients from vanishing; does nothing in other formats."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
