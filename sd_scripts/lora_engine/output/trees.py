"""Nested tables and lists of tensors and plain values, such as an optimizer's state, as tensors by name and
JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lora_engine.errors import TrainingError

PLAIN = (bool, int, float, str, type(None))


def split(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """The tensors of a tree, copied to the CPU, and the rest as JSON takes it. TrainingError for a value that is
    neither; `join` undoes it."""
    tensors: dict[str, Tensor] = {}
    return tensors, _without_tensors(tree, tensors)


def join(tensors: Mapping[str, Tensor], rest: Any) -> Any:
    """The tree that was split: same types, same bits."""
    match rest:
        case {"tensor": str(name)}:
            return tensors[name]
        case {"table": list(items)}:
            return {join(tensors, key): join(tensors, value) for key, value in items}
        case {"list": list(items)}:
            return [join(tensors, item) for item in items]
        case {"tuple": list(items)}:
            return tuple(join(tensors, item) for item in items)
    return rest


def _without_tensors(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(tree, Mapping):
        items = tree.items()
        return {"table": [[_without_tensors(key, tensors), _without_tensors(v, tensors)] for key, v in items]}
    if isinstance(tree, (list, tuple)):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return {kind: [_without_tensors(item, tensors) for item in tree]}
    if isinstance(tree, PLAIN):
        return tree
    raise TrainingError(f"the state holds a {type(tree).__name__}, which can't be saved.")
