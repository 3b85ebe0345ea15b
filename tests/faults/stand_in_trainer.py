"""A trainer for fault tests, without torch: obeys the contract of the bundled engine in a second or two.

Like `accelerate launch`, the program that is started only starts another (`--as-trainer`) and waits for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from sd_contract.attempt import Attempt, Result, write_result
from sd_contract.events import AttemptStarted, CheckpointSaved, EventLog, RunFinished, StepDone


def launch(arguments: list[str]) -> int:
    return subprocess.call([sys.executable, __file__, "--as-trainer", *arguments])


def train(config: Path, output: Path) -> int:
    options = tomllib.loads(config.read_text(encoding="utf-8"))
    attempt = Attempt.from_environment()
    assert attempt is not None
    log = EventLog(attempt.events)
    log.emit(AttemptStarted())
    total, half = options["max_train_steps"], options["max_train_steps"] // 2
    for step in range(1, total + 1):
        time.sleep(options["seconds_per_step"])
        if options["network_dim"] == 13:
            write_result(attempt, Result(outcome="failed", step=step, total_steps=total, message="unlucky"))
            return 1
        log.emit(StepDone(step=step, total_steps=total, loss=1 / step))
        if step in (half, total):
            suffix = f"-step{step:08d}" if step == half else ""
            file = f"{options['output_name']}{suffix}.safetensors"
            write_lora(output / file, seed=f"{options['network_dim']} {options['seed']} {step}", step=step)
            log.emit(CheckpointSaved(file=file, step=step, epoch=1))
        if attempt.stop_requested:
            write_result(attempt, Result(outcome="cancelled", step=step, total_steps=total))
            return 0
    log.emit(RunFinished("done"))
    write_result(attempt, Result(outcome="done", step=total, total_steps=total))
    return 0


def write_lora(path: Path, seed: str, step: int) -> None:
    """A whole safetensors file whose bytes are a function of the seed, written as the engine does."""
    data = hashlib.sha256(seed.encode()).digest() * 4
    entry = {"dtype": "F32", "shape": [4, 8], "data_offsets": [0, len(data)]}
    header = json.dumps({"__metadata__": {"ss_steps": str(step), "ss_epoch": "1"}, "lora_unet.up": entry}).encode()
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(struct.pack("<Q", len(header)) + header + data)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    if sys.argv[1] == "--as-trainer":
        sys.exit(train(Path(sys.argv[2]), Path(sys.argv[3])))
    sys.exit(launch(sys.argv[1:]))
