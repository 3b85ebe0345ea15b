"""The job that copies a finished run's checkpoints to where another program looks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from sd_contract.attempt import Attempt
from train_tools.errors import NotFoundError, StorageError
from train_tools.files import write_json
from train_tools.jobs.errand import Errand, launch_of
from train_tools.jobs.kind import Launch, last_attempt
from train_tools.model.grid import SHORT_NAMES
from train_tools.model.job import Job, NewJob
from train_tools.model.paths import OutputsPaths, RunPaths
from train_tools.model.settings import CopySettings, UserSettings, WhichCheckpoints
from train_tools.runs.checkpoints import checkpoints_of
from train_tools.runs.record import read_record

COPY = "copy"
PROCESS = "train_tools.follow_ups.copy_process"
REQUEST_NAME = "copies.json"
FORMAT = 1
LONGEST_SUFFIX_BYTES = 80
STOP_GRACE_S = 20.0


@dataclass(frozen=True, kw_only=True)
class WantedCopy:
    source: str
    name: str
    """The name it gets, unless another file has it."""


def copy_job(outputs: OutputsPaths, training: Job) -> NewJob:
    """The job that follows a finished training."""
    run = RunPaths(outputs.folder / training.folder)
    return NewJob(
        kind=COPY,
        title=f"{training.title}: copies",
        folder=run.copies.relative_to(outputs.folder).as_posix(),
        subject={"grid": training.subject.get("grid", "")},
        attempt=last_attempt(run.copies),
        priority=training.priority,
    )


class CopyJob(Errand):
    """JobKind `copy`. Where to is asked when it begins: a folder that was mended counts at the next try."""

    name = COPY

    def __init__(self, settings: Callable[[], UserSettings]) -> None:
        self._settings = settings

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        copies = self._settings().copies
        if not copies.folder:
            raise NotFoundError(
                "No folder for copies is set any more. Set one with `train-tools settings copies.folder=...` and "
                "retry."
            )
        wanted = [asdict(copy) for copy in wanted_copies(RunPaths(folder.parent), copies)]
        if not wanted:
            raise NotFoundError("The run has no checkpoint any more that could be copied.")
        request = attempt.folder / REQUEST_NAME
        write_json(request, {"format": FORMAT, "folder": str(copies.place), "copies": wanted})
        return launch_of(PROCESS, attempt, request, STOP_GRACE_S)


def wanted_copies(run: RunPaths, copies: CopySettings) -> list[WantedCopy]:
    """The run's checkpoints that are wanted, with names that tell them from those of the grid's other runs."""
    suffix = suffix_of(read_record(run).run.varied)
    return [
        WantedCopy(source=str(checkpoint.path), name=f"{checkpoint.name}{suffix}{checkpoint.path.suffix}")
        for checkpoint in checkpoints_of(run)
        if checkpoint.final or copies.checkpoints is WhichCheckpoints.ALL
    ]


def suffix_of(varied: Mapping[str, Any]) -> str:
    """What a run varies, as the end of a file name that can stand in a prompt; empty for a single run."""
    parts = [f"{SHORT_NAMES.get(key, key)}-{_word(value)}" for key, value in varied.items()]
    text = re.sub(r"[^\w\-+]+", "_", "-".join(parts)).strip("_")
    cut = text.encode("utf-8")[:LONGEST_SUFFIX_BYTES].decode("utf-8", "ignore").rstrip("_-")
    return f"-{cut}" if cut else ""


def read_request(file: Path) -> tuple[Path, list[WantedCopy]]:
    """The folder and what is to be put there. Raises StorageError."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        return Path(fields["folder"]), [WantedCopy(**copy) for copy in fields["copies"]]
    except OSError as error:
        raise StorageError(f"Could not read {file}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{file} does not say what to copy ({error}). Start the job again.") from error


def _word(value: Any) -> str:
    """A value as part of a name; of a path only the file."""
    if isinstance(value, tuple):
        return "_".join(map(_word, value))
    text = str(value)
    return PurePath(text.replace("\\", "/")).stem if "/" in text or "\\" in text else text
