"""A checkpoint in a WebUI's folder of LoRA files, with the picture and the card that the WebUI shows. Names there
are unique: a WebUI knows a LoRA by its file's stem alone, and shows old pictures for a name that is used again."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import rmtree

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import (
    copy_tensors,
    data_sha256,
    head_of,
    read_header,
    verify_safetensors,
    with_hashes,
)
from train_tools.checkpoints.edits import OUTPUT_NAME
from train_tools.checkpoints.facts import printable
from train_tools.errors import NotFoundError, OptionValueError, StorageError
from train_tools.files import name_anew, storage_error
from train_tools.model.checkpoint import Checkpoint, Delivered

SUFFIX = ".safetensors"
LORA_SUFFIXES = (SUFFIX, ".pt", ".ckpt")
CARD, PICTURE = ".json", ".preview.png"
LONGEST_STEM_BYTES = 120
HASH_DIGITS = 8
_one_at_a_time = threading.Lock()
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a WebUI keeps about a LoRA, and shows."""

    description: str = ""
    family: str = ""
    activation_text: str = ""
    preferred_weight: float = 0.0
    """0: the WebUI's own default."""
    notes: str = ""

    def __post_init__(self) -> None:
        if not -10 <= self.preferred_weight <= 10:
            raise OptionValueError(f"{self.preferred_weight} is no weight for a LoRA; 0.8 is one.")

    @property
    def fields(self) -> Mapping[str, object]:
        """By the keys of the WebUI's file."""
        return {
            "description": self.description,
            "sd version": self.family,
            "activation text": self.activation_text,
            "preferred weight": self.preferred_weight,
            "notes": self.notes,
        }


def stem_for(checkpoint: Checkpoint, suffix: str = "") -> str:
    """A name that no other weights have: the checkpoint's, what its run varies, and digits of its hash."""
    digits = f"-{data_sha256(checkpoint.path)[:HASH_DIGITS]}"
    return f"{plain_stem(checkpoint.name + suffix, LONGEST_STEM_BYTES - len(digits))}{digits}"


def plain_stem(name: str, most_bytes: int = LONGEST_STEM_BYTES) -> str:
    """The name as a prompt can hold it: letters, digits, spaces, `-`, `+` and `_`."""
    plain = re.sub(r"[^\w\-+ ]+", "_", name).strip(" _") or "lora"
    return plain.encode("utf-8")[:most_bytes].decode("utf-8", "ignore").rstrip(" _-")


