"""Started with the Python of a trainer's environment: compiles a small function as a training would. Prints one
line of JSON. Runs on any Python that PyTorch 2 does."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path

MARK = "train-tools answers: "


def main() -> None:
    sys.path[:] = [place for place in sys.path if place not in ("", str(Path(__file__).parent))]
    try:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        layer = torch.nn.Linear(16, 16).to(device)
        compiled = torch.compile(lambda x: torch.nn.functional.silu(layer(x)).sum(), backend="inductor")
        loss = compiled(torch.ones(4, 16, device=device, requires_grad=True))
        loss.backward()  # type: ignore[no-untyped-call]
        said = {"device": device}
    except Exception as error:  # noqa: BLE001 - a compiler may fail in any way
        traceback.print_exc()
        lines = [line for line in str(error).splitlines() if line.strip()]
        said = {"problem": "{}: {}".format(type(error).__name__, lines[0].strip() if lines else "")}
    sys.stdout.write("\n" + MARK + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
