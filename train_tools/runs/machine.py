"""machine.json: where an attempt runs and what with, written into its folder when it begins."""

from __future__ import annotations

import csv
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from train_tools.files import write_json
from train_tools.model.paths import AttemptPaths
from train_tools.model.provenance import Gpu, Machine, Provenance
from train_tools.runs.engine import Engine
from train_tools.runs.provenance import provenance_of

FORMAT = 1
PATIENCE_S = 20.0


def machine_here(slot: str, engine: Engine, base_model: Path) -> Machine:
    """This machine, for a training in a slot."""
    return Machine(
        slot=slot,
        system=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        processors=os.cpu_count() or 1,
        threads=engine.threads(base_model),
        made_with=provenance_of(engine),
        gpu=gpu_of(slot),
    )


def write_machine(paths: AttemptPaths, machine: Machine) -> None:
    write_json(paths.machine, {"format": FORMAT, **asdict(machine)})


def read_machine(paths: AttemptPaths) -> Machine | None:
    """None where an attempt did not write it down, or a newer Train Tools did."""
    try:
        fields = json.loads(paths.machine.read_text(encoding="utf-8"))
        return None if fields.pop("format") > FORMAT else _machine(fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _machine(fields: Mapping[str, Any]) -> Machine:
    gpu = Gpu(**fields["gpu"]) if fields["gpu"] else None
    return Machine(**{**fields, "gpu": gpu, "made_with": Provenance(**fields["made_with"])})


@lru_cache(maxsize=64)
def gpu_of(slot: str) -> Gpu | None:
    """The card of a slot, asked for once: it stays what it is as long as this process lives."""
    program = shutil.which("nvidia-smi")
    if slot in ("", "cpu") or program is None:
        return None
    question = [
        program,
        f"--id={slot}",
        "--query-gpu=name,driver_version,memory.total",
        "--format=csv,noheader,nounits",
    ]
    try:
        answer = subprocess.run(
            question, capture_output=True, text=True, timeout=PATIENCE_S, check=True, stdin=subprocess.DEVNULL
        )
        name, driver, memory = next(csv.reader([answer.stdout], skipinitialspace=True))
        return Gpu(name=name, driver=driver, memory_mib=int(memory))
    except (OSError, ValueError, StopIteration, subprocess.SubprocessError):
        return None
