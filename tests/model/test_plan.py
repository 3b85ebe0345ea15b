from __future__ import annotations

from train_tools.model.grid import Run, RunSpec
from train_tools.model.plan import Plan, PlannedRun


def planned(steps: int, done: bool) -> PlannedRun:
    spec = RunSpec(options={}, dataset="d", base_model="b", engine="e", contract=1)
    return PlannedRun(
        run=Run(name="r", spec=spec, varied={}, options={}), steps=steps, epochs=1, checkpoints=1, done=done
    )


def test_what_is_done_is_not_trained_again_and_its_steps_are_not_counted():
    plan = Plan(
        project="cat",
        version="v1",
        runs=(planned(100, done=True), planned(20, done=False), planned(3, done=False)),
        total=3,
        images=1,
        pictures=0,
        seconds=None,
        seconds_from="",
        disk_bytes=0,
        free_bytes=0,
    )
    assert [entry.steps for entry in plan.to_train] == [20, 3]
    assert plan.steps == 23
