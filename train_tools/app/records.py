"""What the records of runs tell: what sets two of them apart, how far their results are from each other, and the
command that trains one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from train_tools.app.runs import FoundRun, Runs
from train_tools.app.versions import Versions
from train_tools.datasets.manifests import changes_between, files_of, read_manifest
from train_tools.errors import TrainToolsError
from train_tools.files import storage_error
from train_tools.model.difference import Change, Comparison, Difference
from train_tools.model.paths import OutputsPaths, RunPaths
from train_tools.options.table import engine_options
from train_tools.runs.comparison import compare_runs
from train_tools.runs.differences import RunFacts, difference_of, surroundings_changed
from train_tools.runs.engine import AttemptFiles, Engine, RunFiles
from train_tools.runs.pasted import pasted
from train_tools.runs.provenance import provenance_of
from train_tools.runs.training import output_name

MOST_NAMED = 5
"""Changed files that a sentence names."""


@dataclass(frozen=True, kw_only=True)
class PastedCommand:
    """A command for a person's shell, and what that person should know."""

    text: str
    notes: tuple[str, ...] = ()


class Records:
    """Reads and compares what is written down. Runs are named as `Runs.find` takes them."""

    def __init__(
        self, outputs: OutputsPaths, versions: Versions, runs: Runs, engines: Mapping[str, Engine]
    ) -> None:
        self._outputs = outputs
        self._versions = versions
        self._runs = runs
        self._engines = engines

    def difference(self, before: str, after: str) -> Difference:
        """What differs between two runs: options, files of the dataset, code, packages, machine."""
        one, other = self._runs.find(before), self._runs.find(after)
        return difference_of(
            RunFacts.of(one.paths), RunFacts.of(other.paths), dataset=tuple(_dataset_changes(one, other))
        )

    def comparison(self, before: str, after: str) -> Comparison:
        """How far apart the checkpoints of two runs are, tensor by tensor."""
        return compare_runs(self._runs.find(before).paths, self._runs.find(after).paths)

    def surroundings(self, found: FoundRun) -> Difference:
        """What is not as it was when the run was made, as far as that is known before it is made again."""
        engine = self.engine_of(found)
        return surroundings_changed(RunFacts.of(found.paths), engine.contract, provenance_of(engine))

    def command(self, asked: str, output: Path | None = None) -> PastedCommand:
        """The command that trains the run, for the shell of this system. It reads and writes in a folder of its
        own, or writes to `output`, and leaves the run as it is."""
        found = self._runs.find_own(asked)
        engine = self.engine_of(found)
        dataset = self._versions.trained_on_by(found.version, found.record.run.options)
        base_model, by_hand = Path(found.record.run.base_model), RunPaths(found.paths.by_hand)
        engine.check_base_model(base_model)
        files = AttemptFiles(
            output=output.expanduser().absolute() if output else by_hand.folder / "out",
            states=by_hand.folder / "state",
            resume=None,
            cache=self._outputs.cache,
        )
        try:
            files.output.mkdir(parents=True, exist_ok=True)
            by_hand.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(files.output, error) from error
        engine.write(
            RunFiles(
                paths=by_hand,
                options=engine_options(found.options_to_repeat()),
                base_model=base_model,
                dataset=dataset,
                output_name=output_name(found.version),
            )
        )
        notes = (*self.dataset_changes(found), *seed_notes(found))
        return PastedCommand(text=pasted(engine.launch(by_hand, base_model, files)), notes=notes)

    def dataset_changes(self, found: FoundRun) -> tuple[str, ...]:
        """What has changed in the dataset since the run was queued, in words; nothing where nothing has."""
        dataset = self._versions.trained_on_by(found.version, found.record.run.options)
        if dataset.content == found.record.run.spec.dataset:
            return ()
        then = read_manifest(found.version, found.record.run.spec.dataset)
        if then is None:
            return ("The dataset was changed since; which files is not written down.",)
        now = {file.path: file for file in files_of(dataset)}
        changed = [change.what for change in changes_between(then, now)]
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        return (f"The dataset was changed since: {', '.join(changed[:MOST_NAMED])}{more}.",)

    def engine_of(self, found: FoundRun) -> Engine:
        name = found.record.run.spec.engine
        if name not in self._engines:
            raise TrainToolsError(
                f"The run was made for the trainer {name!r}, which is not installed here. There is: "
                f"{', '.join(self._engines)}."
            )
        return self._engines[name]


def seed_notes(found: FoundRun) -> Iterator[str]:
    """What should be known of a run that was given no seed."""
    if found.record.run.options.get("seed") is None:
        drawn = found.options_to_repeat().get("seed")
        if drawn is None:
            yield "No seed was given, and no checkpoint tells the one that was drawn: the result will be another."
        else:
            yield f"No seed was given; the trainer drew {drawn}, which is given now."


def _dataset_changes(before: FoundRun, after: FoundRun) -> Iterator[Change]:
    """The files that differ, where both datasets were written down."""
    contents = before.record.run.spec.dataset, after.record.run.spec.dataset
    if contents[0] == contents[1]:
        return
    lists = read_manifest(before.version, contents[0]), read_manifest(after.version, contents[1])
    if lists[0] is not None and lists[1] is not None:
        yield from changes_between(lists[0], lists[1])
