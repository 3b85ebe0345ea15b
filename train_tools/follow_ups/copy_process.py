"""`python -m train_tools.follow_ups.copy_process COPIES.json`: puts files where they are used."""

from __future__ import annotations

import sys
from pathlib import Path

from sd_contract.attempt import Attempt
from train_tools.follow_ups.copies import WantedCopy, read_request
from train_tools.follow_ups.placing import Placed, place
from train_tools.jobs.errand import Progress, do, note


def work(attempt: Attempt, progress: Progress) -> str:
    """Places one file after the other; what is placed stays when a later one fails."""
    folder, wanted = read_request(Path(sys.argv[1]))
    renamed = []
    for number, copy in enumerate(wanted, start=1):
        placed = place(Path(copy.source), folder, copy.name, stopped=lambda: attempt.stop_requested)
        note(f"{copy.source} -> {placed.path}{' (was there)' if placed.was_there else ''}")
        renamed += _renamed(copy, placed)
        progress(number, len(wanted))
    return " ".join([f"{_count(len(wanted))} in {folder}.", *renamed])


def _renamed(copy: WantedCopy, placed: Placed) -> list[str]:
    if placed.path.name == copy.name:
        return []
    return [f"{copy.name} there is another file, so the copy is called {placed.path.name}."]


def _count(files: int) -> str:
    return "1 checkpoint" if files == 1 else f"{files} checkpoints"


if __name__ == "__main__":
    do(work)
