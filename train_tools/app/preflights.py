"""Pre-flights: everything that is looked at before a grid takes the machine for a night."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from sd_contract.errors import ContractError, DatasetError, OptionError
from train_tools.app.readings import MOST_PLANNED, Counted, Reading
from train_tools.errors import (
    BaseModelNotUsableError,
    DatasetNotUsableError,
    EngineNotUsableError,
    NotFoundError,
    OptionValueError,
    PreflightError,
    TrainToolsError,
)
from train_tools.health.graphics import devices, processor
from train_tools.jobs.slots import slots_of_this_machine
from train_tools.memory.estimate import MemoryEstimate
from train_tools.memory.probe import STEPS, Probe
from train_tools.model.device import Device
from train_tools.model.finding import Finding, Level
from train_tools.model.plan import MemoryNeed, Plan, PlannedRun
from train_tools.model.preflight import Preflight
from train_tools.preflight.checks import found_in
from train_tools.preflight.memory import estimates
from train_tools.preflight.prospect import Candidate, Prospect

SUBJECTS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((OptionValueError, OptionError), "options"),
    ((BaseModelNotUsableError,), "base model"),
    ((DatasetNotUsableError, DatasetError), "images"),
    ((EngineNotUsableError, NotFoundError), "trainer"),
)
"""What an error that keeps a grid from being planned is about."""


class Preflights:
    """`family_of` knows base models, `device` what is trained on, `compiles`
    whether PyTorch compiles for a trainer, `of_dataset` what was seen of a version's images."""

    def __init__(
        self,
        family_of: Callable[[str], str],
        device: Callable[[], Device],
        compiles: Callable[[str], Finding],
        of_dataset: Callable[[Candidate], Iterable[Finding]],
    ) -> None:
        self._family_of = family_of
        self._device = device
        self._compiles = compiles
        self._of_dataset = of_dataset

    def of(self, reading: Reading, counted: Counted, plan: Plan) -> Preflight:
        return Preflight.of(self._findings(reading, counted, plan), (run.name for run in reading.runs))

    def refused(self, error: TrainToolsError | ContractError) -> Preflight:
        """That of a grid which can't even be planned."""
        return Preflight(findings=(_refusal(error),))

    def hungriest(self, reading: Reading, plan: Plan) -> Candidate:
        """Of the runs that are to be trained, the one that takes most memory. Raises NotFoundError without one."""
        prospect = self._prospect(reading, plan)
        if not prospect.candidates:
            raise NotFoundError("There is nothing to try: all runs of this grid are done.")
        return max(estimates(prospect), key=lambda found: _bytes(found[1]))[0]

    def memory(self, reading: Reading, plan: Plan) -> MemoryNeed | None:
        """What the run takes that takes most; None where nothing is to be trained or nothing can be told."""
        prospect = self._prospect(reading, plan)
        found = [needed for _, needed in estimates(prospect) if needed is not None]
        if not found:
            return None
        most, device = max(found, key=_bytes), prospect.device
        return MemoryNeed(
            device=device.name,
            bytes=most.bytes,
            free_bytes=device.free_bytes,
            total_bytes=device.memory_bytes,
            rough=most.rough,
        )

    def _findings(self, reading: Reading, counted: Counted, plan: Plan) -> Iterator[Finding]:
        for run, error in counted.refused:
            yield _refusal(error, run.name)
        yield from found_in(self._prospect(reading, plan))

    def _prospect(self, reading: Reading, plan: Plan) -> Prospect:
        families: dict[Path, str] = {}

        def family_of(base_model: Path) -> str:
            if base_model not in families:
                families[base_model] = self._family_of(str(base_model))
            return families[base_model]

        table = reading.engine.options
        return Prospect(
            plan=plan,
            engine=reading.engine,
            candidates=tuple(
                Candidate(
                    planned=planned,
                    dataset=reading.dataset_of(planned.run),
                    table=table,
                    paths=reading.version.run(planned.run.name),
                )
                for planned in _some(plan.to_train)
            ),
            device=self._device(),
            family_of=family_of,
            compiles=partial(self._compiles, reading.engine.name),
            of_dataset=self._of_dataset,
        )


def tried(probe: Probe, run: str) -> Finding:
    """What came out when a few steps of a run were tried."""
    pace = f", {probe.seconds_per_step:.2g} s a step" if probe.seconds_per_step else ""
    took = f"{STEPS} real steps took {probe.peak_bytes / 1e9:.1f} GB of memory on {probe.device}{pace}."
    if probe.works:
        return Finding(check="trial", level=Level.OK, message=took, runs=(run,))
    return Finding(check="trial", level=Level.STOP, message=f"{took} {probe.message}", runs=(run,))


def _bytes(needed: MemoryEstimate | None) -> int:
    return needed.bytes if needed else 0


def device_trained_on() -> Device:
    """What runs are trained on here: of several cards that may be used, the one with the least memory."""
    chosen = {slot.name for slot in slots_of_this_machine() if slot.is_gpu}
    cards = [device for device in devices() if device.uuid in chosen]
    return min(cards, key=lambda card: card.memory_bytes, default=processor())


def _some(planned: Iterable[PlannedRun]) -> list[PlannedRun]:
    """At most as many as a plan looks at, from all over the grid."""
    runs = list(planned)
    return runs[:: -(-len(runs) // MOST_PLANNED) or 1]


def stopped(preflight: Preflight) -> PreflightError:
    """The error that says what stops a grid, with what to do about it."""
    reasons = " ".join(f"{stop.message} {stop.cure}".strip() for stop in preflight.stops)
    return PreflightError(
        f"The pre-flight stops this grid: {reasons} To train it all the same, say so with --anyway (anyway)."
    )


def _refusal(error: TrainToolsError | ContractError, run: str = "") -> Finding:
    subject = next((subject for kinds, subject in SUBJECTS if isinstance(error, kinds)), "grid")
    return Finding(check=subject, level=Level.STOP, message=str(error), runs=(run,) if run else ())
