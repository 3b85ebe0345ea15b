"""How fast the queue is: 10,000 jobs in its file, the time between two jobs, and what an idle worker costs.

    python -m benchmarks.job_queue [--rows 10000] [--jobs 20] [--idle-s 20]

Prints a table with each measure's share of its limit and writes benchmarks/results/job_queue.json. (Not called
queue.py: a script beside it would find that in place of Python's own module.)

The gap is from the end of one job's process to the start of the next one's; each job is a Python that writes down
when it began and ended, and what it costs to start that Python is measured beside it and taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

import psutil

from sd_contract.attempt import Attempt, Result
from sd_contract.events import Event
from train_tools.jobs.kind import Exit, Launch
from train_tools.jobs.queue import Queue
from train_tools.jobs.slots import Slot
from train_tools.jobs.worker import Worker
from train_tools.model.job import Job, JobState, NewJob, Verdict

REPEATS = 200
PAGE = 200
LIMITS = {
    "claim": 0.020,
    "first page of 200": 0.005,
    "page of 200 in the middle": 0.005,
    "page of 200 at the end": 0.005,
    "progress": 0.005,
    "gap between two jobs": 0.3,
    "idle worker, share of a core": 0.01,
    "idle worker on a paused queue": 0.01,
}
"""Seconds, and shares of a core."""
CLOCKED = "import sys, time; print(time.time(), time.time(), file=open(sys.argv[1], 'w'))"


def filled(path: Path, rows: int) -> Queue:
    """Half of the jobs wait, half have ended; many grids, a few priorities."""
    queue = Queue(path)
    queue.add(
        [
            NewJob(
                kind="train",
                title=f"cat / v1: network_dim={n}, unet_lr=0.0001",
                folder=f"projects/cat/versions/v1/trains/base-bs-1-ep-10-op-AdamW-lr-0_0001-net-{n}-{n:08x}",
                subject={"grid": f"grid-{n // 100:03}", "label": f"network_dim={n}", "work": 1.5e12},
                total_steps=1000,
                priority=n % 3,
                grid=f"projects/cat/versions/v1/grids/grid-{n // 100:03}",
                stop_after_failures=3,
            )
            for n in range(rows)
        ]
    )
    for _ in range(rows // 2):
        job = queue.claim("cpu", "here")
        assert job is not None
        queue.finish(job.id, job.attempt, Verdict(state=JobState.DONE))
    return queue


def timed(action: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begun)
    return taken


def rows_measured(home: Path, rows: int) -> dict[str, list[float]]:
    queue = filled(home / "queue.sqlite3", rows)
    running = queue.claim("cpu", "here")
    assert running is not None
    measured = {
        f"{name} page of {PAGE}": timed(lambda offset=offset: queue.jobs(limit=PAGE, offset=offset))
        for name, offset in (("first", 0), ("middle", rows // 2 - PAGE // 2), ("last", rows - PAGE))
    }
    measured["progress"] = timed(lambda: queue.progress(running.id, running.attempt, step=7, loss=0.1, phase=""))
    measured["claim"] = timed(lambda: queue.claim("cpu", "here"))
    queue.close()
    names = ("first page of 200", "page of 200 in the middle", "page of 200 at the end", "progress", "claim")
    return dict(zip(names, measured.values(), strict=True))


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
    queue = Queue(home / "queue.sqlite3")
    queue.add([NewJob(kind="clocked", title=f"job {n}", folder=f"{n:03}") for n in range(jobs)])
    Worker(home, queue, [Clocked()], slots=[Slot("cpu")]).run(until=lambda: queue.waiting() == 0)
    queue.close()
    times = [tuple(map(float, (home / f"{n:03}" / "times").read_text().split())) for n in range(jobs)]
    start_up = start_up_s(home)
    return [begun - ended - start_up for (_, ended), (begun, _) in pairwise(times)]


def start_up_s(home: Path) -> float:
    """What the job's Python itself takes to begin."""
    taken = []
    for _ in range(10):
        asked = time.time()
        subprocess.run([sys.executable, "-S", "-c", CLOCKED, str(home / "times")], check=True)
        taken.append(float((home / "times").read_text().split()[0]) - asked)
    return median(taken)


def idle_share(home: Path, seconds: float, *, waiting: int) -> float:
    """The share of a core that a worker takes with nothing to do but to look at a paused queue."""
    queue = Queue(home / "train_tools" / "queue.sqlite3")
    queue.pause_all("benchmark")
    queue.add([NewJob(kind="clocked", title=f"job {n}", folder=f"{n:03}") for n in range(waiting)])
    queue.close()
    command = [sys.executable, "-m", "train_tools", "--outputs", str(home), "work", "--stay", "--quiet"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as worker:
        process = psutil.Process(worker.pid)
        time.sleep(3.0)  # it has started by now
        before = process.cpu_times()
        time.sleep(seconds)
        after = process.cpu_times()
        assert worker.poll() is None, "the worker has gone"
        worker.terminate()
    return (after.user + after.system - before.user - before.system) / seconds


def measured(arguments: argparse.Namespace, home: Path) -> dict[str, list[float]]:
    for name in ("rows", "gap", "idle", "paused"):
        (home / name).mkdir()
    return {
        **rows_measured(home / "rows", arguments.rows),
        "gap between two jobs": gaps(arguments.jobs, home / "gap"),
        "idle worker, share of a core": [idle_share(home / "idle", arguments.idle_s, waiting=0)],
        "idle worker on a paused queue": [
            idle_share(home / "paused", arguments.idle_s, waiting=arguments.rows // 2)
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--idle-s", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRAIN_TOOLS_STATE"] = str(Path(folder) / "state")
        found = measured(arguments, Path(folder))
    print(f"{'':32} {'best':>9} {'median':>9} {'worst':>9} {'limit':>9} {'median / limit':>15}")
    rows = {}
    for name, limit in LIMITS.items():
        best, middle, worst = min(found[name]), median(found[name]), max(found[name])
        rows[name] = {"best": best, "median": middle, "worst": worst, "limit": limit, "ratio": middle / limit}
        print(f"{name:32} {best:9.4f} {middle:9.4f} {worst:9.4f} {limit:9.3f} {middle / limit:15.2f}")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    print(f"{arguments.rows:,} rows; load of the machine {load}")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "job_queue.json").write_text(json.dumps({"rows": arguments.rows, "load": load, **rows}, indent=1))


if __name__ == "__main__":
    main()
