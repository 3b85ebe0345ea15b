"""Whether a LoRA's numbers are numbers. WebUIs render with overflowed ones, and save what comes of it."""

from __future__ import annotations

from pathlib import Path

from sd_contract.tensors.tensor_files import verify_safetensors

EXPONENTS = {"F16": ("u2", 0x7C00), "BF16": ("u2", 0x7F80), "F32": ("u4", 0x7F800000), "F64": ("u8", 0x7FF << 52)}
"""For each type of number its width, and the bits that are all set in what is infinite or no number."""


def first_overflowed(checkpoint: Path) -> str | None:
    """The name of a tensor that holds what is no finite number. CheckpointError when the file is damaged."""
    import numpy as np

    header = verify_safetensors(checkpoint)
    content = np.memmap(checkpoint, mode="r")
    for name, entry in header.tensors.items():
        if entry.dtype in EXPONENTS and entry.end > entry.begin:
            width, bits = EXPONENTS[entry.dtype]
            numbers = content[header.data_start + entry.begin : header.data_start + entry.end].view(f"<{width}")
            if bool(((numbers & np.array(bits, numbers.dtype)) == bits).any()):
                return name
    return None
