"""What the command line prints: sentences, tables, JSON, live progress. Names and messages are always text, never
markup."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from train_tools.model.failure import NextStep
from train_tools.model.finding import Level
from train_tools.model.grid import BUNDLED

if TYPE_CHECKING:
    from train_tools.app import App
    from train_tools.model.dataset import Rejected
    from train_tools.model.failure import Failure
    from train_tools.model.finding import Finding, Section
    from train_tools.model.job import Job, QueueState
    from train_tools.model.plan import Plan, Submission
    from train_tools.model.preflight import Preflight

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)
STATE_STYLES = {"done": "green", "failed": "red", "running": "cyan", "starting": "cyan", "cancelled": "yellow"}
LEVEL_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.STOP: "red"}
POLL_S = 0.25
MOST_NAMED = 3
"""Runs that a finding names."""
MOST_LISTED = 20
"""More files are told by what they have in common."""
WORTH_SAYING_S = 5.0


def say(sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style))


def complain(sentence: str) -> None:
    complaints.print(Text(sentence, style="red"))


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=1) + "\n")


def plain(value: Any) -> Any:
    """A value of ours as JSON holds it: paths and dates as text, dataclasses as objects."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], title: str = "") -> None:
    table = Table(title=Text(title) if title else None, title_justify="left", show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console.print(table)


def state_text(state: str) -> Text:
    return Text(state, style=STATE_STYLES.get(state, ""))


def print_sections(sections: Iterable[Section]) -> None:
    """Findings under their titles, each with what to do where there is something to do."""
    for section in sections:
        say(section.title, "bold")
        print_findings(section.findings)


def print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        about = f"  ({_some_of(finding.runs)})" if finding.runs else ""
        console.print(
            Text(f"  {finding.level:8}", LEVEL_STYLES[finding.level])
            .append(finding.message, "default")
            .append(about, "dim")
        )
        if finding.cure:
            say(f"{'':10}{finding.cure}", "dim")


def _some_of(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - MOST_NAMED:,} more" if len(runs) > MOST_NAMED else ""
    return f"{', '.join(runs[:MOST_NAMED])}{more}"


def print_preflight(preflight: Preflight) -> None:
    print_findings(preflight.findings)
    stops, warnings = len(preflight.stops), len(preflight.warnings)
    if stops:
        say(f"{stops} to be put right first, {warnings} more to be looked at.", "red")
    else:
        say(f"Ready; {warnings} to be looked at." if warnings else "Ready.", "yellow" if warnings else "green")


def print_concerns(preflight: Preflight) -> None:
    """What of a pre-flight somebody should know who submits the grid."""
    print_findings((*preflight.stops, *preflight.warnings))


def preflight_object(preflight: Preflight) -> dict[str, Any]:
    """A pre-flight as `--json` prints it."""
    return {"level": preflight.level.value, "findings": plain(preflight.findings)}


def size_text(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def time_text(seconds: float | None) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def ago_text(moment: float | None) -> str:
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M") if moment else ""


def plan_object(plan: Plan) -> dict[str, Any]:
    """A plan as `--json` prints it."""
    return {
        "project": plan.project,
        "version": plan.version,
        "engine": plan.engine,
        "runs": [
            {
                "name": entry.run.name,
                "label": entry.run.label,
                "fingerprint": entry.run.spec.fingerprint,
                "varied": plain(entry.run.varied),
                "options": plain(entry.run.options),
                "steps": entry.steps,
                "epochs": entry.epochs,
                "checkpoints": entry.checkpoints,
                "done": entry.done,
                "left_out": entry.left_out,
            }
            for entry in plan.runs
        ],
        "total_runs": plan.total,
        "total_steps": plan.steps,
        "images": plan.images,
        "pictures": plan.pictures,
        "seconds": plan.seconds,
        "seconds_from": plan.seconds_from,
        "disk_bytes": plan.disk_bytes,
        "free_bytes": plan.free_bytes,
        "notes": list(plan.notes),
        "warnings": list(plan.warnings),
    }


MOST_ROWS = 60
"""Of a plan; nobody reads more."""


def print_plan(plan: Plan) -> None:
    print_table(
        ("", "run", "steps", "epochs", "checkpoints"),
        [
            (
                Text("done", style="green") if entry.done else "left out" if entry.left_out else str(number),
                entry.run.label,
                f"{entry.steps:,}",
                str(entry.epochs),
                str(entry.checkpoints),
            )
            for number, entry in enumerate(plan.runs[:MOST_ROWS], start=1)
        ],
    )
    if plan.total > min(MOST_ROWS, len(plan.runs)):
        say(f"... and {plan.total - min(MOST_ROWS, len(plan.runs)):,} more.")
    for note in (*plan.notes, *plan.warnings):
        say(f"Note: {note}", "yellow")
    count = plan.runs_to_train
    if plan.engine != BUNDLED:
        say(f"Trainer: {plan.engine}.")
    say(
        f"{count:,} run{'s' * (count != 1)} to train on {plan.images} images: {plan.steps:,} steps, "
        f"about {time_text(plan.seconds)} ({plan.seconds_from}), {plan.pictures} previews, "
        f"{size_text(plan.disk_bytes)} of {size_text(plan.free_bytes)} free."
    )
    if plan.disk_bytes > plan.free_bytes:
        say("That is more than the disk has: save fewer checkpoints, or free some space first.", "yellow")


def print_submission(submission: Submission) -> None:
    if submission.jobs:
        count = len(submission.jobs)
        say(f"{submission.grid}: {count} job{'s' * (count > 1)} queued, the first as #{submission.ahead + 1}.")
    if submission.already:
        say(f"{submission.grid}: {len(submission.already)} of its runs are done or queued already.")


def job_sentence(job: Job) -> str:
    """How a job that does not run stands: "queued as #3, not before 2026-10-15 23:30"."""
    words = [f"queued as #{job.place}" if job.place else str(job.state)]
    if job.not_before:
        words.append(f"not before {ago_text(job.not_before)}")
    if job.priority:
        words.append(f"priority {job.priority}")
    return ", ".join(words)


def print_queue(queue: QueueState) -> None:
    """One line about the whole."""
    if queue.paused:
        because = f" ({queue.reason})" if queue.reason else ""
        say(f"The queue is paused{because}; `train-tools queue resume` lets it go on.", "yellow")
    elif queue.reason:
        say(queue.reason, "yellow")
    left = f", about {time_text(queue.seconds_left)} left" if queue.seconds_left is not None else ""
    say(f"{queue.active} running, {queue.waiting} waiting{left}.")


def print_jobs(jobs: Sequence[Job], now: float) -> None:
    print_table(
        ("job", "state", "", "what", "progress", "loss", "time", ""),
        [
            (
                str(job.id),
                state_text("stopping" if job.wish else job.state),
                _place_of(job),
                job.title,
                f"{job.step}/{job.total_steps}" if job.total_steps else "",
                f"{job.loss:.4f}" if job.loss is not None else "",
                _time_of(job, now),
                job.phase or job.message,
            )
            for job in jobs
        ],
    )


def _place_of(job: Job) -> str:
    """`#3`, and what is unusual about it: `#3 +5`, `#3 at 2026-10-15 23:30`."""
    place = f"#{job.place}" if job.place else ""
    priority = f"{job.priority:+}" if job.priority and not job.state.finished else ""
    at = f"at {ago_text(job.not_before)}" if job.not_before else ""
    return " ".join(filter(None, (place, priority, at)))


NEXT_COMMANDS = {
    NextStep.RETRY: "train-tools retry {job}",
    NextStep.LESS_MEMORY: "train-tools less-memory {job}",
    NextStep.SUGGEST: "train-tools suggest {job} --because not-a-number",
    NextStep.CLONE: "train-tools clone {job} --set NAME=VALUE",
}
"""How each step is taken here."""


def print_failure(failure: Failure) -> None:
    """Why a job failed and what to do, on stderr: stdout is its log."""
    code = "not known" if failure.exit_code is None else failure.exit_code
    complain(f"Attempt {failure.attempt} failed (exit code {code}): {failure.diagnosis.happened}")
    if failure.message and failure.message != failure.diagnosis.happened:
        complaints.print(Text(f"It says: {failure.message}"))
    complaints.print(Text(failure.diagnosis.advice))
    for step in failure.diagnosis.next_steps:
        complaints.print(Text(f"  {NEXT_COMMANDS[step].format(job=failure.job)}"))


def _time_of(job: Job, now: float) -> str:
    left = job.seconds_left(now)
    if left is not None:
        return f"{time_text(left)} left"
    if job.started_at and job.finished_at:
        return time_text(max(0.0, job.finished_at - job.started_at))
    return ""


@contextmanager
def counting(description: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for work that reports (done, total), and how long the rest will take."""
    began = time.monotonic()
    with _bars() as bars:
        bar = bars.add_task(description, total=None, note="")

        def count(done: int, total: int) -> None:
            left = (time.monotonic() - began) / max(1, done) * (total - done)
            note = f"{time_text(left)} left" if left >= WORTH_SAYING_S else ""
            bars.update(bar, completed=done, total=total, note=note)

        yield count


def say_left_out(rejected: Sequence[Rejected], listed_in: Path | None = None) -> None:
    """What was not taken: one line each, or of many one for each reason."""
    if len(rejected) <= MOST_LISTED:
        for each in rejected:
            say(f"Left out: {each.source}: {each.reason}", "yellow")
        return
    for gist, count in Counter(each.gist for each in rejected).most_common():
        first = next(each for each in rejected if each.gist == gist)
        say(f"Left out: {count}, because {gist}; {first.source}, say.", "yellow")
    if listed_in is not None:
        say(f"All of them are listed in {listed_in}", "yellow")


class LiveJobs:
    """Bars of active jobs, drawn from the queue by a thread of its own until it is left."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._bars = _bars()
        self._tasks: dict[int, TaskID] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> LiveJobs:
        self._bars.start()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)
        self._bars.stop()

    def say(self, sentence: str) -> None:
        self._bars.console.print(Text(sentence))

    def _draw(self) -> None:
        while not self._ended.wait(POLL_S):
            jobs = {job.id: job for job in self._app.jobs.queue.active()}
            for id_, job in jobs.items():
                if id_ not in self._tasks:
                    self._tasks[id_] = self._bars.add_task(job.title, total=None, note="")
                self._bars.update(
                    self._tasks[id_],
                    completed=job.step,
                    total=job.total_steps if job.step else None,
                    note=job.phase or _time_of(job, time.time()),
                )
            for id_ in [id_ for id_ in self._tasks if id_ not in jobs]:
                self._bars.remove_task(self._tasks.pop(id_))


class _PlainText(TextColumn):
    """A text column that takes no markup."""

    def __init__(self, field: str) -> None:
        super().__init__("", markup=False)
        self._field = field

    def render(self, task: Any) -> Text:
        text = task.description if self._field == "description" else task.fields.get(self._field, "")
        return Text(str(text))


def _bars() -> Progress:
    return Progress(
        SpinnerColumn(),
        _PlainText("description"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        _PlainText("note"),
        console=console,
        transient=True,
    )
