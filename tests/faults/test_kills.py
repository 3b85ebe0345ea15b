"""Anything may be killed at any moment: each run ends once, none twice, nobody is left behind."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from sd_contract.attempt import Attempt, read_result
from sd_contract.tensors.tensor_files import verify_safetensors
from tests.faults.stand_in import stand_in_app
from tests.jobs.patience import eventually
from train_tools.app import App
from train_tools.jobs.tree import COOKIE
from train_tools.model.job import JobState

KILLS = 20
LIMIT_S = 240
HOUSE = Path(__file__).with_name("house.py")
ROLES = ("worker", "service", "supervisor", "launcher", "trainer")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    monkeypatch.setenv("TRAIN_TOOLS_STATE", str(tmp_path / "state"))
    app = stand_in_app(tmp_path / "outputs")
    app.create_project("cat")
    app.create_version("cat", "v1")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (64, 64), "orange").save(pictures / "one.png")
    app.versions.import_images("cat", "v1", [pictures])
    app.versions.prepare("cat", "v1")
    (tmp_path / "base.safetensors").write_bytes(b"any file will do")
    yield app
    app.jobs.queue.close()
    for role in ("service", "worker", "supervisor", "launcher", "trainer"):
        for process in processes_of(app)[role]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def submit(app: App, dims: str, seed: int) -> None:
    base = app.outputs.folder.parent.parent / "base.safetensors"
    assignments = {"pretrained_model_name_or_path": f'"{base}"', "network_dim": dims, "seed": str(seed)}
    app.grids.submit("cat", "v1", assignments)


def processes_of(app: App) -> dict[str, list[psutil.Process]]:
    """Who lives in this house, by role."""
    found: dict[str, list[psutil.Process]] = {role: [] for role in ROLES}
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            cookie = process.environ().get(COOKIE, "")
        except psutil.Error:
            continue
        if cookie.startswith(app.jobs.queue.id):
            found["trainer" if "--as-trainer" in words else "launcher"].append(process)
        elif str(app.outputs.folder) in " ".join(words) and "train_tools.jobs.supervisor" in words:
            found["supervisor"].append(process)
        elif str(HOUSE) in words and str(app.outputs.folder.parent) in words:
            found[words[-1]].append(process)
    return found


def start_service(app: App) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(HOUSE), str(app.outputs.folder.parent), "service"])


def count_endings(app: App) -> None:
    """Has the database itself write down each move into a finished state."""
    with sqlite3.connect(app.outputs.queue) as db:
        db.execute("create table ending(job integer, state text)")
        db.execute(
            "create trigger ended after update of state on job when new.finished_at is not null"
            " begin insert into ending values(new.id, new.state); end"
        )


def test_twenty_random_kills_end_each_run_once(app: App) -> None:
    chance = random.Random(20)
    submit(app, "1,2,3,4,5,6", seed=0)
    count_endings(app)
    service, killed, grids, deadline = start_service(app), dict.fromkeys(ROLES, 0), 1, time.monotonic() + LIMIT_S
    while sum(killed.values()) < KILLS:
        assert time.monotonic() < deadline, f"only {killed} after {LIMIT_S} s"
        time.sleep(chance.uniform(0.05, 0.9))
        role = chance.choice(ROLES)
        for process in processes_of(app)[role][:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                killed[role] += 1
        if service.poll() is not None:
            service = start_service(app)
        if len(app.jobs.queue.below("projects")) < 2:
            submit(app, "1,2,3,4,5,6", seed=grids)
            grids += 1
    while app.jobs.queue.below("projects"):
        assert time.monotonic() < deadline, [(job.title, job.state, job.attempt) for job in app.jobs.all()]
        if service.poll() is not None:  # the last of the killed
            service = start_service(app)
        time.sleep(0.2)
    service.kill()
    service.wait()

    jobs = app.jobs.all()
    assert {job.state for job in jobs} == {JobState.DONE}
    with sqlite3.connect(app.outputs.queue) as db:
        endings = db.execute("select job, count(*) from ending group by job").fetchall()
    assert endings == [(job.id, 1) for job in sorted(jobs, key=lambda job: job.id)]
    for job in jobs:
        assert_ended_once(app.outputs.folder / job.folder)
    eventually(lambda: not any(processes_of(app)[role] for role in ROLES))


def assert_ended_once(run: Path) -> None:
    """One attempt finished, its files are published whole, and they are what an undisturbed run gives."""
    results = [read_result(Attempt(folder)) for folder in sorted(run.glob("attempts/*"))]
    assert [result.outcome for result in results if result] == ["done"]
    published = sorted(file.name for file in run.glob("*.safetensors"))
    assert published == ["cat-v1-step00000020.safetensors", "cat-v1.safetensors"]
    attempt = next(folder for folder in run.glob("attempts/*") if (folder / "result.json").exists())
    for name in published:
        verify_safetensors(run / name)
        assert (run / name).read_bytes() == (attempt / "out" / name).read_bytes()


def test_a_failing_run_does_not_stop_the_rest(app: App) -> None:
    submit(app, "12,13,14", seed=0)
    app.jobs.worker().run(until=lambda: app.jobs.queue.waiting() == 0)
    states = {job.title.split("=")[-1]: (job.state, job.message) for job in app.jobs.all()}
    assert states == {"12": ("done", ""), "13": ("failed", "unlucky"), "14": ("done", "")}
