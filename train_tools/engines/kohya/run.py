"""One attempt of kohya's scripts as its console tells it: what is said becomes events, and finished files are
brought where the app looks for them, under the steps they really are of.

A script that goes on in a later epoch counts from the beginning of that epoch (measured), in its bar, in the
names of its files and in the states it saves. What it is told to go on from is the truth, and the difference is
added.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path

from sd_contract.attempt import Attempt
from sd_contract.errors import CheckpointError
from sd_contract.events import CheckpointSaved, Event, PhaseStarted, StepDone, Warned
from sd_contract.output.dataset_facts import TAG_LIST_HEADER
from sd_contract.tensors.tensor_files import copy_with_metadata, verify_safetensors
from train_tools.engines.kohya.console import (
    Bar,
    Complaint,
    EpochBegan,
    Measure,
    Other,
    Phase,
    Removed,
    Said,
    Saving,
    StateSaved,
)
from train_tools.engines.kohya.states import Measures, is_whole, keep, step_of
from train_tools.files import link_or_copy, write_json, write_text

MOST_COMPLAINTS = 20
MOST_STEPS_AT_NAN = 20
SUFFIX = ".safetensors"
MADE = "kohya"
"""The folder of an attempt that goes on from a state, where the script writes under its own steps."""
_STEP_NAME = re.compile(r"(?P<stem>.*)-step(?P<step>\d{8})\.safetensors", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What an attempt is about; `kohya.json` in its folder."""

    checkout: str
    output_name: str
    made: str
    """Where the script writes. Another folder than `output` when it goes on from a state: it may then call its
    files by other steps than they are of."""
    output: str
    """Where the app looks for checkpoints."""
    states: str
    from_step: int = 0
    earlier_files: tuple[str, ...] = ()
    """Checkpoints that earlier attempts had saved by then; they are the run's too."""
    token: str = ""
    ends_at_nan: bool = True
    keeps_last_state: bool = False
    """The user asked for a state of the end (`save_state_on_train_end`)."""
    notes: tuple[str, ...] = ()
    """What the user should know, said at the beginning."""
    format: int = 1


def write_task(attempt: Path, task: Task) -> None:
    write_json(attempt / "kohya.json", asdict(task))


def read_task(attempt: Attempt) -> Task:
    fields = json.loads((attempt.folder / "kohya.json").read_text(encoding="utf-8"))
    lists = {name: tuple(fields[name]) for name in ("notes", "earlier_files")}
    return Task(**{**fields, **lists})


def let_go_of_what_was_made(task: Task, attempts: Path) -> None:
    """Of a run that is done: the script's own states, of which each is several times a checkpoint, and files that
    it called by other steps. Nothing goes on from them; a state of the end stays where the user asked for one."""
    last = Path(task.made) / f"{task.output_name}-state"
    for folder in (found for tried in attempts.iterdir() for found in (tried / "out", tried / MADE)):
        for state in folder.glob(f"{escape(task.output_name)}*-state"):
            if not (task.keeps_last_state and state == last):
                shutil.rmtree(state, ignore_errors=True)
    for folder in attempts.glob(f"*/{MADE}"):
        for file in folder.glob(f"*{SUFFIX}"):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()


@dataclass(frozen=True)
class _Announced:
    """A file that was about to be written at a step."""

    file: Path
    step: int
    epoch: int


