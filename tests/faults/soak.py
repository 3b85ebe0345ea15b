"""Kills a real house at random, hundreds of times: service, worker, supervisor, launcher and trainer, over a grid
on the pocket model that the bundled engine trains through accelerate.

    python launch.py soak [--kills 200] [--seed 1] [--home FOLDER]

Then every run must have ended once, with the tensors that the same grid gives when nobody disturbs it; nobody may
be left behind, and nothing half-written may bear a final name. Prints the figures and writes them to
benchmarks/results/soak.json; the exit status is 1 when one of these does not hold. Takes from half an hour to an
hour on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "sd_scripts")]

from safetensors import safe_open  # noqa: E402

from train_tools.app import App, open_app  # noqa: E402
from train_tools.jobs.tree import APART, COOKIE  # noqa: E402
from train_tools.model.job import JobState  # noqa: E402
from train_tools.model.preparation import Preparation  # noqa: E402

POCKET = ROOT / "projects_template" / "demo" / "pocket-sd1.safetensors"
PICTURES = ROOT / "projects_template" / "demo" / "dataset"
ROLES = ("service", "worker", "supervisor", "launcher", "trainer")
PROJECT, VERSION = "soak", "v1"
GRID = {
    "pretrained_model_name_or_path": str(POCKET),
    "network_dim": "4,8",
    "learning_rate": "1e-3",
    "train_batch_size": "4",
    "max_train_epochs": "8",
    "save_every_n_epochs": "4",
    "state_every_n_steps": "6",
    "max_data_loader_n_workers": "0",
    "cache_latents": "true",
}
SEEDS = 4
"""Runs of one rank in each grid."""
LONGEST_PAUSE_S = 6.0
PATIENCE_S = 3600.0


def open_house(outputs: Path) -> App:
    """The app as it is, but for a worker that tries again as often as it is killed, and no previews."""
    app = open_app(outputs)
    app.jobs.ensure_worker = lambda: start_worker(app)  # type: ignore[method-assign]
    return app


def start_worker(app: App) -> None:
    """One worker at a time, as the service keeps it."""
    waits = app.jobs.queue.waiting() or app.jobs.queue.active()
    if waits and not members(app.outputs.folder)["worker"]:
        start(app.outputs.folder, "worker")


def start(outputs: Path, role: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--as", role, "--home", str(outputs)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=APART,
        start_new_session=True,
    )


def be_worker(outputs: Path) -> None:
    app = open_house(outputs)
    worker = app.jobs.worker()
    worker.most_losses = 1000
    worker.run(until=lambda: not app.jobs.queue.waiting())


def be_service(outputs: Path) -> None:
    from train_tools.server.service import serve

    serve(open_house(outputs), port=0)


def members(outputs: Path) -> dict[str, list[psutil.Process]]:
    """Who lives in the house at these outputs, by role."""
    found: dict[str, list[psutil.Process]] = {role: [] for role in ROLES}
    for process in psutil.process_iter():
        try:
            words, cookie = process.cmdline(), process.environ().get(COOKIE, "")
            home = process.environ().get("TRAIN_TOOLS_STATE", "")
        except psutil.Error:
            continue
        if home != os.environ["TRAIN_TOOLS_STATE"] or process.pid == os.getpid():
            continue
        if "--as" in words and str(outputs) in words:
            found[words[words.index("--as") + 1]].append(process)
        elif "train_tools.jobs.supervisor" in words:
            found["supervisor"].append(process)
        elif cookie:
            found["launcher" if "accelerate.commands.launch" in words else "trainer"].append(process)
    return found


def new_house(outputs: Path) -> App:
    """A house with the demo's pictures, each drawn once an epoch."""
    app = open_house(outputs)
    app.create_project(PROJECT)
    app.create_version(PROJECT, VERSION)
    app.versions.change_preparation(
        PROJECT, VERSION, Preparation(width_px=64, height_px=64, repeats=1, mirrored_copies=False)
    )
    app.versions.import_images(PROJECT, VERSION, [PICTURES])
    app.versions.prepare(PROJECT, VERSION)
    return app


def submit(app: App, number: int) -> None:
    """The grid of that number: other seeds than any other."""
    from train_tools.model.plan import Turn

    seeds = f"{number * SEEDS + 1}..{(number + 1) * SEEDS}"
    app.grids.submit(PROJECT, VERSION, {**GRID, "seed": seeds}, turn=Turn(previews=False))


def count_endings(app: App) -> None:
    """Has the database itself write down each move into a finished state."""
    with sqlite3.connect(app.jobs.queue.path) as db:
        db.execute("create table ending(job integer, state text)")
        db.execute(
            "create trigger ended after update of state on job when new.finished_at is not null"
            " begin insert into ending values(new.id, new.state); end"
        )


