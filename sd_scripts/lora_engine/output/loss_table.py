"""Writes the losses and learning rates of a run as a table (CSV), as TrainTrain does: a few facts of the run, a
head, a row for each step."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lora_engine.output.reporting import Reporter
from sd_contract.curves import LOSS, RATES
from sd_contract.options import Settings
from sd_contract.steps import StepPlan

SUFFIX = ".csv"


class LossTable:
    """The table of one start of a run. One that can't be written is a warning: the training is worth more."""

    def __init__(self, file: Path, settings: Settings, plan: StepPlan, reporter: Reporter) -> None:
        self._file = file
        self._reporter = reporter
        self._has_head = False
        facts = (
            ("network_dim", settings.rank),
            ("network_alpha", settings.alpha),
            ("learning_rate", settings.optimizer.learning_rate),
            ("max_train_steps", plan.total_steps),
            ("lr_scheduler", settings.optimizer.lr_scheduler),
            ("optimizer_type", settings.optimizer.optimizer),
            ("mode", settings.mode),
            ("output_name", settings.output.output_name or ""),
        )
        self._append(facts, mode="w")

    def add(self, place: int, values: Mapping[str, float]) -> None:
        """Adds the row of a step; other points than a step's have no place here."""
        if LOSS not in values:
            return
        rates = {name: value for name, value in values.items() if name.startswith(RATES)}
        head = [] if self._has_head else [("Step", "Loss", *(name.removeprefix(RATES) for name in rates))]
        self._has_head = True
        self._append([*head, (place, values[LOSS], *rates.values())])

    def close(self) -> None:
        """Every row is in the file already."""

    def _append(self, rows: Iterable[Sequence[object]], mode: str = "a") -> None:
        try:
            with self._file.open(mode, encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        except OSError as error:
            self._reporter.warn(
                f"{self._file} can't be written: {error.strerror}. The training goes on without it."
            )
