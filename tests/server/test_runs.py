from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.server.test_api import refused
from train_tools.app import App, open_app

POCKET = Path(__file__).parents[2] / "projects_template" / "demo" / "pocket-sd1.safetensors"


@pytest.fixture
def jobs(app: App) -> tuple[int, ...]:
    """Two queued runs that differ in rank."""
    options = {"pretrained_model_name_or_path": str(POCKET), "network_dim": "4,8", "seed": "1"}
    return app.grids.submit("zorb", "v1", options).jobs


def test_what_differs_is_told(api: httpx.Client, app: App, jobs: tuple[int, ...]) -> None:
    answer = api.get("/runs/diff", params={"run": jobs[0], "other": jobs[1]}).json()
    assert answer["options"] == [{"what": "network_dim", "before": "4", "after": "8"}]
    by_folder = api.get("/runs/diff", params={"run": app.jobs.get(jobs[0]).folder, "other": str(jobs[0])}).json()
    assert by_folder["options"] == []


def test_a_command_is_given(api: httpx.Client, jobs: tuple[int, ...]) -> None:
    answer = api.post("/runs/command", json={"run": str(jobs[0])}).json()
    assert "train_network.py" in answer["command"]
    assert answer["notes"] == []


def test_a_run_is_reproduced_and_compared(api: httpx.Client, app: App, jobs: tuple[int, ...]) -> None:
    answer = api.post("/runs/reproduce", json={"run": str(jobs[0])})
    assert answer.status_code == 201
    made = answer.json()
    assert app.jobs.get(made["job"]).state == "queued"
    assert made["run"] == f"{made['original']}-again"
    compared = api.get("/runs/comparison", params={"run": made["original"], "other": made["run"]}).json()
    assert compared == {"equal": False, "sentence": "There are no checkpoints to compare yet.", "files": []}


def test_nothing_outside_of_the_outputs_folder_is_shown(
    api: httpx.Client, jobs: tuple[int, ...], tmp_path
) -> None:
    elsewhere = open_app(tmp_path / "elsewhere")
    elsewhere.create_project("other")
    version = elsewhere.create_version("other", "v1")
    run = version.paths.run("x-01234567")
    run.folder.mkdir(parents=True)
    run.record.write_text("format = 2\n")
    for asked in (str(run.folder), "../../../../etc", "nothing", "~", "x" * 3000):
        for answer in (
            api.get("/runs/diff", params={"run": asked, "other": str(jobs[0])}),
            api.post("/runs/command", json={"run": asked}),
            api.post("/runs/reproduce", json={"run": asked}),
        ):
            refused(answer, 404)
    elsewhere.jobs.queue.close()
