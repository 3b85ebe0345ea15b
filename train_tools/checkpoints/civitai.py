"""A checkpoint as one shows it to others: the file, its pictures, and what they need to know to use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

from sd_contract.tensors.tensor_files import copy_tensors, verify_safetensors, with_hashes
from train_tools.checkpoints.edits import OUTPUT_NAME
from train_tools.checkpoints.facts import printable
from train_tools.checkpoints.lora_folder import SUFFIX
from train_tools.errors import AlreadyExistsError, NotFoundError
from train_tools.files import whole_folder, write_json, write_text
from train_tools.model.checkpoint import CheckpointDetails

FORMAT = 1
MOST_PICTURES = 20
TRAINING_KEYS = {
    "rank": "ss_network_dim",
    "alpha": "ss_network_alpha",
    "network": "ss_network_module",
    "optimizer": "ss_optimizer",
    "learning rate": "ss_learning_rate",
    "U-Net's rate": "ss_unet_lr",
    "text encoder's rate": "ss_text_encoder_lr",
    "scheduler": "ss_lr_scheduler",
    "epochs": "ss_epoch",
    "steps": "ss_steps",
    "resolution": "modelspec.resolution",
    "clip skip": "ss_clip_skip",
    "training images": "ss_num_train_images",
}
"""What others ask about a training, and the metadata that answer."""
COMMON_TAGS = 20


def export(details: CheckpointDetails, folder: Path, name: str) -> Path:
    """Makes the folder `<folder>/<name>` with all of it, whole or not at all, and returns it. Raises NotFoundError
    when the folder or the file is not there, AlreadyExistsError when the new one is."""
    target = folder / name
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not there. Make it, or name another folder.")
    if os.path.lexists(target):
        raise AlreadyExistsError(f"{target} is there already, and is left as it is. Give another name.")
    metadata = verify_safetensors(details.checkpoint.path).metadata
    with whole_folder(target) as building:
        head = with_hashes(details.checkpoint.path, {**metadata, OUTPUT_NAME: name})
        with (building / f"{name}{SUFFIX}").open("wb") as copy:
            copy_tensors(details.checkpoint.path, head, copy)
        pictures = _copy_pictures(details, building)
        told = _told(details, name, metadata)
        write_json(building / f"{name}.json", {"format": FORMAT, **told, "pictures": pictures})
        write_text(building / f"{name}.txt", _words(told))
    return target


def pack(folder: Path, file: Path) -> Path:
    """The exported folder as a zip; pictures and weights can't be packed smaller."""
    with ZipFile(file, "w", ZIP_STORED) as packed:
        for each in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(each, each.relative_to(folder.parent).as_posix())
    return file


def _copy_pictures(details: CheckpointDetails, building: Path) -> list[str]:
    """The first previews, with the parameters that are in them: sites read them from there."""
    names = []
    for number, picture in enumerate(details.images[:MOST_PICTURES], start=1):
        if picture.is_file():
            (building / "pictures").mkdir(exist_ok=True)
            name = f"pictures/{number:02}{picture.suffix}"
            shutil.copyfile(picture, building / name)
            names.append(name)
    return names


def _told(details: CheckpointDetails, name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    training = {word: printable(metadata[key]) for word, key in TRAINING_KEYS.items() if key in metadata}
    return {
        "name": name,
        "trigger_words": list(details.trigger),
        "base_model": details.base_model,
        "family": details.family,
        "tensors_sha256": details.tensors_sha256,
        "training": training,
        "common_tags": [tag for tag, _ in details.tags[:COMMON_TAGS]],
        "notes": details.marks.notes,
    }


def _words(told: Mapping[str, Any]) -> str:
    lines = [
        told["name"],
        "",
        f"Trigger words: {', '.join(told['trigger_words']) or 'none'}",
        f"Base model: {told['base_model'] or 'unknown'} ({told['family']})",
        f"In a prompt: <lora:{told['name']}:1>",
        "",
        "Training:",
        *(f"  {word}: {text}" for word, text in told["training"].items()),
    ]
    if told["common_tags"]:
        lines += ["", f"Common tags: {', '.join(told['common_tags'])}"]
    if told["notes"]:
        lines += ["", told["notes"]]
    return "\n".join(lines) + "\n"
