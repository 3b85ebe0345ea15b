"""What is not the same about two runs by their records and machines; and about a run's surroundings and those of
now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from train_tools.jobs.kind import attempts_in
from train_tools.model.difference import Change, Difference
from train_tools.model.grid import canonical
from train_tools.model.paths import RunPaths
from train_tools.model.provenance import Machine, Provenance
from train_tools.options.bundled import bundled_options
from train_tools.runs.machine import read_machine
from train_tools.runs.record import RunRecord, read_record

BASE_MODEL = "pretrained_model_name_or_path"
HEX_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is written down about a run, and about the newest attempt at it."""

    record: RunRecord
    machine: Machine | None

    @classmethod
    def of(cls, run: RunPaths) -> RunFacts:
        machines = [read_machine(attempt) for attempt in reversed(attempts_in(run.folder))]
        return cls(record=read_record(run), machine=next(filter(None, machines), None))

    @property
    def made_with(self) -> Provenance | None:
        """What the attempt had; before there is one, what was there when the run was queued."""
        return self.machine.made_with if self.machine else self.record.made_with

    @property
    def gap(self) -> tuple[str, ...]:
        """What is not known, in words."""
        name = self.record.run.name
        return () if self.made_with else (f"what {name} was made with is not written down (format 1)",)


def difference_of(before: RunFacts, after: RunFacts, dataset: tuple[Change, ...] = ()) -> Difference:
    """What differs between two runs. `dataset` are the changes of files, where both lists of files are there."""
    notes = [*before.gap, *after.gap]
    if before.record.run.spec.dataset != after.record.run.spec.dataset and not dataset:
        notes.append("the datasets differ, but which files is not written down for both")
    return Difference(
        options=tuple(_options(before.record, after.record)),
        dataset=dataset,
        code=tuple(_code(before, after)),
        packages=tuple(_packages(before.made_with, after.made_with)),
        machine=tuple(_machine(before.machine, after.machine)),
        notes=tuple(notes),
    )


def surroundings_changed(run: RunFacts, contract: int | str, now: Provenance) -> Difference:
    """What is not as it was when the run was made. The machine is not asked about: that of the next attempt is not
    known yet."""
    contracts = _changes({"contract": run.record.run.spec.contract}, {"contract": contract})
    return Difference(
        code=(*contracts, *_programs(run.made_with, now)),
        packages=tuple(_packages(run.made_with, now)),
        notes=run.gap,
    )


def _options(before: RunRecord, after: RunRecord) -> Iterator[Change]:
    """Options whose values differ, defaults filled in. The base model counts by what is in it."""
    first, second = before.run.options, after.run.options
    for name in sorted({*first, *second} - {BASE_MODEL}):
        if canonical(_value(name, first)) != canonical(_value(name, second)):
            yield Change(what=name, before=_shown(name, first), after=_shown(name, second))
    if before.run.spec.base_model != after.run.spec.base_model:
        yield Change(what=BASE_MODEL, before=_base_model(before), after=_base_model(after))


def _value(name: str, options: Mapping[str, Any]) -> Any:
    known = bundled_options().get(name)
    return options.get(name, known.spec.default if known else None)


def _shown(name: str, options: Mapping[str, Any]) -> str:
    value = _value(name, options)
    text = "not set" if value is None else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if name in options or value is None else f"{text} (default)"


def _base_model(record: RunRecord) -> str:
    return f"{record.run.base_model} ({record.run.spec.base_model[:HEX_SHOWN]})"


def _code(before: RunFacts, after: RunFacts) -> Iterator[Change]:
    specs = before.record.run.spec, after.record.run.spec
    yield from _changes(*({"engine": spec.engine, "contract": spec.contract} for spec in specs))
    yield from _programs(before.made_with, after.made_with)


def _programs(before: Provenance | None, after: Provenance | None) -> Iterator[Change]:
    if before is None or after is None:
        return
    yield from _changes(*({"Train Tools": made.train_tools, "Python": made.python} for made in (before, after)))
    if before.engine_sha256 != after.engine_sha256:
        yield Change(what="trainer's code", before=_edition(before), after=_edition(after))


def _edition(made: Provenance) -> str:
    commit = f", commit {made.engine_commit[:HEX_SHOWN]}" if made.engine_commit else ""
    return f"sha256 {made.engine_sha256[:HEX_SHOWN]}{commit}"


def _packages(before: Provenance | None, after: Provenance | None) -> Iterator[Change]:
    if before is not None and after is not None:
        yield from _changes(before.packages, after.packages)


def _machine(before: Machine | None, after: Machine | None) -> Iterator[Change]:
    if before is not None and after is not None:
        yield from _changes(_facts(before), _facts(after))


def _facts(machine: Machine) -> dict[str, object]:
    gpu = machine.gpu
    return {
        "device": "cpu" if machine.slot.startswith("cpu") else "gpu",
        "card": gpu.name if gpu else "",
        "driver": gpu.driver if gpu else "",
        "system": machine.system,
        "architecture": machine.architecture,
        "processors": machine.processors,
        "threads": machine.threads,
    }


def _changes(before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Change]:
    """Keys whose values differ, as text."""
    for name in sorted({*before, *after}):
        first, second = str(before.get(name, "")), str(after.get(name, ""))
        if first != second:
            yield Change(what=name, before=first, after=second)
