"""Started with the Python of a trainer's environment: imports one package, says what it was built for and, where
that is asked for, tries it on a card. Prints one line of JSON; a crash of the package is a crash of this process.

Runs on any Python from 3.8 on, with nothing of ours beside it.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

MARK = "train-tools answers: "


def look_at_torch(try_card: bool) -> dict[str, Any]:
    import torch

    said: dict[str, Any] = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "architectures": torch.cuda.get_arch_list() if torch.version.cuda else [],
    }
    if try_card:
        square = torch.ones(64, 64, device="cuda")
        said["tried"] = float((square @ square).sum().item()) == 64.0**3
    return said


def look_at_bitsandbytes(try_card: bool) -> dict[str, Any]:
    import bitsandbytes

    said: dict[str, Any] = {"version": bitsandbytes.__version__}
    if try_card:
        import torch

        weight = torch.nn.Parameter(torch.ones(64, 128, device="cuda"))
        optimizer = bitsandbytes.optim.AdamW8bit([weight], lr=0.1)
        weight.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        said["tried"] = bool(torch.isfinite(weight).all().item() and (weight < 1).all().item())
    return said


def look_at_xformers(try_card: bool) -> dict[str, Any]:
    import xformers
    import xformers.ops

    said: dict[str, Any] = {"version": xformers.__version__}
    if try_card:
        import torch

        query = torch.ones(1, 16, 2, 32, device="cuda", dtype=torch.float16)
        said["tried"] = bool(torch.isfinite(xformers.ops.memory_efficient_attention(query, query, query)).all())
    return said


def look_at_another(name: str) -> dict[str, Any]:
    import importlib

    return {"version": str(getattr(importlib.import_module(name), "__version__", ""))}


LOOKS = {
    "torch": look_at_torch,
    "bitsandbytes": look_at_bitsandbytes,
    "xformers": look_at_xformers,
}


def main() -> None:
    name, try_card = sys.argv[1], "card" in sys.argv[2:]
    sys.path[:] = [place for place in sys.path if place not in ("", str(Path(__file__).parent))]
    try:
        said = LOOKS[name](try_card) if name in LOOKS else look_at_another(name)
    except Exception as error:  # noqa: BLE001 - whatever a package does at its import is what is asked for
        traceback.print_exc()
        said = {"problem": "{}: {}".format(type(error).__name__, (str(error).strip().splitlines() or [""])[0])}
    sys.stdout.write("\n" + MARK + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
