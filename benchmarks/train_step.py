"""What a training step costs: seconds, CPU seconds, memory, and the time from launch to the first step.

    python -m benchmarks.train_step [--steps 20] [--rounds 2] [--threads 2] [--gpu] [--family sd1]
                                    [--kohya CHECKOUT --kohya-python PYTHON]

Trains a LoRA (rank 8) on full-size models with random weights that are written to a temporary folder as float16.
On the CPU: text encoder and U-Net, 64x64 pixels, batch 1, float32. With --gpu: U-Net alone, bf16, cached latents,
SD1.5 at 512x512 and SDXL at 1024x1024, batch 1 and 4.

With a checkout of kohya's sd-scripts, both are measured in turn, started by accelerate and watched from outside in
the same way; round by round the one after the other, and each figure is the best of its rounds. Without one, what
kohya's (48d368fa) took on an idle machine with two cores stands beside ours, which means little on another or a
busy machine; so the load is printed too. Writes benchmarks/results/train_step.json.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil
import torch

from benchmarks.full_size import write_dataset, write_model, write_tokenizer

ROOT = Path(__file__).resolve().parent.parent
POLL_S = 0.05
WARM_STEPS = 3
SCRIPTS = {"sd1": "train_network.py", "sdxl": "sdxl_train_network.py"}
STEPS_DONE = re.compile(rb"(\d+)/\d+ \[[^\]]*loss")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one run, without its first few steps. The peaks are of the whole process tree and of the GPU."""

    step_s: float
    step_cpu_s: float
    peak_gb: float
    peak_gpu_gb: float
    first_step_s: float


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is trained: everything both trainers are told alike."""

    family: str
    size_px: int
    batch_size: int
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.family} {self.size_px} b{self.batch_size}"


@dataclass(frozen=True)
class Trainer:
    """A checkout whose scripts are measured, the Python that runs them, and options of its own."""

    name: str
    folder: Path
    python: Path
    options: tuple[str, ...] = ()

    def command(self, case: Case) -> list[str]:
        launch = ["-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
        launch += ["--dynamo_backend", "no", "--mixed_precision", "no"]
        script = self.folder / SCRIPTS[case.family]
        return [str(self.python), *launch, str(script), *case.options, *self.options]


# Measured on an idle machine with two cores, 2 threads: sd-scripts 48d368fa, started with accelerate.
RECORDED = Costs(step_s=1.06, step_cpu_s=2.1, peak_gb=6.67, peak_gpu_gb=0.0, first_step_s=13.6)
ON_CPU = [Case(family="sd1", size_px=64, batch_size=1)]
BF16 = ("--mixed_precision", "bf16", "--network_train_unet_only", "--sdpa")
ON_GPU = [
    Case(family=family, size_px=size_px, batch_size=batch_size, options=BF16)
    for family, size_px in (("sd1", 512), ("sdxl", 1024))
    for batch_size in (1, 4)
]


@dataclass(frozen=True)
class Moment:
    """What the process tree had used when it was looked at, and the steps its log told of."""

    at_s: float
    cpu_s: float
    rss_bytes: int
    gpu_bytes: int
    steps: int


def measured(trainer: Trainer, case: Case, model: Path, home: Path, steps: int) -> Costs:
    """Runs the script as a user would and watches its processes."""
    home.mkdir(parents=True)
    dataset = write_dataset(home, case.size_px, case.batch_size)
    command = trainer.command(case)
    command += ["--pretrained_model_name_or_path", str(model), "--dataset_config", str(dataset)]
    command += ["--output_dir", str(home / "out"), "--output_name", "lora", "--save_model_as", "safetensors"]
    command += ["--network_module", "networks.lora", "--network_dim", "8", "--learning_rate", "1e-4"]
    command += ["--cache_latents", "--seed", "1", "--max_train_steps", str(steps)]
    command += ["--max_data_loader_n_workers", "0"]  # forked workers would count shared memory again
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    with (home / "log").open("wb") as log:
        begun = time.monotonic()
        child = subprocess.Popen(
            command, cwd=trainer.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        moments = watch(child, home / "log", begun)
    if child.returncode:
        raise SystemExit(f"{trainer.name}:\n{(home / 'log').read_text(encoding='utf-8')[-2000:]}")
    return costs_of(moments)


def watch(child: subprocess.Popen[bytes], log: Path, begun: float) -> list[Moment]:
    moments = []
    try:
        while child.poll() is None:
            done = STEPS_DONE.findall(log.read_bytes())
            cpu_s, rss_bytes = usage(child.pid)
            steps = int(done[-1]) if done else 0
            moments.append(Moment(time.monotonic() - begun, cpu_s, rss_bytes, gpu_bytes(), steps))
            time.sleep(POLL_S)
    finally:
        end_tree(child)
    return moments


def end_tree(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        for process in [*psutil.Process(child.pid).children(recursive=True), child]:
            process.kill()
    child.wait()


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


def gpu_bytes() -> int:
    """Memory in use on the first GPU, by whomever; 0 without one."""
    if not torch.cuda.is_available():
        return 0
    free, total = torch.cuda.mem_get_info()
    return total - free


def costs_of(moments: Sequence[Moment]) -> Costs:
    """The log tells of a step when it is over; so the first step began one step before its line."""
    warm = next(moment for moment in moments if moment.steps >= WARM_STEPS)
    last = next(moment for moment in moments if moment.steps == moments[-1].steps)
    first = next(moment for moment in moments if moment.steps)
    steps = last.steps - warm.steps
    step_s = (last.at_s - warm.at_s) / steps
    return Costs(
        step_s=step_s,
        step_cpu_s=(last.cpu_s - warm.cpu_s) / steps,
        peak_gb=max(moment.rss_bytes for moment in moments) / 2**30,
        peak_gpu_gb=(max(moment.gpu_bytes for moment in moments) - moments[0].gpu_bytes) / 2**30,
        first_step_s=first.at_s - step_s * first.steps,
    )


def best(rounds: Sequence[Costs]) -> Costs:
    return Costs(**{field.name: min(getattr(costs, field.name) for costs in rounds) for field in fields(Costs)})


def table(case: Case, ours: Costs, theirs: Costs | None) -> str:
    """Ours, kohya's, how they relate."""
    lines = [f"{case!s:<16}{'ours':>10}" + (f"{'kohya':>10}{'ratio':>10}" if theirs else "")]
    for name, value in asdict(ours).items():
        line = f"{name:<16}{value:>10.3f}"
        if theirs:
            other = getattr(theirs, name)
            line += f"{other:>10.3f}{value / other if other else float('nan'):>10.2f}"
        lines.append(line)
    return "\n".join(lines)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="measure on CUDA instead of the CPU")
    parser.add_argument("--family", choices=sorted(SCRIPTS), help="only its cases")
    parser.add_argument("--kohya", type=Path, help="a checkout of kohya's sd-scripts")
    parser.add_argument("--kohya-python", type=Path, default=Path(sys.executable), help="the Python it runs in")
    parser.add_argument("--compile", action="store_true", help="ours with --torch_compile")
    arguments = parser.parse_args()
    if arguments.steps < WARM_STEPS + 3:
        parser.error(f"--steps {arguments.steps}: at least {WARM_STEPS + 3}")
    if arguments.gpu and not torch.cuda.is_available():
        parser.error("--gpu: no CUDA device was found")
    return arguments


