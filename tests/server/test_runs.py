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


def test_a_run_is_cloned_with_other_options(api: httpx.Client, app: App, jobs: tuple[int, ...]) -> None:
    asked = {"run": str(jobs[0]), "assignments": {"learning_rate": "1e-3, 1e-4"}, "unset": ["seed"]}
    answer = api.post("/runs/clone", json=asked)
    assert (answer.status_code, len(answer.json()["jobs"]), answer.json()["grid"]) == (201, 2, "grid-001")
    made = app.runs.find(str(answer.json()["jobs"][0])).record.run.options
    assert "seed" not in made
    wrong = api.post("/runs/clone", json={"run": str(jobs[0]), "assignments": {"network_dim": "x"}})
    assert "network_dim" in refused(wrong, 400)


def test_less_memory_is_taken(api: httpx.Client, jobs: tuple[int, ...]) -> None:
    answer = api.post("/runs/less-memory", json={"run": str(jobs[0])})
    assert answer.status_code == 201
    assert "gradient checkpointing" in answer.json()["says"][0]


def test_a_suggestion_is_told_as_one_would_type_it(api: httpx.Client, jobs: tuple[int, ...]) -> None:
    asked = {"run": jobs[0], "because": "burnt"}
    answer = api.get("/runs/suggestion", params=asked).json()
    assert all(change["reason"] and isinstance(change["value"], str) for change in answer["changes"])
    changes = {change["name"]: change["value"] for change in answer["changes"]}
    assert api.post("/runs/clone", json={"run": str(jobs[0]), "assignments": changes}).status_code == 201
    assert refused(api.get("/runs/suggestion", params={**asked, "because": "sad"}), 422)


def test_a_checkpoint_of_ours_alone_can_be_gone_on_from(api: httpx.Client, jobs: tuple[int, ...]) -> None:
    assert "There is no run" in refused(
        api.post("/runs/continue", json={"checkpoint": str(POCKET), "epochs": 2}), 404
    )
    assert refused(api.post("/runs/continue", json={"checkpoint": str(jobs[0]), "epochs": True}), 422)
