"""What a training step costs: seconds, CPU seconds, memory, and the time from launch to the first step.

    python -m benchmarks.train_step [--steps 20] [--threads 2] [--gpu] [--model FILE]

Trains a LoRA (rank 8, text encoder and U-Net, 64x64 pixels, batch 1, float32) on a full-size Stable Diffusion 1.5
with random weights that is written to a temporary folder as float16. Prints ratios against what kohya's sd-scripts
(48d368fa) took for the same on an idle machine with two cores; they mean little on another or a busy one, so the
load is printed too. With --gpu and CUDA: 512x512 in bf16 at batch 1 and 4, cached latents, no ratios. Writes
benchmarks/results/train_step.json.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import torch
from PIL import Image

from benchmarks.pocket.blueprint import FULL_SIZE, build
from benchmarks.pocket.single_file import DTYPES, single_file_metadata, single_file_tensors
from sd_contract.events import StepDone, Tail

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.1
WARM_STEPS = 3


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one run: medians of the steps after the first few; the peak is of the whole process tree."""

    step_s: float
    step_cpu_s: float
    peak_gb: float
    first_step_s: float


# Measured on an idle machine with two cores, 2 threads: sd-scripts 48d368fa, started with accelerate.
KOHYA = Costs(step_s=1.06, step_cpu_s=2.1, peak_gb=6.67, first_step_s=13.6)


@dataclass(frozen=True)
class Moment:
    """What the process tree had used when it was looked at."""

    at_s: float
    cpu_s: float
    rss_bytes: int
    steps: tuple[float, ...]
    """The seconds of each step so far, as the trainer itself tells them."""


def write_model(path: Path, seed: int = 0) -> None:
    """A full-size SD1.5 with random weights, written tensor by tensor: never as a whole in memory."""
    with torch.device("meta"):
        networks = build(FULL_SIZE["sd1"])
    tensors = single_file_tensors(networks)
    header, offset = {"__metadata__": dict(single_file_metadata(networks.blueprint, "random"))}, 0
    for name, tensor in tensors.items():
        end = offset + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    draws = np.random.default_rng(seed).standard_normal(2**22, dtype=np.float32)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in tensors.items():
            file.write(_content(name, tensor, draws).tobytes())


def _content(name: str, tensor: torch.Tensor, draws: np.ndarray) -> np.ndarray:
    """Weights of the usual size: norms 1, biases 0, others shrinking with the width of their input."""
    shape = tuple(tensor.shape)
    if tensor.dtype == torch.int64:
        return np.arange(tensor.numel(), dtype=np.int64).reshape(shape)
    if len(shape) < 2:
        return np.full(shape, 0.0 if name.endswith("bias") else 1.0, np.float16)
    width = int(np.prod(shape[1:]))
    return (np.resize(draws, shape) / width**0.5).astype(np.float16)


def write_dataset(folder: Path, size_px: int, batch_size: int) -> Path:
    images = folder / "images"
    images.mkdir(parents=True)
    draw = np.random.default_rng(1)
    for number in range(8):
        pixels = draw.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
        (images / f"{number}.txt").write_text("a picture of noise", encoding="utf-8")
    path = folder / "dataset.toml"
    path.write_text(
        f"[general]\ncaption_extension = '.txt'\n[[datasets]]\nresolution = {size_px}\n"
        f"batch_size = {batch_size}\n[[datasets.subsets]]\nimage_dir = '{images}'\nnum_repeats = 4\n",
        encoding="utf-8",
    )
    return path


