"""How far the estimate of a run's memory is from what the run takes: estimate, measured peak, and their ratio.

    python -m benchmarks.memory [--only 64 --only checkpointing] [--threads 2] [--model FILE]

Trains a LoRA for a few steps on a full-size SD1.5 with random weights (written to a temporary folder unless
--model names one), as the app would start it, once for each case below, and watches the memory of its processes
from outside. `--only` picks the cases whose names hold a text. One case after the other: each takes up to 10 GB
and, on two busy cores, some minutes. Writes benchmarks/results/memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.full_size import write_dataset, write_model
from benchmarks.train_step import POLL_S, ROOT, end_tree, usage
from sd_contract.attempt import EVENTS_VARIABLE
from sd_contract.events import PhaseStarted, Tail
from train_tools.memory.estimate import MemoryEstimate, memory_of

PICTURES = 4
UNET_ONLY = {"network_train_unet_only": True}
CHECKPOINTING = {"gradient_checkpointing": True}
CACHED = {"cache_latents": True}


@dataclass(frozen=True)
class Case:
    """One run: its name and what it is told besides the base model and the pictures."""

    name: str
    size_px: int
    options: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 2
    """The first makes what the optimizer remembers; with a small LoRA that is next to nothing."""

    @property
    def told(self) -> dict[str, Any]:
        """Everything the estimate needs to know of the run."""
        defaults = {"network_dim": 8, "train_batch_size": 1, "optimizer_type": "AdamW", "learning_rate": 1e-4}
        return {**defaults, "resolution": str(self.size_px), **CACHED, **self.options}


CASES = (
    Case("64", 64),
    Case("64 rank 128", 64, {"network_dim": 128}),
    Case("64 rank 128 Lion", 64, {"network_dim": 128, "optimizer_type": "Lion"}),
    Case("64 rank 128 AdaFactor", 64, {"network_dim": 128, "optimizer_type": "AdaFactor"}),
    Case("64 rank 128 Prodigy", 64, {"network_dim": 128, "optimizer_type": "Prodigy", "learning_rate": 1}),
    Case("64 rank 64 conv 32", 64, {"network_dim": 64, "network_args": ["conv_dim=32", "conv_alpha=1"]}),
    Case("64 bf16 unet", 64, {**UNET_ONLY, "mixed_precision": "bf16"}, steps=1),
    Case("64 text encoder", 64, {"network_train_text_encoder_only": True, "train_batch_size": 4}, steps=1),
    Case("64 random_crop", 64, {"cache_latents": False, "random_crop": True}, steps=1),
    Case("256 unet", 256, UNET_ONLY),
    Case("256 batch 2", 256, {"train_batch_size": 2}),
    Case("256 checkpointing", 256, CHECKPOINTING, steps=1),
    Case("512 unet", 512, UNET_ONLY, steps=1),
    Case("512 unet checkpointing", 512, {**UNET_ONLY, **CHECKPOINTING}, steps=1),
)


@dataclass(frozen=True)
class Measured:
    """The most that the processes of a run held at a time, in the whole and in each of its phases, and how long
    it took."""

    peak_bytes: int
    phases: Mapping[str, int]
    seconds: float


def arguments_of(options: Mapping[str, Any]) -> list[str]:
    """The options as words of a command line."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif isinstance(value, (list, tuple)):
            words += [f"--{name}", *map(str, value)]
        elif value is not False and value is not None:
            words += [f"--{name}", str(value)]
    return words


def measured(case: Case, model: Path, home: Path) -> Measured:
    """Trains the case in a fresh folder and watches its processes."""
    home.mkdir(parents=True)
    told = case.told
    dataset = write_dataset(home, case.size_px, int(told["train_batch_size"]), PICTURES)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes=1", "--num_machines=1"]
    command += ["--dynamo_backend=no", "--mixed_precision=no", str(ROOT / "sd_scripts" / "train_network.py")]
    command += ["--pretrained_model_name_or_path", str(model), "--dataset_config", str(dataset)]
    command += ["--output_dir", str(home / "out"), "--output_name", "lora", "--seed", "1"]
    command += ["--max_train_steps", str(case.steps)]
    command += arguments_of({name: value for name, value in told.items() if name != "resolution"})
    events = home / "events.jsonl"
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", EVENTS_VARIABLE: str(events), "CUDA_VISIBLE_DEVICES": ""}
    begun = time.monotonic()
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(
            command, cwd=ROOT / "sd_scripts", env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        phases = watch(child, Tail(events))
    if child.returncode:
        raise SystemExit(f"{case.name}:\n{(home / 'log').read_text(encoding='utf-8')[-2000:]}")
    return Measured(max(phases.values()), phases, time.monotonic() - begun)


def watch(child: subprocess.Popen[bytes], tail: Tail) -> dict[str, int]:
    """The peak of the tree's resident bytes in each phase of the run."""
    phase, peaks = "starting", {"starting": 0}
    try:
        while child.poll() is None:
            for event in tail.events():
                if isinstance(event, PhaseStarted):
                    phase = event.name
            peaks[phase] = max(peaks.get(phase, 0), usage(child.pid)[1])
            time.sleep(POLL_S)
    finally:
        end_tree(child)
    return peaks


HEADING = f"{'case':<28}{'estimate':>10}{'measured':>10}{'ratio':>8}  hungriest by estimate"


def line(case: Case, estimate: MemoryEstimate, found: Measured) -> str:
    ratio = estimate.bytes / found.peak_bytes
    figures = f"{estimate.bytes / 1e9:>10.2f}{found.peak_bytes / 1e9:>10.2f}{ratio:>8.2f}"
    return f"{case.name:<28}{figures}  {estimate.peak.name}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="cases whose names hold this text")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=Path, help="an SD1.5 model file of full size")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the trainer is stopped too
    chosen = [case for case in CASES if any(text in case.name for text in arguments.only or [""])]
    results = []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; in 10^9 bytes\n{HEADING}")
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or write_model(Path(folder) / "sd1.safetensors")
        for number, case in enumerate(chosen):
            found = measured(case, model, Path(folder) / str(number))
            estimate = memory_of(case.told, model, device="cpu")
            print(line(case, estimate, found), flush=True)
            results.append({"case": case.name, "options": case.told, "estimate": estimate.bytes, **asdict(found)})
    target = Path(__file__).parent / "results"
    target.mkdir(exist_ok=True)
    (target / "memory.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
