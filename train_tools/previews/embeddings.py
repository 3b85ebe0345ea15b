"""Textual inversions ("embeddings"): files that teach the text encoder a word, which is the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sd_contract.errors import CheckpointError
from sd_contract.tensors.tensor_files import file_sha256, read_header
from train_tools.errors import NotFoundError, OptionValueError

PICKLED = (".pt", ".bin", ".ckpt", ".pth")
SAFE = ".safetensors"


@dataclass(frozen=True)
class Embedding:
    """A file and the word it stands for."""

    name: str
    path: Path

    @cached_property
    def signature(self) -> str:
        """The word and what it means: the same word in another file is another picture. Raises OptionValueError
        for a file that is not read here."""
        if self.path.suffix.lower() != SAFE:
            raise OptionValueError(
                f"{self.path.name} in the embeddings folder is a pickle, which can run any code when it is "
                "opened. Convert it to safetensors, or take the word out of the prompt."
            )
        try:
            read_header(self.path)
        except CheckpointError as error:
            raise OptionValueError(f"The embedding {self.name!r} can't be used: {error}") from error
        return f"{self.name} {file_sha256(self.path)}"

    def is_in(self, text: str) -> bool:
        return re.search(rf"(?<!\w){re.escape(self.name)}(?!\w)", text, re.IGNORECASE) is not None


def embeddings_in(folder: Path) -> tuple[Embedding, ...]:
    """The embeddings of a folder and those below it, longest names first, since one name may begin with another.
    Raises NotFoundError when there is no such folder."""
    if not folder.is_dir():
        raise NotFoundError(f"The embeddings folder {folder} does not exist.")
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in (SAFE, *PICKLED)]
    found = {file.stem.lower(): Embedding(file.stem, file) for file in files if file.suffix.lower() != SAFE}
    found |= {file.stem.lower(): Embedding(file.stem, file) for file in files if file.suffix.lower() == SAFE}
    return tuple(sorted(found.values(), key=lambda one: (-len(one.name), one.name)))


def named_in(texts: Sequence[str], embeddings: Sequence[Embedding]) -> tuple[Embedding, ...]:
    """The embeddings that the texts name, by name."""
    return tuple(
        sorted(
            (one for one in embeddings if any(one.is_in(text) for text in texts)), key=lambda one: one.name.lower()
        )
    )