def main() -> None:
    arguments = parsed()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the trainer is stopped too
    cases = [case for case in (ON_GPU if arguments.gpu else ON_CPU) if arguments.family in (None, case.family)]
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        own = ("--torch_compile",) if arguments.compile else ()
        trainers = [Trainer("ours", ROOT / "sd_scripts", Path(sys.executable), own)]
        if arguments.kohya:
            cache = ("--tokenizer_cache_dir", str(write_tokenizer(home / "tokenizers")))
            trainers.append(Trainer("kohya", arguments.kohya.resolve(), arguments.kohya_python, cache))
        results = [result(case, trainers, home, arguments) for case in cases]
    target = Path(__file__).parent / "results"
    target.mkdir(exist_ok=True)
    (target / "train_step.json").write_text(json.dumps(results, indent=1), encoding="utf-8")


def result(case: Case, trainers: Sequence[Trainer], home: Path, arguments: argparse.Namespace) -> dict:
    model = home / f"{case.family}.safetensors"
    if not model.exists():
        write_model(model, case.family)
    rounds: dict[str, list[Costs]] = {trainer.name: [] for trainer in trainers}
    for number in range(arguments.rounds):
        for trainer in trainers:
            folder = home / f"{case}" / f"{trainer.name} {number}"
            rounds[trainer.name].append(measured(trainer, case, model, folder, arguments.steps))
    found = {name: best(costs) for name, costs in rounds.items()}
    if "kohya" not in found and not arguments.gpu:
        print("kohya's figures were recorded, on an idle machine with 2 cores")
        found["kohya"] = RECORDED
    print(table(case, found["ours"], found.get("kohya")), flush=True)
    return {"case": str(case), **{name: asdict(costs) for name, costs in found.items()}}


if __name__ == "__main__":
    main()
