"""Single runs: what sets them apart, the command that trains one, the same run once more. A run is asked for by
its job's number, the name of its folder, or its path below the outputs folder."""

from __future__ import annotations

from math import isfinite

from fastapi import APIRouter

from train_tools.app import App
from train_tools.model.difference import Change, Comparison, Difference
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
