"""The peak memory of a run by arithmetic, from its options and its base model's header: nothing is loaded.

A run goes through phases (loading, encoding the images, training, saving), and its peak is that of the hungriest.
On a CPU the figure is what all its processes hold together, on a GPU what the trainer holds of the card. How far
it is from what was measured on a CPU is told by `benchmarks/memory.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from sd_contract.errors import ContractError
from train_tools.failures.memory import LADDER
from train_tools.memory.flow_models import everything_else, files_beside, weights_of
from train_tools.memory.numbers import FULL, bytes_of_format
from train_tools.memory.sizes import Sizes, inspected
from train_tools.model.grid import BUNDLED

Device = Literal["cpu", "cuda"]
Options = Mapping[str, Any]

TRAINER_BYTES = 520_000_000
"""A trainer's process with torch, diffusers and transformers loaded, before it has a model (measured on Linux)."""
LAUNCHER_BYTES = 240_000_000
"""accelerate's launcher, which waits beside it (measured)."""
CONTEXT_BYTES = 800_000_000
"""What CUDA, its libraries and their workspaces take of a GPU before anything of ours does. By experience."""
SCRAP_SHARES: Mapping[Device, float] = {"cpu": 0.5, "cuda": 0.05}
"""What activations take beyond their own bytes. On a CPU: copies in the order that convolutions want, and what the
system's allocator does not give back (measured). On a GPU: gaps between tensors (by experience)."""
COPIES_WHEN_SAVING = 4
"""A LoRA's weights while a file is written: copied, as bytes, as the content for the old hash and for the file."""
WORTH_SAYING = 0.05
"""The share of the peak that a change must take off to be called a lever."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of a run, and the bytes that lie there together, by what they are."""

    name: str
    parts: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """What a run will take of a device at most. `rough`: the family's blocks are not known here, so that this is a
    rule of thumb. `lever` says in words what would take most off it; empty when nothing would take much."""

    device: Device
    phases: tuple[Phase, ...]
    rough: bool = False
    lever: str = ""

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.bytes)

    @property
    def bytes(self) -> int:
        return self.peak.bytes

    @property
    def parts(self) -> Mapping[str, int]:
        """Of the peak."""
        return self.peak.parts


def memory_of(
    options: Options, base_model: Path, *, engine: str = BUNDLED, device: Device = "cpu"
) -> MemoryEstimate:
    """The estimate for a run of these options. Any engine but the bundled one is taken for a checkout of kohya's.
    ContractError when the base model or a file that the options name can't be read."""
    estimate = _estimate(options, base_model, engine, device)
    return replace(estimate, lever=_lever(options, estimate, base_model, engine))


def _estimate(options: Options, base_model: Path, engine: str, device: Device) -> MemoryEstimate:
    try:
        base = inspected(base_model)
    except ContractError:
        if engine == BUNDLED:
            raise
        return MemoryEstimate(device=device, phases=tuple(_roughly(options, base_model, device)), rough=True)
    run = Sizes(options, base, engine=engine, on_gpu=device == "cuda")
    return MemoryEstimate(device=device, phases=tuple(_on_gpu(run) if run.on_gpu else _on_cpu(run)))


def _on_cpu(run: Sizes) -> Iterable[Phase]:
    runtime = {"programs": TRAINER_BYTES + LAUNCHER_BYTES}
    held = {**runtime, "base model": run.unet_bytes + run.text_bytes}
    vae = {"VAE": run.vae_bytes}
    file = {} if run.bundled else {"the file that is read": run.file_bytes}
    yield Phase(name="loading the base model", parts={**held, **vae, **file})
    yield Phase(name="encoding the images", parts={**held, **vae, "images": run.encoding_bytes})
    trained = {**held, **(vae if run.keeps_vae else {}), "LoRA and optimizer": run.weight_bytes + run.state_bytes}
    yield Phase(
        name="training",
        parts={**trained, "gradients": run.gradient_bytes, "activations": _with_scrap(run)},
    )
    yield Phase(name="saving", parts={**trained, "copies of the LoRA": COPIES_WHEN_SAVING * run.checkpoint_bytes})


def _on_gpu(run: Sizes) -> Iterable[Phase]:
    context = {"CUDA": CONTEXT_BYTES}
    vae = {"VAE": run.vae_bytes}
    held = {**context, "base model": run.unet_bytes + run.text_bytes}
    yield Phase(name="encoding the images", parts={**held, **vae, "images": run.encoding_bytes})
    kept = run.unet_bytes + (run.text_bytes if run.keeps_text else 0)
    yield Phase(
        name="training",
        parts={
            **context,
            "base model": kept,
            **(vae if run.keeps_vae else {}),
            "LoRA and optimizer": run.weight_bytes + run.state_bytes,
            "gradients": run.gradient_bytes,
            "activations": _with_scrap(run),
        },
    )


def _with_scrap(run: Sizes) -> int:
    return int(run.activation_bytes * (1 + SCRAP_SHARES["cuda" if run.on_gpu else "cpu"]))


def _roughly(options: Options, base_model: Path, device: Device) -> Iterable[Phase]:
    """For families whose blocks are not known here, by the sizes of their files."""
    fixed = {"CUDA": CONTEXT_BYTES} if device == "cuda" else {"programs": TRAINER_BYTES + LAUNCHER_BYTES}
    encoders = {"text encoders and VAE": files_beside(options)}
    yield Phase(name="encoding the captions", parts={**fixed, **encoders})
    trained = {**fixed, "base model": weights_of(options, base_model)}
    kept = {} if options.get("cache_text_encoder_outputs") else encoders
    yield Phase(name="training", parts={**trained, **kept, "all else": everything_else(options, base_model)})


def _lever(options: Options, estimate: MemoryEstimate, base_model: Path, engine: str) -> str:
    """What would take most off the peak, in words, with how much; empty when nothing takes off much."""
    best, words = int(WORTH_SAYING * estimate.bytes), ""
    for says, changes in _levers(options, estimate.device):
        changed = _estimate({**options, **changes}, base_model, engine, estimate.device)
        saved = estimate.bytes - changed.bytes
        if saved > best:
            best, words = saved, f"{says} ({saved / 1e9:.1f} GB less)"
    return words


def _levers(options: Options, device: Device) -> Iterable[tuple[str, Options]]:
    for step in LADDER:
        found = step(options)
        if found is not None and (device == "cuda" or "optimizer_type" not in found.changes):
            yield found.says, found.changes
    if bytes_of_format(options.get("mixed_precision")) == FULL:
        yield "mixed_precision bf16: the base model in half as many bytes", {"mixed_precision": "bf16"}
    elif not (options.get("fp8_base") or options.get("fp8_base_unet")):
        yield "fp8_base: the base model's layers in half as many bytes again", {"fp8_base": True}
    if not options.get("network_train_unet_only") and not options.get("network_train_text_encoder_only"):
        yield "leave the text encoder as it is (network_train_unet_only)", {"network_train_unet_only": True}