def deliver(
    checkpoint: Checkpoint, folder: Path, stem: str, card: Card, picture: Path | None, *, link: bool = False
) -> Delivered:
    """Puts it there whole, under the first of `stem`, `stem-2` ... that no LoRA of the folder or below has;
    nothing is written over. A copy's `ss_output_name` is its name; `link` takes no room and leaves the file as it
    is.

    Raises NotFoundError when the folder or the file is not there, CheckpointError when the file is damaged,
    StorageError when the folder can't be written.
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not there. Is its disk plugged in? Name the WebUI's models/Lora folder.")
    verify_safetensors(checkpoint.path)
    try:
        earlier = _earlier(checkpoint, folder, stem)
        if earlier is not None:
            return Delivered(path=earlier, was_there=True)
        taken = _taken(folder)
        for candidate in _numbered(stem):
            if candidate.casefold() not in taken:
                placed = _placed(checkpoint, folder / candidate, card, picture, link)
                if placed is not None:
                    return placed
    except OSError as error:
        raise _told(folder / f"{stem}{SUFFIX}", error) from error
    raise AssertionError("numbers do not end")


def _placed(
    checkpoint: Checkpoint, target: Path, card: Card, picture: Path | None, link: bool
) -> Delivered | None:
    """None when one of the names is taken. The LoRA comes last: what a WebUI finds has its card."""
    with _one_at_a_time, _workplace(checkpoint, target) as building:
        parts = {}
        for suffix, content in ((CARD, _card_text(card)), (PICTURE, _png(picture))):
            if content:
                parts[suffix] = building / suffix[1:]
                parts[suffix].write_bytes(content)
        parts[SUFFIX] = building / "lora"
        linked = link and _is_linked(checkpoint.path, parts[SUFFIX])
        if not linked:
            _copy(checkpoint.path, parts[SUFFIX], target.name)
        files = _named({part: target.with_name(target.name + suffix) for suffix, part in parts.items()})
    if not files:
        return None
    *beside, file = files
    notes = _notes(file, linked=linked, wished=link)
    return Delivered(path=file, beside=tuple(beside), linked=linked, notes=notes)


@contextmanager
def _workplace(checkpoint: Checkpoint, target: Path) -> Iterator[Path]:
    """A hidden folder beside the target; its name is the same at the next try, so that what a killed copy left in
    it goes then. No file in it has a name that a WebUI takes for a LoRA."""
    whose = hashlib.sha256(f"{checkpoint.path}\n{target.name}".encode("utf-8", "surrogateescape")).hexdigest()
    building = target.with_name(f".{whose[:16]}.train-tools.part")
    rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        yield building
    finally:
        rmtree(building, ignore_errors=True)


def _named(parts: Mapping[Path, Path]) -> list[Path]:
    """Gives finished files their names, all or none; none when one is taken."""
    named: list[Path] = []
    try:
        for part, target in parts.items():
            name_anew(part, target)
            named.append(target)
    except OSError as error:
        for target in named:
            target.unlink()
        if isinstance(error, FileExistsError):
            return []
        raise
    return named


def _notes(file: Path, *, linked: bool, wished: bool) -> tuple[str, ...]:
    name = read_header(file).metadata.get(OUTPUT_NAME, "")
    if linked and name != file.stem:
        return (
            f"A link has the metadata that the file has, so a WebUI may show it as {printable(name)!r}, as it "
            f"does the other checkpoints of its run. In prompts <lora:{file.stem}:1> means this one.",
        )
    return ("It is a copy: links don't reach that folder.",) if wished and not linked else ()


def _earlier(checkpoint: Checkpoint, folder: Path, stem: str) -> Path | None:
    """The file that an earlier copy under this name has put there: same weights, and its own name."""
    file = folder / f"{stem}{SUFFIX}"
    try:
        name = read_header(file).metadata.get(OUTPUT_NAME)
        mine = file.samefile(checkpoint.path) or name == stem
        return file if mine and data_sha256(file) == data_sha256(checkpoint.path) else None
    except CheckpointError:
        return None


def _taken(folder: Path) -> set[str]:
    """The names of all LoRA files there, however deep, in small letters: folders don't tell them apart."""
    names = (Path(name) for _, _, files in os.walk(folder) for name in files)
    return {name.stem.casefold() for name in names if name.suffix.lower() in LORA_SUFFIXES}


def _is_linked(source: Path, part: Path) -> bool:
    try:
        os.link(source, part)
    except OSError:  # another disk, or one without links
        return False
    return True


def _copy(source: Path, part: Path, name: str) -> None:
    """The same tensors under a name of their own; where nothing has to be changed, the same bytes."""
    metadata = read_header(source).metadata
    named = metadata.get(OUTPUT_NAME) == name
    head = head_of(source) if named else with_hashes(source, {**metadata, OUTPUT_NAME: name})
    with part.open("wb") as copy:
        copy_tensors(source, head, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _card_text(card: Card) -> bytes:
    return json.dumps(card.fields, ensure_ascii=False, indent=4).encode("utf-8", "replace")


def _png(picture: Path | None) -> bytes:
    """Empty for what is no picture, or gone."""
    content = picture.read_bytes() if picture is not None and picture.is_file() else b""
    return content if content.startswith(PNG) else b""


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}-{number}" for number in count(2))


def _told(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(
            f"Could not write {path.name} in {path.parent}: {error.strerror}. Check the folder's permissions, or "
            "name another folder."
        )
    return storage_error(path, error)
