"""What every optimizer and every schedule learns: 50 steps on the pocket model, the loss on images held out.

    python -m benchmarks.optimizers [--steps 50] [NAME ...]

Trains a LoRA of rank 16 for each on 18 pictures of the demo's zorb and measures the other 6 with fixed noise,
before and after. Prints the share that was taken off, writes benchmarks/results/optimizers.json, and fails when
one took nothing off. Optimizers that need CUDA are tried where there is one, and named where not.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch

from lora_engine.job import read_job
from lora_engine.output.reporting import Reporter
from lora_engine.recipes.lora import train_lora
from sd_contract.events import Validated
from sd_contract.options.groups import OPTIMIZERS, SCHEDULER_CLASSES, SCHEDULERS
from sd_contract.options.known_optimizers import KNOWN

RESULTS = Path(__file__).parent / "results" / "optimizers.json"
DEMO = Path(__file__).parents[1] / "projects_template" / "demo"
STEPS = 50
RATE = 2e-3
RATES = {
    "AdaBelief": 5e-3,
    "Adadelta": 1.0,
    "CAME": 5e-4,
    "Lamb": 2e-3,
    "SGDNesterov": 0.5,
    "SGDNesterov8bit": 0.5,
    "SGDScheduleFree": 2.0,
}
"""Of those that want another one; 1 where the optimizer finds its own."""
ARGUMENTS = {
    "AdaFactor": ("relative_step=False", "scale_parameter=False"),
    **{name: ("d0=1e-4",) for name, known in KNOWN.items() if "d0" in known.arguments},
    **{name: ("d0=5e-4", "growth_rate=1.03") for name, known in KNOWN.items() if "growth_rate" in known.arguments},
    "DAdaptAdaGrad": ("d0=1e-2", "growth_rate=1.05"),
    "DAdaptSGD": ("d0=1e-2", "growth_rate=1.1"),
}
"""50 steps are few for those that begin with very small ones, and make them larger in bounds."""
OF_SCHEDULES = {
    "piecewise_constant": ("step_rules=1:20,0.5:40,0.1",),
    "StepLR": ("step_size=10", "gamma=0.7"),
    "MultiStepLR": ("milestones=[20,40]", "gamma=0.3"),
    "ConstantLR": ("factor=0.5", "total_iters=10"),
    "ExponentialLR": ("gamma=0.97",),
    "PolynomialLR": (f"total_iters={STEPS}", "power=2.0"),
    "CosineAnnealingWarmRestarts": ("T_0=10", "T_mult=2"),
    "CyclicLR": (f"base_lr={RATE / 10}", f"max_lr={RATE}", "step_size_up=10"),
    "OneCycleLR": (f"max_lr={RATE}",),
}


@dataclass(frozen=True)
class Lesson:
    """One training: what it is called, and the options that make it."""

    kind: str
    name: str
    options: tuple[str, ...]


class Listener(Reporter):
    """Keeps the losses that are measured."""

    def __init__(self) -> None:
        super().__init__(None)
        self.losses: list[float] = []

    def validated(self, found: Validated) -> None:
        self.losses.append(found.loss)


def lessons() -> Iterator[Lesson]:
    for name in OPTIMIZERS:
        rate = RATES.get(name, 1.0 if KNOWN[name].finds_rate else RATE)
        more = ("--optimizer_args", *ARGUMENTS[name]) if name in ARGUMENTS else ()
        yield Lesson("optimizer", name, ("--optimizer_type", name, "--learning_rate", str(rate), *more))
    for name in SCHEDULERS:
        yield Lesson("schedule", name, ("--lr_scheduler", name, *scheduled(name)))
    for name in SCHEDULER_CLASSES:
        yield Lesson("schedule", name, ("--lr_scheduler_type", name, *scheduled(name)))


def scheduled(name: str) -> tuple[str, ...]:
    optimizer = "AdaFactor" if name == "adafactor" else "AdamW"
    given = ("--lr_scheduler_args", *OF_SCHEDULES[name]) if name in OF_SCHEDULES else ()
    rated = () if name in SCHEDULER_CLASSES else ("--lr_warmup_steps", "5", "--lr_decay_steps", "10")
    return ("--optimizer_type", optimizer, "--learning_rate", str(RATE), *rated, *given)


def losses(lesson: Lesson, folder: Path, steps: int) -> list[float]:
    """The loss on the held-out images after each tenth of the steps."""
    words = [
        *("--pretrained_model_name_or_path", str(DEMO / "pocket-sd1.safetensors")),
        *("--dataset_config", str(dataset(folder)), "--output_dir", str(folder), "--output_name", lesson.name),
        *("--network_module", "networks.lora", "--network_dim", "16", "--network_alpha", "16", "--seed", "1"),
        *("--max_train_steps", str(steps), "--validation_seed", "1"),
        *("--validate_every_n_steps", str(max(1, steps // 10)), "--cache_latents", *lesson.options),
    ]
    listener = Listener()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        train_lora(read_job(words), listener)
    return listener.losses


def dataset(folder: Path) -> Path:
    """The demo's pictures, a quarter of them held out."""
    path = folder / "dataset.json"
    subset = {"image_dir": str(DEMO / "dataset"), "caption_extension": ".txt"}
    held = {"resolution": 64, "batch_size": 4, "validation_split": 0.25, "subsets": [subset]}
    path.write_text(json.dumps({"datasets": [held]}), encoding="utf-8")
    return path


def untrained(folder: Path) -> float:
    """The loss before: one step that changes nothing."""
    return losses(Lesson("", "untrained", ("--learning_rate", "1e-30")), folder, 1)[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--steps", type=int, default=STEPS)
    told = parser.parse_args()
    wanted = [one for one in lessons() if not told.names or one.name in told.names]
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as place:
        before = untrained(Path(place))
        print(f"held-out loss before: {before:.4f}; load {os.getloadavg()[0]:.1f}", flush=True)
        for lesson in wanted:
            if lesson.kind == "optimizer" and KNOWN[lesson.name].needs_cuda and not torch.cuda.is_available():
                print(f"{lesson.kind:<10} {lesson.name:<28} needs CUDA: not run", flush=True)
                continue
            begun = time.perf_counter()
            after = losses(lesson, Path(place), told.steps)[-1]
            found[f"{lesson.kind} {lesson.name}"] = {"after": after, "taken off": 1 - after / before}
            row = f"{lesson.kind:<10} {lesson.name:<28} {after:.4f} {1 - after / before:7.1%}"
            print(f"{row}  {time.perf_counter() - begun:.1f} s", flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"format": 1, "before": before, "steps": told.steps, "found": found}, indent=1))
    idle = [name for name, one in found.items() if not one["taken off"] > 0]
    if idle:
        print(f"nothing learnt by: {', '.join(idle)}", file=sys.stderr)
    return bool(idle)


if __name__ == "__main__":
    sys.exit(main())
