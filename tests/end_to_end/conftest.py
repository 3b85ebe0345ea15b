"""The command line as a user types it, in a folder with a space."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "projects_template" / "demo"
POCKET = DEMO / "pocket-sd1.safetensors"
RATES_THAT_TEACH = ("--set", "learning_rate=2e-3", "--set", "lr_scheduler=constant_with_warmup")


@dataclass(frozen=True)
class CommandLine:
    """`train-tools --outputs ...` with a state folder of its own."""

    outputs: Path
    state: Path

    def run(self, *words: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "train_tools", "--outputs", str(self.outputs), *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout_s,
            env={**os.environ, "TRAIN_TOOLS_STATE": str(self.state), "PYTHONPATH": python_path()},
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.ok(*words, "--json"))

    def make_version(self, project: str, pictures: Sequence[Path], *words: str) -> Any:
        self.ok("project", "create", project)
        self.ok("version", "create", project, "v1")
        return self.json("dataset", "import", project, "v1", *map(str, pictures), "--not-mirrored", *words)


def python_path() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "sd_scripts")])


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    home = tmp_path_factory.mktemp("a home")
    return CommandLine(home / "my outputs", home / "state")
