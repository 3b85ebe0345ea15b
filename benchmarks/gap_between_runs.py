"""How long the queue itself takes between two jobs: from the end of one's process to the start of the next one's.

    python benchmarks/gap_between_runs.py [--jobs 20]

Each job is a Python that writes down when it began and ended. What it costs to start that Python is measured
beside it and taken off. Prints a table and writes benchmarks/results/gap_between_runs.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.jobs.kind import Exit, Launch
from train_tools.jobs.queue import Queue
from train_tools.jobs.worker import Worker
from train_tools.model.job import Job, JobState, NewJob, Verdict

CLOCKED = "import sys, time; print(time.time(), time.time(), file=open(sys.argv[1], 'w'))"
MOST_S = 0.5


class Clocked:
    """A job that only writes down its times."""

    name = "clocked"

    def prepare(self, job: Job, folder: Path, attempt: Attempt) -> Launch:
        return Launch(command=(sys.executable, "-S", "-c", CLOCKED, str(folder / "times")), folder=folder)

    def observe(self, job: Job, folder: Path, attempt: Attempt, event: Event) -> None:
        """It has no events."""

    def judge(self, job: Job, folder: Path, attempt: Attempt, exit_: Exit, result: Result | None) -> Verdict:
        return Verdict(state=JobState.DONE)

    def follow_ups(self, job: Job, folder: Path, verdict: Verdict) -> Sequence[NewJob]:
        return ()


def gaps(jobs: int, home: Path) -> list[float]:
    os.environ["TRAIN_TOOLS_STATE"] = str(home / "state")
    queue = Queue(home / "queue.sqlite3")
    queue.add([NewJob(kind="clocked", title=f"job {n}", folder=f"{n:03}") for n in range(jobs)])
    Worker(home, queue, [Clocked()]).run(until=lambda: queue.waiting() == 0)
    times = [tuple(map(float, (home / f"{n:03}" / "times").read_text().split())) for n in range(jobs)]
    return [begun - ended for (_, ended), (begun, _) in pairwise(times)]


def start_up_s(home: Path) -> float:
    """What the job's Python itself takes to begin."""
    taken = []
    for _ in range(10):
        asked = time.time()
        subprocess.run([sys.executable, "-S", "-c", CLOCKED, str(home / "times")], check=True)
        taken.append(float((home / "times").read_text().split()[0]) - asked)
    return median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        started = start_up_s(home)
        measured = sorted(gap - started for gap in gaps(arguments.jobs, home))
    row = {"jobs": arguments.jobs, "median_s": median(measured), "worst_s": measured[-1], "allowed_s": MOST_S}
    print(f"gap between runs: median {row['median_s']:.3f} s, worst {row['worst_s']:.3f} s, allowed {MOST_S} s")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "gap_between_runs.json").write_text(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