class KohyaRun:
    """Takes what the console says. `emit` gets the events."""

    def __init__(self, task: Task, emit: Callable[[Event], None]) -> None:
        self._task = task
        self._emit = emit
        self.step = task.from_step
        self.total_steps = 0
        self.epoch = 0
        self.files = list(task.earlier_files)
        """The run's checkpoints, oldest first."""
        self.kept_step: int | None = None
        """Where the newest state is that can be gone on from."""
        self.saving = False
        self._shift = 0
        """What is added to the script's own counting."""
        self._told = True
        self._average: float | None = None
        self._steps_at_nan = 0
        self._announced: _Announced | None = None
        self._late: list[_Announced] = []
        self._measures: dict[str, int] = {}
        self._phase = ""
        self._complaints: set[str] = set()

    @property
    def from_step(self) -> int:
        return self._task.from_step

    @property
    def final_file(self) -> str:
        return f"{self._task.output_name}{SUFFIX}"

    @property
    def is_whole(self) -> bool:
        """Whether the final checkpoint lies there, verified."""
        return self.final_file in self.files

    @property
    def is_hopeless(self) -> bool:
        """The loss has been no number for so long that what is trained is none either."""
        return self._task.ends_at_nan and self._steps_at_nan >= MOST_STEPS_AT_NAN

    def take(self, said: Said) -> None:
        if not isinstance(said, Complaint | Other):
            self._bring_announced()
        match said:
            case Bar():
                self._count(said)
            case EpochBegan(epoch):
                self.epoch = epoch
            case Saving(file):
                self._tell_step(None)
                self.saving = True
                self._announced = _Announced(file, self.step, self.epoch)
            case Removed(file):
                self._let_go(file)
            case StateSaved(folder):
                self._keep(folder)
            case Measure(name, number):
                self._measures[name] = number
                self.total_steps = self._measures.get("total", 0)
            case Phase(name):
                self.saving = name.startswith("saving")
                self._begin(name)
            case Complaint(text):
                self._warn(text)

    def settle(self) -> None:
        """The script has ended: what it was about to write is there now or never."""
        self._tell_step(self._average)
        self._bring_announced()
        late, self._late = self._late, []
        for announced in late:
            self._bring(announced)
        for announced in self._late:
            self._emit(Warned(f"{announced.file.name} was not written whole and is left out."))

    def _count(self, bar: Bar) -> None:
        self.saving = False
        if self._task.from_step:
            self._shift = self._task.from_step - (self.total_steps - bar.total)
        step = self._task.from_step + bar.done
        if step > self.step:
            self._tell_step(self._average)
            self.step, self._told, self._average = step, False, bar.average
        elif bar.done:
            self._average = bar.average
            self._tell_step(bar.average)

    def _tell_step(self, average: float | None) -> None:
        """The bar is drawn when a step is done and once more with the new average: a step is told the second time,
        or when something else comes between."""
        if self._told:
            return
        self._told = True
        self._phase = ""
        is_number = average is None or math.isfinite(average)
        self._steps_at_nan = 0 if is_number else self._steps_at_nan + 1
        if self._steps_at_nan == 1:
            self._warn(f"The loss became no number at step {self.step}.")
        self._emit(
            StepDone(
                step=self.step,
                total_steps=max(self.total_steps, self.step),
                epoch=self.epoch,
                loss=average if is_number else None,
            )
        )

    def _bring_announced(self) -> None:
        announced, self._announced = self._announced, None
        if announced is not None:
            self._bring(announced)

    def _bring(self, announced: _Announced) -> None:
        """Puts a whole file where the app looks for it; one that isn't whole yet has to wait."""
        name, step = self._true_name(announced.file.name, announced.step)
        target = Path(self._task.output) / name
        try:
            metadata = verify_safetensors(announced.file).metadata
        except CheckpointError:
            self._late.append(announced)
            return
        try:
            if target == announced.file:
                pass  # the script writes where the app looks
            elif self._shift:
                counted = int(metadata.get("ss_steps", announced.step - self._shift))
                copy_with_metadata(announced.file, target, {**metadata, "ss_steps": str(counted + self._shift)})
            else:
                link_or_copy(announced.file, target)
            self._list_tags(metadata.get("ss_tag_frequency", ""))
        except OSError as error:
            self._emit(Warned(f"{name} could not be put into {target.parent}: {error.strerror or error}."))
            self._late.append(announced)
            return
        self.files = [*(file for file in self.files if file != name), name]
        self._emit(CheckpointSaved(file=name, step=step, epoch=announced.epoch))

    def _true_name(self, name: str, step: int) -> tuple[str, int]:
        numbered = _STEP_NAME.fullmatch(name)
        if numbered is None:
            return name, step
        step = int(numbered["step"]) + self._shift
        return f"{numbered['stem']}-step{step:08d}{SUFFIX}", step

    def _let_go(self, file: Path) -> None:
        self._late = [announced for announced in self._late if announced.file != file]
        name, _ = self._true_name(file.name, 0)
        (Path(self._task.output) / name).unlink(missing_ok=True)
        self.files = [kept for kept in self.files if kept != name]

    def _keep(self, folder: Path) -> None:
        """A state that was saved when all was trained is of no use: there is nothing to go on to."""
        self.saving = False
        if not is_whole(folder) or not {"total", "batches"} <= set(self._measures):
            return
        step = step_of(folder) + self._shift
        if step >= self.total_steps:
            return
        measures = Measures(
            total_steps=self._measures["total"],
            batches=self._measures["batches"],
            accumulation=self._measures.get("accumulation", 1),
        )
        try:
            keep(
                folder,
                Path(self._task.states),
                step=step,
                epoch=self.epoch,
                checkpoints=self.files,
                measures=measures,
                token=self._task.token,
            )
        except OSError as error:
            self._warn(f"The state of step {step} could not be kept: {error.strerror or error}.")
            return
        self.kept_step = step

    def _list_tags(self, frequency: str) -> None:
        """The list of tags that lies beside a run's files (S1-47)."""
        file = Path(self._task.output) / f"{self._task.output_name}.txt"
        if file.exists():
            return
        total = Counter[str]()
        try:
            for counted in json.loads(frequency or "{}").values():
                total.update({str(tag): int(count) for tag, count in counted.items()})
        except (ValueError, TypeError, AttributeError):
            return
        ranked = sorted(total.items(), key=lambda entry: (-entry[1], entry[0]))
        write_text(file, "\n".join((TAG_LIST_HEADER, *(f"[{count}] {tag}" for tag, count in ranked), "")))

    def _begin(self, phase: str) -> None:
        if phase != self._phase:
            self._phase = phase
            self._emit(PhaseStarted(phase))

    def _warn(self, text: str) -> None:
        if text not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(text)
            self._emit(Warned(text))
