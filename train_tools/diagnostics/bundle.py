"""The file itself: a ZIP of texts, each redacted, with a page that says what is in it. It appears whole or not at
all, and never instead of another file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from train_tools.diagnostics.redaction import Redaction
from train_tools.errors import AlreadyExistsError, NotFoundError
from train_tools.files import whole_file

README = """\
A look at one installation of Train Tools, made by `train-tools doctor --bundle` for whoever is to help.

findings.txt, findings.json   what the doctor found, with what to do about it
environments.json             the Python of each trainer, and its packages
trainers.json                 trainers, their folders and commits
settings.json                 settings of the outputs folder
environment.json              variables that Train Tools, CUDA and PyTorch go by
queue.json                    how the queue stands, and its newest jobs
failures/job-N/               of jobs that failed: why, the ends of their logs, events and records

Not in it: pictures, captions, models, checkpoints, secrets.

Tokens, keys, passwords and the addresses of webhooks were replaced by <secret>, home folders by ~, the names of
the user and of the machine by <user> and <host>. That was done by rules, and rules can miss what they have not
been told of: names of projects and options, and whatever the logs say besides, are in here as they were. Look
through the files before you give them to anybody.
"""


def check_place(path: Path) -> None:
    """Raises AlreadyExistsError for a file that is there, NotFoundError for a folder that is not."""
    if path.exists():
        raise AlreadyExistsError(f"{path} is there already, and is not written over. Name another file.")
    if not path.parent.is_dir():
        raise NotFoundError(f"There is no folder {path.parent} for {path.name}. Make it first, or name another.")


def write_bundle(path: Path, members: Mapping[str, str], redacted: Redaction) -> None:
    """Raises what `check_place` does, and StorageError."""
    check_place(path)
    with whole_file(path) as file:
        pack(file, members, redacted)


def pack(file: IO[bytes], members: Mapping[str, str], redacted: Redaction) -> None:
    """Writes texts by name, and what they are, into an open file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        for name, text in members.items():
            archive.writestr(name, redacted(text).encode("utf-8", "backslashreplace"))
