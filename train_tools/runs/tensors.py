"""The numbers in a safetensors file, without torch: each tensor's bytes where they lie, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sd_contract.tensors.tensor_files import TensorEntry, verify_safetensors

NUMPY_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}


def tensors_in(file: Path) -> Iterator[tuple[str, TensorEntry, Any]]:
    """The tensors by name, each with its bytes, which stay in the file. Raises CheckpointError when it is not
    whole."""
    import numpy as np

    header = verify_safetensors(file)
    data = np.memmap(file, dtype=np.uint8, mode="r", offset=0)
    for name, entry in sorted(header.tensors.items()):
        yield name, entry, data[header.data_start + entry.begin : header.data_start + entry.end]


def numbers_of(data: Any, dtype: str) -> Any:
    """The numbers as 64-bit floats. bf16 is the upper half of a 32-bit float; of types that numpy does not know,
    the bytes."""
    import numpy as np

    if dtype == "BF16":
        halves = np.frombuffer(data.tobytes(), "<u2").astype(np.uint32)
        return (halves << 16).view(np.float32).astype(np.float64)
    return np.frombuffer(data.tobytes(), NUMPY_TYPES.get(dtype, "u1")).astype(np.float64)