def disturb(app: App, kills: int, chance: random.Random) -> tuple[Counter[str], int]:
    """Kills until it has killed so many; returns how many of each role, and how many grids were queued."""
    killed: Counter[str] = Counter()
    service, grids = start(app.outputs.folder, "service"), 0
    while killed.total() < kills:
        if app.jobs.queue.waiting() < SEEDS:
            submit(app, grids)
            grids += 1
        time.sleep(chance.uniform(0.1, LONGEST_PAUSE_S))
        role = chance.choice(ROLES)
        for process in members(app.outputs.folder)[role][:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                killed[role] += 1
        if service.poll() is not None:
            service = start(app.outputs.folder, "service")
        print(f"\r{killed.total()} of {kills} kills, {grids} grids", end="", flush=True)
    wait_until_done(app)
    service.kill()
    service.wait()
    return killed, grids


def wait_until_done(app: App) -> None:
    """Raises SystemExit when the queue does not come to its end."""
    deadline = time.monotonic() + PATIENCE_S
    while app.jobs.queue.waiting() or app.jobs.queue.active():
        if time.monotonic() > deadline:
            raise SystemExit(f"not done: {[(job.title, job.state, job.attempt) for job in app.jobs.all()]}")
        time.sleep(0.5)


def faults(disturbed: App, undisturbed: App) -> Iterator[str]:
    """What does not hold, in words."""
    jobs = disturbed.jobs.all(limit=100_000)
    for job in jobs:
        if job.state is not JobState.DONE:
            yield f"{job.title} is {job.state}: {job.message}"
    with sqlite3.connect(disturbed.outputs.queue) as db:
        endings = dict(db.execute("select job, count(*) from ending group by job").fetchall())
    yield from (f"{job.title} ended {endings.get(job.id, 0)} times" for job in jobs if endings.get(job.id) != 1)
    for role, processes in members(disturbed.outputs.folder).items():
        yield from (f"{role} {process.pid} is left behind" for process in processes)
    ours, theirs = (finals(app) for app in (disturbed, undisturbed))
    yield from (f"{name} is missing or has one too many" for name in ours.keys() ^ theirs.keys())
    yield from (f"{name} has other tensors" for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])
    versions = disturbed.versions.paths(PROJECT, VERSION)
    yield from (f"{file} is half-written" for file in versions.trains.glob("*/*.tmp"))


def finals(app: App) -> dict[str, dict[str, bytes]]:
    """The tensors of each published checkpoint, by run and file. Fails on a file that is not whole."""
    found = {}
    for file in sorted(app.versions.paths(PROJECT, VERSION).trains.glob("*/*.safetensors")):
        with safe_open(file, "numpy") as tensors:
            found[f"{file.parent.name}/{file.name}"] = {
                name: tensors.get_tensor(name).tobytes()
                for name in tensors.keys()  # noqa: SIM118 - no mapping
            }
    return found


def soak(home: Path, kills: int, seed: int) -> int:
    os.environ["TRAIN_TOOLS_STATE"] = str(home / "state")
    begun = time.monotonic()
    disturbed = new_house(home / "disturbed" / "train_tools")
    count_endings(disturbed)
    killed, grids = disturb(disturbed, kills, random.Random(seed))
    disturbed_s = time.monotonic() - begun
    print(f"\n{dict(killed)} in {disturbed_s:.0f} s; now the same {grids} grids undisturbed")
    undisturbed = new_house(home / "undisturbed" / "train_tools")
    for number in range(grids):
        submit(undisturbed, number)
    undisturbed.jobs.worker().run(until=lambda: not undisturbed.jobs.queue.waiting())
    found = list(faults(disturbed, undisturbed))
    jobs = disturbed.jobs.all(limit=100_000)
    figures = {
        "kills": dict(killed),
        "seed": seed,
        "runs": len(jobs),
        "attempts": sum(job.attempt for job in jobs),
        "checkpoints": len(finals(disturbed)),
        "disturbed_s": round(disturbed_s),
        "whole_s": round(time.monotonic() - begun),
        "faults": found,
    }
    print(json.dumps(figures, indent=1))
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "soak.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, help="where to work, and what to keep; else a temporary folder")
    parser.add_argument("--as", dest="role", choices=("service", "worker"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        {"service": be_service, "worker": be_worker}[arguments.role](arguments.home)
        return 0
    if arguments.home:
        return soak(arguments.home, arguments.kills, arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        return soak(Path(folder), arguments.kills, arguments.seed)


if __name__ == "__main__":
    sys.exit(main())
