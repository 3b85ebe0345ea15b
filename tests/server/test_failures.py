from __future__ import annotations

import httpx

from tests.server.test_api import queued, refused
from train_tools.app import App
from train_tools.jobs.kind import Exit
from train_tools.jobs.supervisor import write_exit
from train_tools.model.job import JobState, Verdict
from train_tools.model.paths import AttemptPaths


def failed(app: App, log: str, code: int = 1) -> int:
    """The number of a training that ended so."""
    job = queued(app)
    claimed = app.jobs.queue.claim("cpu", "here")
    paths = AttemptPaths.of(app.outputs.folder / claimed.folder, claimed.attempt)
    paths.folder.mkdir(parents=True, exist_ok=True)
    paths.log.write_text(log)
    write_exit(paths, Exit(code=code))
    app.jobs.queue.finish(job, claimed.attempt, Verdict(state=JobState.FAILED, message="The trainer ended."))
    return job


def test_a_failed_job_says_why_and_what_may_be_done(api: httpx.Client, app: App) -> None:
    log = "".join(f"line {number}\n" for number in range(100)) + "CUDA out of memory. Tried to allocate 2 GiB\n"
    answer = api.get(f"/jobs/{failed(app, log)}/failure").json()
    assert (answer["exit_code"], answer["diagnosis"]) == (1, "out of GPU memory")
    assert (answer["message"], answer["happened"]) == (
        "The trainer ended.",
        "The memory of the graphics card ran out.",
    )
    assert len(answer["tail"].split("\n")) == 40
    assert [step["action"] for step in answer["next_steps"]] == ["less-memory", "retry"]
    assert all(step["label"] for step in answer["next_steps"])


def test_a_job_that_has_not_failed_is_a_conflict(api: httpx.Client, app: App) -> None:
    assert "has not failed" in refused(api.get(f"/jobs/{queued(app)}/failure"), 409)
    assert refused(api.get("/jobs/999/failure"), 404)
