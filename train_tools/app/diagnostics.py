"""What goes into a file for whoever is to help, gathered from every room and redacted."""

from __future__ import annotations

import io
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sd_contract.attempt import Attempt
from sd_contract.errors import ContractError
from train_tools.app.engines import Engines
from train_tools.app.health import Health
from train_tools.app.jobs import Jobs
from train_tools.app.settings import Settings
from train_tools.diagnostics.bundle import check_place, pack, write_bundle
from train_tools.diagnostics.redaction import Redaction, redaction_here, without_secrets_in
from train_tools.errors import TrainToolsError
from train_tools.files import last_lines
from train_tools.model.finding import Section
from train_tools.model.job import Job, JobState
from train_tools.model.paths import AttemptPaths, OutputsPaths, RunPaths

MOST_FAILURES = 5
NEWEST_JOBS = 50
LOG_LINES, EVENT_LINES = 400, 100
LONGEST = 200_000
"""Characters of one record; a longer one is cut at its end."""
VARIABLES = (
    "TRAIN_TOOLS_",
    "CUDA_",
    "HIP_",
    "ROCR_",
    "HSA_",
    "NVIDIA_",
    "PYTORCH_",
    "TORCH",
    "HF_",
    "OMP_",
    "PYTHON",
)
"""Beginnings of the names of variables that decide how trainings run."""


class Diagnostics:
    """`train-tools doctor --bundle`."""

    def __init__(
        self,
        outputs: OutputsPaths,
        state_folder: Callable[[], Path],
        *,
        health: Health,
        engines: Engines,
        settings: Settings,
        jobs: Jobs,
    ) -> None:
        self._outputs = outputs
        self._state_folder = state_folder
        self._health = health
        self._engines = engines
        self._settings = settings
        self._jobs = jobs

    @staticmethod
    def place(path: Path) -> Path:
        """Where a bundle can be written. Raises AlreadyExistsError when the file is there, NotFoundError when its
        folder is not."""
        place = path.expanduser().absolute()
        check_place(place)
        return place

    def write(self, path: Path, sections: Sequence[Section]) -> None:
        """Writes the bundle with what the doctor found. Raises what `place` does, and StorageError."""
        write_bundle(path, dict(self._members(sections)), self._redaction())

    def packed(self) -> bytes:
        """The bundle for a download; nothing of registered trainers is run for it."""
        file = io.BytesIO()
        pack(file, dict(self._members(self._health.findings())), self._redaction())
        return file.getvalue()

    def _members(self, sections: Sequence[Section]) -> Iterator[tuple[str, str]]:
        yield "findings.txt", "\n".join(_lines(sections)) + "\n"
        yield "findings.json", _json([asdict(section) for section in sections])
        looks: Mapping[str, Callable[[], Any]] = {
            "environments.json": lambda: [asdict(each) for each in self._health.environments()],
            "trainers.json": lambda: [asdict(state) for state in self._engines.states()],
            "settings.json": lambda: [asdict(setting) for setting in self._settings.all()],
            "environment.json": _variables,
            "queue.json": self._queue,
        }
        for name, look in looks.items():
            yield name, _json(_or_problem(look))
        for job in _or_nothing(self._failed):
            yield from self._failure(job)

    def _queue(self) -> Mapping[str, Any]:
        if not self._outputs.queue.exists():
            return {"jobs": []}
        return {
            "state": asdict(self._jobs.state()),
            "jobs": [asdict(job) for job in self._jobs.all(limit=NEWEST_JOBS)],
        }

    def _failed(self) -> Sequence[Job]:
        """The newest of them."""
        if not self._outputs.queue.exists():
            return ()
        ended = self._jobs.queue.jobs(states=(JobState.FAILED, JobState.LOST))
        return sorted(ended, key=lambda job: (job.finished_at or 0.0, job.id), reverse=True)[:MOST_FAILURES]

    def _failure(self, job: Job) -> Iterator[tuple[str, str]]:
        folder = f"failures/job-{job.id}"
        job_folder = self._outputs.folder / job.folder
        attempt = AttemptPaths.of(job_folder, job.attempt)
        run = RunPaths(job_folder)
        yield f"{folder}/job.json", _json(asdict(job))
        ends = {
            "run.log": _end_of(attempt.log, LOG_LINES),
            "supervisor.log": _end_of(attempt.supervisor_log, LOG_LINES),
            "events.jsonl": _end_of(Attempt(attempt.folder).events, EVENT_LINES),
            **{file.name: _text(file) for file in (attempt.exit, attempt.folder / "result.json", attempt.machine)},
            **{file.name: _text(file) for file in (run.record, run.config, run.dataset)},
        }
        for name, text in ends.items():
            if text:
                yield f"{folder}/{name}", text

    def _redaction(self) -> Redaction:
        return redaction_here(self._secrets())

    def _secrets(self) -> Iterator[str]:
        """What is known to be secret on this machine, besides the environment's."""
        folder = self._state_folder()
        hub = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
        places = (folder / "token", hub / "token", Path(os.environ.get("HF_TOKEN_PATH", hub / "token")))
        yield from filter(None, (_text(place).strip() for place in places))
        try:
            yield from _texts_in(tomllib.loads(_text(folder / "secrets.toml")))
        except tomllib.TOMLDecodeError:
            yield from _text(folder / "secrets.toml").split()


def _lines(sections: Iterable[Section]) -> Iterator[str]:
    for section in sections:
        yield section.title
        for finding in section.findings:
            yield f"  {finding.level:8}{finding.message}"
            if finding.cure:
                yield f"{'':10}{finding.cure}"


def _variables() -> Mapping[str, str]:
    """Those that decide how trainings run."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)}


def _or_problem(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except (TrainToolsError, ContractError, OSError) as error:
        return {"problem": str(error)}


def _or_nothing(look: Callable[[], Sequence[Job]]) -> Sequence[Job]:
    """A queue that can't be read is told in queue.json."""
    try:
        return look()
    except (TrainToolsError, OSError):
        return ()


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)


def _text(file: Path) -> str:
    """A record of ours; "" without one."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text if len(text) <= LONGEST else text[:LONGEST].rpartition("\n")[0] + "\n(cut)\n"


def _end_of(log: Path, lines: int) -> str:
    """Whole lines alone: the rest of a secret that was cut off would not be known for one."""
    text = last_lines(log, lines)
    try:
        cut = log.stat().st_size > len(text.encode("utf-8", "replace"))
    except OSError:
        return ""
    return text.partition("\n")[2] if cut else text


def _json(value: Any) -> str:
    return json.dumps(without_secrets_in(value), ensure_ascii=False, indent=1, default=str) + "\n"
