"""Stand-ins for the Python of a trainer's environment: what they answer when a package is imported in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.programs import python_program
from train_tools.health.packages import Environment

MEND = "Put it right."
INSTALLED = {"torch": "2.9.0", "accelerate": "1.2", "safetensors": "0.5", "transformers": "5.0"}
CUDA_126 = {
    "version": "2.9.0",
    "cuda": "12.6",
    "hip": None,
    "architectures": ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"],
}
ANSWERS = """
import json, os, sys
from pathlib import Path
here = Path(__file__).parent
name = sys.argv[3] if len(sys.argv) > 3 else "compile"
with open(here / "asked", "a") as log: log.write(" ".join(sys.argv[3:]) + chr(10))
(here / "variables").write_text(json.dumps(dict(os.environ)))
print("a package says hello")
exec((here / f"{name}.py").read_text())
"""


class StandIn:
    """A Python in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.python = folder / "python"
        self.python.write_text(python_program(ANSWERS))
        self.python.chmod(0o755)

    def says(self, name: str, answer: Mapping[str, Any]) -> None:
        line = f"train-tools answers: {json.dumps(answer)}"
        self.does(name, f"print({line!r})")

    def does(self, name: str, code: str) -> None:
        (self.folder / f"{name}.py").write_text(code)

    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def variables(self) -> Mapping[str, str]:
        return json.loads((self.folder / "variables").read_text())

    def environment(self, **packages: str) -> Environment:
        return Environment(
            trainer="kohya",
            python=str(self.python),
            version="3.11.9",
            packages={**INSTALLED, **packages},
            mend=MEND,
        )


def without_packages(folder: Path) -> Environment:
    """A real Python in which nothing is installed, though its folder says so."""
    folder.mkdir()
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    python.chmod(0o755)
    return Environment(trainer="kohya", python=str(python), version="3.11.9", packages=INSTALLED, mend=MEND)
