"""A course of lessons for some networks: counted in steps, kept in a file, taken up again where it stopped.

Each step draws from its own generators, made from (seed, course, step). So a course that was broken off and taken
up again ends with the same weights as one that ran through, on the same machine with the same thread count.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

from benchmarks.pocket.training.optimizer import MuonWithAdamW


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What one step may take chances from."""

    numpy: np.random.Generator
    torch: torch.Generator


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long a course is and where it is kept."""

    name: str
    steps: int
    seed: int
    folder: Path
    save_every: int = 100
    say: Callable[[str], None] = field(default=print, repr=False)

    def __post_init__(self):
        if self.steps < 1:
            raise ValueError(f"{self.name}: {self.steps} steps; must be at least 1")

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pt"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The mean loss of the first and the last tenth of a course, and the processor time it took."""

    steps: int
    first_loss: float
    last_loss: float
    cpu_s: float

    def as_json(self) -> dict:
        return asdict(self)


def draws(seed: int, stream: str, position: int) -> Draws:
    """Generators that depend on these three alone."""
    rng = np.random.default_rng((seed, crc32(stream.encode()), position))
    return Draws(numpy=rng, torch=torch.Generator().manual_seed(int(rng.integers(2**62))))


def follow(
    course: Course,
    network: torch.nn.Module,
    optimizer: MuonWithAdamW,
    *,
    loss: Callable[[Draws], torch.Tensor],
    pace: Callable[[float], float],
    longest_average: Callable[[float], float],
) -> Outcome:
    """Train until the course's last step, then leave the running average of the weights in the network.

    `pace` and `longest_average` are asked with the share of the course that is done (0 to 1): the factor of the
    learning rates, and how much of the running average a step keeps.
    """
    progress = _Progress.taken_up(course, network, optimizer)
    network.train()
    while progress.step < course.steps:
        began = time.process_time()
        done = progress.step / course.steps
        value = loss(draws(course.seed, course.name, progress.step))
        value.backward()
        optimizer.step(pace(done) * _warm_up(progress.step))
        progress.advance(network, value.item(), longest_average(done), time.process_time() - began)
        if progress.step % course.save_every == 0 or progress.step == course.steps:
            progress.keep(course, network, optimizer)
            course.say(progress.line(course))
    network.load_state_dict(progress.average)
    network.eval()
    return progress.outcome()


def _warm_up(step):
    return min(1.0, (step + 1) / 30)


@dataclass(kw_only=True)
class _Progress:
    """What a course has come to."""

    step: int
    average: dict[str, torch.Tensor]
    losses: list[float]
    cpu_s: float

    @classmethod
    def taken_up(cls, course, network, optimizer):
        if not course.file.exists():
            return cls(step=0, average=_copied(network.state_dict()), losses=[], cpu_s=0.0)
        kept = torch.load(course.file, weights_only=True)
        for name in ("seed", "steps"):
            if kept[name] != getattr(course, name):
                raise ValueError(
                    f"{course.file} was made with {name} {kept[name]}, not {getattr(course, name)}; "
                    "use the same or another --workshop folder"
                )
        network.load_state_dict(kept["weights"])
        optimizer.load_state_dict(kept["optimizer"])
        course.say(f"{course.name}: taken up at step {kept['step']}")
        return cls(step=kept["step"], average=kept["average"], losses=kept["losses"], cpu_s=kept["cpu_s"])

    def advance(self, network, loss, longest_average, cpu_s):
        self.step += 1
        self.losses.append(loss)
        self.cpu_s += cpu_s
        kept = min(longest_average, self.step / (self.step + 10))
        for name, tensor in network.state_dict().items():
            self.average[name].lerp_(tensor, 1 - kept)

    def keep(self, course, network, optimizer):
        course.folder.mkdir(parents=True, exist_ok=True)
        unfinished = course.file.with_suffix(".tmp")
        content = {
            "seed": course.seed,
            "steps": course.steps,
            "step": self.step,
            "weights": network.state_dict(),
            "average": self.average,
            "optimizer": optimizer.state_dict(),
            "losses": self.losses,
            "cpu_s": self.cpu_s,
        }
        torch.save(content, unfinished)
        unfinished.replace(course.file)

    def line(self, course):
        a_step_s = self.cpu_s / self.step
        left_minutes = (course.steps - self.step) * a_step_s / 60
        return (
            f"{course.name}: step {self.step} of {course.steps}, loss {np.mean(self.losses[-50:]):.4f}, "
            f"{a_step_s:.2f} CPU s a step, {left_minutes:.1f} CPU minutes left"
        )

    def outcome(self):
        tenth = max(1, len(self.losses) // 10)
        return Outcome(
            steps=self.step,
            first_loss=float(np.mean(self.losses[:tenth])),
            last_loss=float(np.mean(self.losses[-tenth:])),
            cpu_s=self.cpu_s,
        )


def _copied(tensors):
    return {name: tensor.clone() for name, tensor in tensors.items()}