def train(model: Path, home: Path, *, steps: int, size_px: int, batch_size: int, more: tuple[str, ...]) -> Costs:
    """Runs the script as a user would and watches its processes."""
    home.mkdir()
    events = home / "events.jsonl"
    command = [sys.executable, str(ROOT / "sd_scripts" / "train_network.py")]
    command += ["--pretrained_model_name_or_path", str(model), "--output_dir", str(home / "out")]
    command += [
        "--dataset_config",
        str(write_dataset(home, size_px, batch_size)),
        "--seed",
        "1",
        "--cache_latents",
    ]
    command += [
        "--seed",
        "1",
        "--network_dim",
        "8",
        "--learning_rate",
        "1e-4",
        "--max_train_steps",
        str(steps),
        *more,
    ]
    environment = {**os.environ, "TRAIN_TOOLS_EVENTS": str(events)}
    with (home / "log").open("wb") as log:
        begun = time.monotonic()
        child = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        moments = watch(child, events, begun)
    if child.returncode:
        raise SystemExit((home / "log").read_text(encoding="utf-8")[-2000:])
    return costs_of(moments)


def watch(child: subprocess.Popen[bytes], events: Path, begun: float) -> list[Moment]:
    tail, steps, moments = Tail(events), (), []
    try:
        while child.poll() is None:
            steps += tuple(event.seconds for event in tail.events() if isinstance(event, StepDone))
            cpu_s, rss_bytes = usage(child.pid)
            moments.append(Moment(time.monotonic() - begun, cpu_s, rss_bytes, steps))
            time.sleep(POLL_S)
    finally:
        child.kill()
        child.wait()
    return moments


def usage(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process and all below it; those that are gone count no more."""
    cpu_s, rss_bytes = 0.0, 0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return cpu_s, rss_bytes
    for process in tree:
        try:
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss_bytes += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return cpu_s, rss_bytes


def costs_of(moments: list[Moment]) -> Costs:
    training = [moment for moment in moments if len(moment.steps) >= WARM_STEPS]
    first, last = training[0], next(moment for moment in training if moment.steps == training[-1].steps)
    begun = next(moment for moment in moments if moment.steps)
    return Costs(
        step_s=median(last.steps[WARM_STEPS:]),
        step_cpu_s=(last.cpu_s - first.cpu_s) / (len(last.steps) - len(first.steps)),
        peak_gb=max(moment.rss_bytes for moment in moments) / 2**30,
        first_step_s=begun.at_s - sum(begun.steps),
    )


def compared(ours: Costs) -> list[str]:
    """Lines of a table: ours, kohya's, how they relate."""
    lines = [f"{'':<16}{'ours':>10}{'kohya':>10}{'ratio':>10}"]
    for name, value in asdict(ours).items():
        recorded = getattr(KOHYA, name)
        lines.append(f"{name:<16}{value:>10.2f}{recorded:>10.2f}{value / recorded:>10.2f}")
    return lines


def on_gpu(model: Path, home: Path, steps: int) -> dict[str, dict[str, float]]:
    options = ("--mixed_precision", "bf16", "--network_train_unet_only")
    return {
        f"sd1 512 b{size}": asdict(
            train(model, home / f"b{size}", steps=steps, size_px=512, batch_size=size, more=options)
        )
        for size in (1, 4)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="also measure on CUDA")
    parser.add_argument("--model", type=Path, help="a full-size SD1 file instead of a random one")
    arguments = parser.parse_args()
    if arguments.steps < WARM_STEPS + 3:
        parser.error(f"--steps {arguments.steps}: at least {WARM_STEPS + 3}")
    if arguments.gpu and not torch.cuda.is_available():
        parser.error("--gpu: no CUDA device was found")
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the trainer is stopped too
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        model = arguments.model or home / "random.safetensors"
        if arguments.model is None:
            write_model(model)
        results = {
            "load": load,
            "cores": os.cpu_count(),
            "torch": torch.__version__,
        }
        if arguments.gpu:
            print(rows := on_gpu(model, home, arguments.steps))
            results["gpu"] = rows
        else:
            ours = train(model, home / "cpu", steps=arguments.steps, size_px=64, batch_size=1, more=())
            print(f"kohya's figures: idle machine with 2 cores. This one: {os.cpu_count()} cores, load {load:.1f}")
            print("\n".join(compared(ours)))
            results |= {"ours": asdict(ours), "kohya": asdict(KOHYA)}
    target = Path(__file__).parent / "results"
    target.mkdir(exist_ok=True)
    (target / "train_step.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
