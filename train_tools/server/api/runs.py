"""Single runs: what sets them apart, the command that trains one, the same run once more. A run is asked for by
its job's number, the name of its folder, or its path below the outputs folder."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from fastapi import APIRouter
from pydantic import StrictInt

from train_tools.app import App
from train_tools.app.successors import Succession
from train_tools.model.difference import Change, Comparison, Difference
from train_tools.model.expressions import typed
from train_tools.model.suggestion import Symptom
from train_tools.server.answers import Answer, Question
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/runs", tags=["runs"])


class ChangeAnswer(Answer):
    what: str
    before: str
    after: str


class DifferenceAnswer(Answer):
    """Empty lists: nothing differs there."""

    options: tuple[ChangeAnswer, ...]
    dataset: tuple[ChangeAnswer, ...]
    code: tuple[ChangeAnswer, ...]
    packages: tuple[ChangeAnswer, ...]
    machine: tuple[ChangeAnswer, ...]
    notes: tuple[str, ...]


class FileComparisonAnswer(Answer):
    name: str
    equal: bool
    problem: str
    """Why they can't be compared, or empty."""
    largest: float | None
    """The largest absolute difference between two numbers; null where it is not finite."""
    tensor: str
    differing: int
    tensors: int


class ComparisonAnswer(Answer):
    equal: bool
    """To the last bit."""
    sentence: str
    files: tuple[FileComparisonAnswer, ...]


class RunQuestion(Question):
    run: str


class CommandAnswer(Answer):
    command: str
    """For the shell of the machine that the service runs on."""
    notes: tuple[str, ...]


class ReproductionAnswer(Answer):
    job: int
    run: str
    original: str
    surroundings: DifferenceAnswer
    """What is not as it was: with it, equal results can't be promised."""
    notes: tuple[str, ...]


@router.get("/diff")
def diff(run: str, other: str, app: TheApp) -> DifferenceAnswer:
    """What differs between two runs: options, files of the dataset, code, packages, machine."""
    return difference_answer(app.records.difference(own(app, run), own(app, other)))


@router.get("/comparison")
def comparison(run: str, other: str, app: TheApp) -> ComparisonAnswer:
    """How far apart the checkpoints of two runs are, tensor by tensor."""
    return _comparison(app.records.comparison(own(app, run), own(app, other)))


@router.post("/command")
def command(asked: RunQuestion, app: TheApp) -> CommandAnswer:
    """The command that trains the run by hand; writes the files that it reads into a folder of their own."""
    pasted = app.records.command(own(app, asked.run))
    return CommandAnswer(command=pasted.text, notes=pasted.notes)


@router.post("/reproduce", status_code=201)
def reproduce(asked: RunQuestion, app: TheApp) -> ReproductionAnswer:
    """Queues the same run once more in a folder of its own."""
    again = app.successors.reproduce(own(app, asked.run))
    return ReproductionAnswer(
        job=again.job,
        run=again.run.folder.name,
        original=again.original.folder.name,
        surroundings=difference_answer(again.surroundings),
        notes=again.notes,
    )


class CloneQuestion(RunQuestion):
    assignments: Mapping[str, str] = {}
    """Option names with what one would type: one value, or several for several runs."""
    unset: tuple[str, ...] = ()
    """Options that go back to their defaults."""


class ContinueQuestion(Question):
    checkpoint: str
    """The path of a LoRA file in a run's folder."""
    epochs: StrictInt


class SuccessionAnswer(Answer):
    grid: str
    jobs: tuple[int, ...]
    already: tuple[str, ...]
    ahead: int
    says: tuple[str, ...]
    """What was changed, in words."""


class ProposalAnswer(Answer):
    name: str
    value: str
    """As one would type it."""
    reason: str


class SuggestionAnswer(Answer):
    symptom: Symptom
    changes: tuple[ProposalAnswer, ...]
    advice: tuple[str, ...]
    """What no option can do."""


@router.post("/clone", status_code=201)
def clone(asked: CloneQuestion, app: TheApp) -> SuccessionAnswer:
    """Queues the run again with other options, beside the original."""
    return _succession(app.successors.clone(own(app, asked.run), asked.assignments, asked.unset))


@router.post("/less-memory", status_code=201)
def less_memory(asked: RunQuestion, app: TheApp) -> SuccessionAnswer:
    """Queues the run with the next step that takes less memory."""
    return _succession(app.successors.less_memory(own(app, asked.run)))


@router.post("/continue", status_code=201)
def continue_from(asked: ContinueQuestion, app: TheApp) -> SuccessionAnswer:
    """Queues a new run that goes on from a checkpoint's weights."""
    return _succession(app.successors.continue_from(asked.checkpoint, asked.epochs))


@router.get("/suggestion")
def suggestion(run: str, because: Symptom, app: TheApp) -> SuggestionAnswer:
    """What to change in the next run, and why. Queues nothing."""
    suggested = app.successors.suggest(own(app, run), because)
    return SuggestionAnswer(
        symptom=suggested.symptom,
        changes=tuple(
            ProposalAnswer(name=each.name, value=typed((each.value,)), reason=each.reason)
            for each in suggested.changes
        ),
        advice=suggested.advice,
    )


def _succession(made: Succession) -> SuccessionAnswer:
    queued = made.submission
    return SuccessionAnswer(
        grid=queued.grid, jobs=queued.jobs, already=queued.already, ahead=queued.ahead, says=made.says
    )


def own(app: App, asked: str) -> str:
    """The path of a run below the outputs folder. NotFoundError for any other: pages may not look around."""
    return str(app.runs.find_own(asked).paths.folder)


def difference_answer(difference: Difference) -> DifferenceAnswer:
    sections = {name: tuple(map(_change, changes)) for name, changes in difference.sections.items()}
    return DifferenceAnswer(**sections, notes=difference.notes)


def _change(change: Change) -> ChangeAnswer:
    return ChangeAnswer(what=change.what, before=change.before, after=change.after)


def _comparison(comparison: Comparison) -> ComparisonAnswer:
    return ComparisonAnswer(
        equal=comparison.equal,
        sentence=comparison.sentence,
        files=tuple(
            FileComparisonAnswer(
                name=file.name,
                equal=file.equal,
                problem=file.problem,
                largest=file.largest if isfinite(file.largest) else None,
                tensor=file.tensor,
                differing=file.differing,
                tensors=file.tensors,
            )
            for file in comparison.files
        ),
    )
