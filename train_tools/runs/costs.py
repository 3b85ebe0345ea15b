"""What runs cost: disk by arithmetic, time from what was measured on this machine, else a first guess."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from sd_contract.base_models.base_model import PICKLED_SUFFIXES
from sd_contract.errors import ContractError
from sd_contract.lycoris.sizes import LycorisSizes
from sd_contract.tensors.pickled_files import read_shapes
from sd_contract.tensors.tensor_files import read_header
from train_tools.model.job import Job
from train_tools.runs.training import TRAIN

_TRAINED_UNET = re.compile(
    r"model\.diffusion_model\..*(transformer_blocks.*(to_|ff\.net)|proj_in|proj_out).*\.weight"
)
_TRAINED_TEXT = re.compile(r"cond_stage_model\..*encoder\.layers.*(_proj|fc[12])\.weight")
HEADER_BYTES_PER_LAYER = 430
"""What a file's header says about one layer: its three tensors' names, shapes and places."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds a run needs: `startup_s` + steps x (`step_s` + work x `per_work_s`)."""

    startup_s: float
    step_s: float
    per_work_s: float
    source: str

    def seconds(self, steps: int, work: float) -> float:
        return self.startup_s + steps * (self.step_s + work * self.per_work_s)


FIRST_GUESS = {
    "cpu": Pace(startup_s=12.0, step_s=0.08, per_work_s=1.2e-13, source="a first guess for a CPU"),
    "gpu": Pace(startup_s=25.0, step_s=0.06, per_work_s=2e-16, source="a first guess for a GPU"),
}
"""CPU: a full-size SD1.5 at 64x64, batch 1, takes 1.06 s on two cores. GPU: about 0.16 s at 512x512."""


def measured_pace(history: Iterable[Job]) -> Pace | None:
    """The median pace of finished trainings, or None without any. `history`: done jobs, newest first."""
    paces, startups = [], []
    for job in history:
        work = float(job.subject.get("work", 0.0))
        times = (job.started_at, job.steps_started_at, job.finished_at)
        whole = job.attempt == 1  # a later attempt may have done the rest only
        if job.kind != TRAIN or not whole or job.total_steps < 2 or not work or None in times:
            continue
        started, stepping, finished = (float(time or 0.0) for time in times)
        if not started <= stepping < finished:  # the clock was set meanwhile
            continue
        paces.append((finished - stepping) / (job.total_steps - 1) / work)
        startups.append(stepping - started)
    if not paces:
        return None
    return Pace(
        startup_s=median(startups[:20]),
        step_s=0.0,
        per_work_s=median(paces[:20]),
        source=f"measured on this machine ({len(paces)} finished run{'s' * (len(paces) > 1)})",
    )


def first_guess() -> Pace:
    return FIRST_GUESS["gpu" if shutil.which("nvidia-smi") else "cpu"]


def seconds_left(
    active: Sequence[Job], first: Sequence[Job], waiting: int, history: Sequence[Job], now: float
) -> float | None:
    """The time until all that is active and the `waiting` jobs, of which these are the `first`, have ended, if as
    many run at a time as do now. None when there are none."""
    if not active and not waiting:
        return None
    pace = measured_pace(history) or first_guess()
    other_paces = {kind: _pace_per_step(kind, history) for kind in {job.kind for job in history} - {TRAIN}}

    def whole(job: Job) -> float:
        if job.kind == TRAIN:
            return pace.seconds(job.total_steps, float(job.subject.get("work", 0.0)))
        return other_paces.get(job.kind, 0.0) * job.total_steps

    begun = (job.seconds_left(now) for job in active)
    left = sum(whole(job) if seconds is None else seconds for job, seconds in zip(active, begun, strict=True))
    behind = sum(map(whole, first)) * waiting / max(1, len(first))
    return (left + behind) / max(1, len(active))


def _pace_per_step(kind: str, history: Sequence[Job]) -> float:
    """Seconds for one picture, say, its share of the start included."""
    return median(
        max(0.0, (job.finished_at or 0.0) - (job.started_at or 0.0)) / max(1, job.total_steps)
        for job in history
        if job.kind == kind
    )


def work_of(options: Mapping[str, Any], base_model: Path) -> float:
    """Batch size x pixels x bytes of the base model: what a step's time is roughly proportional to."""
    width, _, height = str(options.get("resolution") or "512").partition(",")
    pixels = int(width) * int(height or width)
    return float(options.get("train_batch_size") or 1) * pixels * base_model.stat().st_size


def checkpoint_bytes(options: Mapping[str, Any], base_model: Path) -> int:
    """The size of one LoRA file: rank x (inputs + outputs) of every trained layer, in the saved precision."""
    number_bytes = 2 if options.get("save_precision") in ("fp16", "bf16") else 4
    lycoris = LycorisSizes.of(options)
    if lycoris is not None:
        names = {_TRAINED_UNET: "unet", _TRAINED_TEXT: "text_encoder"}
        parts = [names[part] for part in _trained_parts(options)]
        return lycoris.weights(parts, _shapes(base_model)) * number_bytes
    rank = int(options.get("network_dim") or 4)
    status = base_model.stat()
    by_part = _sides(base_model, status.st_size, status.st_mtime_ns)
    sides = [side for part in _trained_parts(options) for side in by_part[part]]
    return rank * sum(sides) * number_bytes + len(sides) * HEADER_BYTES_PER_LAYER


@lru_cache(maxsize=16)
def _sides(base_model: Path, size: int, changed_ns: int) -> Mapping[re.Pattern[str], tuple[int, ...]]:
    """Inputs + outputs of every layer that can be trained, by part. A grid asks for them once a run: they are
    kept as long as the file's size and time of change stay the same."""
    shapes = _shapes(base_model)
    return {
        part: tuple(sum(shape[:2]) for name, shape in shapes.items() if len(shape) >= 2 and part.match(name))
        for part in (_TRAINED_UNET, _TRAINED_TEXT)
    }


def _shapes(base_model: Path) -> Mapping[str, tuple[int, ...]]:
    """None where the file does not tell them: whether it can be trained on is for the trainer to say."""
    try:
        pickled = base_model.suffix.lower() in PICKLED_SUFFIXES
        return read_shapes(base_model) if pickled else read_header(base_model).shapes
    except ContractError:
        return {}


def _trained_parts(options: Mapping[str, Any]) -> list[re.Pattern[str]]:
    left_out = {
        _TRAINED_TEXT: options.get("network_train_unet_only"),
        _TRAINED_UNET: options.get("network_train_text_encoder_only"),
    }
    return [part for part, is_left_out in left_out.items() if not is_left_out]
