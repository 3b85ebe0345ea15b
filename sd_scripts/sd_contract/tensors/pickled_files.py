"""The names and shapes of the tensors in a `.ckpt` file, read without running what is in it.

Such files are pickles in a zip archive, and a pickle can name any function to be called. Only what describes
tensors is let through; everything else is refused by name."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sd_contract.errors import CheckpointError

STORAGES = {
    ("torch", f"{kind}Storage")
    for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
} | {("torch.storage", "UntypedStorage")}


class _Tensor:
    """Stands for a tensor: its shape is all that is kept."""

    def __init__(self, *arguments: Any) -> None:
        self.shape = tuple(arguments[2]) if len(arguments) > 2 else ()


def _parameter(data: Any, *_: Any) -> Any:
    return data


ALLOWED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **dict.fromkeys(STORAGES, _Tensor),
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return ALLOWED[module, name]

    def persistent_load(self, identifier: Any) -> Any:
        return _Tensor()


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the model's tensors by name. CheckpointError when the file wants to run code, is of the format
    before 2020, or can't be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            (entry,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(entry) as file:
                found = _Reader(file).load()
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is a pickle that calls {error}: it could run any code, so it is not opened. Choose the "
            ".safetensors file of this model, or convert it where you trust it."
        ) from error
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint that can be read ({error}). Choose the .safetensors file of this model."
        ) from error
    return {name: value.shape for name, value in state_dict(found).items() if isinstance(value, _Tensor)}


def state_dict(found: Any) -> Mapping[str, Any]:
    """The tensors of a checkpoint: below `state_dict` when there is such a key."""
    inner = found.get("state_dict", found) if isinstance(found, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}
