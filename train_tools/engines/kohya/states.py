"""States that kohya's scripts save: which are whole, which step they are really at, and whose they are.

They hold pickles, which run what stands in them when they are read. Only states that this user's own trainings on
this machine have saved are gone on from: each attempt has a token, which lies in the user's state folder too.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sd_contract.errors import CheckpointError, StateError
from sd_contract.output.states import StateManifest, Write, read_manifest, write_state
from sd_contract.tensors.tensor_files import verify_safetensors
from train_tools.files import link_or_copy

POSITION = "train_state.json"
WEIGHTS = "model.safetensors"
ARCHIVES = ("optimizer.bin", "scheduler.bin", "random_states_0.pkl")
"""What torch.save writes: zip files, whose directory is written last."""
KEPT = 2
REMEMBERED_S = 366 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What decides whether and how a state can be gone on from."""

    total_steps: int
    batches: int
    """In an epoch."""
    accumulation: int = 1

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.batches // self.accumulation)

    def fits(self, step: int) -> bool:
        """Whether kohya's scripts, going on at a step, end where they were to end. Their counting is right within
        the first epoch; later only for whole epochs, and with accumulated gradients only between epochs."""
        if step < self.steps_per_epoch and self.accumulation == 1:
            return True
        ends_whole = self.total_steps % self.steps_per_epoch == 0
        return ends_whole and (self.accumulation == 1 or step % self.steps_per_epoch == 0)


def is_whole(state: Path) -> bool:
    """Whether a folder is a state that was written to its end. States of before 2024-08 don't say their step: none
    of them is."""
    try:
        verify_safetensors(state / WEIGHTS)
        return (state / POSITION).is_file() and all(zipfile.is_zipfile(state / name) for name in ARCHIVES)
    except (CheckpointError, OSError):
        return False


def step_of(state: Path) -> int:
    """The step that the trainer believes it is at."""
    position = json.loads((state / POSITION).read_text(encoding="utf-8"))
    return int(position["current_step"])


def keep(
    state: Path, folder: Path, *, step: int, epoch: int, checkpoints: Sequence[str], measures: Measures, token: str
) -> None:
    """Puts a whole state into `folder` under its true step, by links where the disk has them, and lets older ones
    go. The trainer may do with its own what it likes. `checkpoints` are those that the run had saved by then."""
    manifest = StateManifest(
        step=step,
        epoch=epoch,
        seed=0,
        session_id=0,
        started_at=0.0,
        checkpoints=tuple(checkpoints),
        options={
            "total_steps": measures.total_steps,
            "batches": measures.batches,
            "accumulation": measures.accumulation,
            "token": token,
        },
    )
    writers: dict[str, Write] = {name: partial(link_or_copy, state / name) for name in (WEIGHTS, *ARCHIVES)}
    writers[POSITION] = partial(_write_position, step, epoch)
    write_state(folder / f"step-{step:08d}", manifest, writers)
    for old in sorted(folder.glob("step-????????"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _write_position(step: int, epoch: int, file: Path) -> None:
    file.write_text(json.dumps({"current_epoch": epoch, "current_step": step}), encoding="utf-8")


def measures_of(manifest: StateManifest) -> Measures:
    """Raises StateError when they aren't there."""
    said: Mapping[str, object] = manifest.options
    try:
        numbers = {name: int(str(said[name])) for name in ("total_steps", "batches", "accumulation")}
        return Measures(**numbers)
    except (KeyError, ValueError) as error:
        raise StateError(f"the state of step {manifest.step} does not say where it belongs ({error}).") from error


class Tokens:
    """Whose states may be read: a file for each attempt that was started here."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / "kohya_states"

    def new(self) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            if time.time() - old.stat().st_mtime > REMEMBERED_S:
                old.unlink(missing_ok=True)
        token = secrets.token_hex(16)
        (self._folder / token).touch(mode=0o600)
        return token

    def know(self, state: Path) -> bool:
        token = read_manifest(state).options.get("token")
        return isinstance(token, str) and token.isalnum() and (self._folder / token).is_file()
