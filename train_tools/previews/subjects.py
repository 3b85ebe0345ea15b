"""What a matrix is about: checkpoints, the base models they were trained on, what trainers painted meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import data_sha256, file_sha256, read_header
from train_tools.errors import NotFoundError
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import VersionPaths
from train_tools.model.preview import Picture, PreviewSettings

HASH_KEY = "sshs_model_hash"


@dataclass(frozen=True, kw_only=True)
class BaseModelFile:
    """A base model of a matrix: where it lies, and the sha256 of the file."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LabelledCheckpoint:
    """A checkpoint with its run's label for people, and the base model it was trained on."""

    label: str
    checkpoint: Checkpoint
    base: BaseModelFile
    options: Mapping[str, Any] = field(default_factory=dict)
    """The options in which its run differs from the others, as people read them."""
    images: Path | None = None
    """Where its pictures lie when that is not in its run's folder."""
    sha256: str = ""
    """The hash of a file that some other program wrote: what its header says is not believed."""


@dataclass(frozen=True, kw_only=True)
class TrainingSample:
    """A picture that the trainer painted while it trained. `run` is a run's name, `when` reads like a checkpoint's
    label, `values` are what is known of its settings, by axis."""

    run: str
    when: str
    step: int
    picture: Picture
    file: Path
    values: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)


def checkpoint_label(checkpoint: Checkpoint) -> str:
    """For people: "epoch 5", "step 200", "final, epoch 10", "concept A, final, epoch 5"."""
    reached = (
        f"epoch {checkpoint.epoch}" if checkpoint.epoch else f"step {checkpoint.step}" if checkpoint.step else ""
    )
    words = (checkpoint.stage.replace("_", " "), "final" if checkpoint.final else "", reached)
    return ", ".join(filter(None, words)) or checkpoint.name


def lora_hash(checkpoint: Path) -> str:
    """The hash of the tensors: from the header where the trainer wrote it, else of the bytes.

    A file that is no readable checkpoint has one too: its row exists, and the renderer says what is wrong.
    """
    try:
        said = read_header(checkpoint).metadata.get(HASH_KEY, "")
        return said.lower() if len(said) == 64 else data_sha256(checkpoint)
    except CheckpointError:
        return file_sha256(checkpoint) if checkpoint.is_file() else "missing"


def other_loras(
    version: VersionPaths,
    settings: PreviewSettings,
    bases: Sequence[BaseModelFile],
    hash_of: Callable[[Path], str],
) -> list[LabelledCheckpoint]:
    """The LoRA files from elsewhere, on each base model. Their pictures lie in the version's folder: where the
    files are, nothing is written. Raises NotFoundError for one that is not there."""
    return [
        _from_elsewhere(version, Path(path), base, hash_of, tell_base=len(bases) > 1)
        for path in dict.fromkeys(settings.other_loras)
        for base in bases
    ]


def _from_elsewhere(
    version: VersionPaths, path: Path, base: BaseModelFile, hash_of: Callable[[Path], str], *, tell_base: bool
) -> LabelledCheckpoint:
    if not path.is_file():
        raise NotFoundError(f"The LoRA file {path} does not exist. Take it out of the preview's other LoRAs.")
    sha256 = hash_of(path)
    status = path.stat()
    found = Checkpoint(
        run=f"{sha256[:12]} {base.sha256[:12]}" if tell_base else sha256[:12],
        path=path,
        size_bytes=status.st_size,
        modified=status.st_mtime,
        epoch=0,
        step=0,
        final=False,
    )
    return LabelledCheckpoint(
        label=f"another LoRA, on {base.path.stem}" if tell_base else "another LoRA",
        checkpoint=found,
        base=base,
        images=version.other_loras / f"{path.stem[:60]}-{sha256[:8]}" / "images",
        sha256=sha256,
    )
