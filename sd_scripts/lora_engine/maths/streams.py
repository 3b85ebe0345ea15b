"""Named random streams: every draw of a run comes from a generator made of (seed, stream name, position).

So no option shifts another's draws, worker counts change nothing, a run can go on in the middle, and runs that
are trained together draw what each would draw alone."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Streams:
    """All random streams of one run. Positions are numbers or names; equal arguments give equal draws."""

    seed: int

    def number(self, name: str, *position: int | str) -> int:
        """A number below 2**63 that belongs to this place in this stream."""
        digest = hashlib.sha256(json.dumps([self.seed, name, *position]).encode("utf-8")).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def generator(self, name: str, *position: int | str, device: torch.device | str = "cpu") -> torch.Generator:
        """A generator on the CPU: its draws are the same whatever device they are moved to. Another device's own
        generator is faster where much is drawn, and draws other numbers."""
        return torch.Generator(device).manual_seed(self.number(name, *position))

    def random(self, name: str, *position: int | str) -> random.Random:
        return random.Random(self.number(name, *position))


def generator_states() -> dict[str, torch.Tensor]:
    """Where the libraries' own generators stand. Nothing of a run draws from them but optimizers that know no
    named streams."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), **{f"cuda:{place}": state for place, state in enumerate(gpus)}}


def take_up_generators(states: Mapping[str, torch.Tensor]) -> None:
    """Sets the libraries' generators back; those of devices that are not here are left out."""
    torch.set_rng_state(states["cpu"])
    for place in range(torch.cuda.device_count()):
        if f"cuda:{place}" in states:
            torch.cuda.set_rng_state(states[f"cuda:{place}"], place)
