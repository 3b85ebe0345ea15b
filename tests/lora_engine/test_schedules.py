import math

import pytest
import torch
from transformers import get_scheduler
from transformers.optimization import get_wsd_schedule

from lora_engine.maths.schedules import COURSES, Schedule, schedule_of
from sd_contract.options import settings_from

TOTAL = 12
SPECIFIC = {
    "cosine_with_restarts": ({"cycles": 3}, {"num_cycles": 3}),
    "cosine_with_min_lr": ({"least": 0.1, "cycles": 3}, {"min_lr_rate": 0.1, "num_cycles": 1.5}),
    "polynomial": ({"power": 2.0, "rate": 2.0}, {"power": 2.0, "lr_end": 1e-7}),
    "inverse_sqrt": ({"timescale": 5}, {"timescale": 5}),
}


def rates(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler, found = make(optimizer), []
    for _ in range(TOTAL):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("name", sorted(set(COURSES) - {"warmup_stable_decay"}))
@pytest.mark.parametrize("warmup", [0, 3])
def test_learning_rates_follow_transformers_schedules(name, warmup):
    ours, theirs = SPECIFIC.get(name, ({}, {}))
    steps = None if name == "constant" else warmup
    wanted = rates(
        lambda optimizer: get_scheduler(
            name, optimizer, num_warmup_steps=steps, num_training_steps=TOTAL, scheduler_specific_kwargs=theirs
        )
    )

    schedule = Schedule(name=name, total=TOTAL, warmup=warmup, **ours)
    assert [2.0 * schedule.factor(step) for step in range(TOTAL)] == pytest.approx(wanted)


def test_a_plateau_lies_between_warmup_and_decay():
    wanted = rates(
        lambda optimizer: get_wsd_schedule(
            optimizer, num_warmup_steps=2, num_stable_steps=6, num_decay_steps=4, min_lr_ratio=0.2
        )
    )

    schedule = Schedule(name="warmup_stable_decay", total=TOTAL, warmup=2, decay=4, least=0.2)
    assert [2.0 * schedule.factor(step) for step in range(TOTAL)] == pytest.approx(wanted)


def test_a_schedule_ends_at_its_end():
    assert Schedule(name="linear", total=10).factor(10) == 0
    assert math.isclose(Schedule(name="cosine", total=10, warmup=10).factor(10), 1.0)


@pytest.mark.parametrize(("written", "steps"), [(5, 5), (0.25, 10), (1.0, 40)])
def test_warmup_and_decay_are_steps_or_a_share_of_them(written, steps):
    values = {"lr_scheduler": "warmup_stable_decay", "lr_warmup_steps": written, "lr_decay_steps": written}

    schedule = schedule_of(settings_from(values), 40)

    assert (schedule.warmup, schedule.decay) == (steps, steps)


def test_constant_with_a_warmup_has_one():
    schedule = schedule_of(settings_from({"lr_warmup_steps": 4}), 40)

    assert [schedule.factor(step) for step in (0, 1, 4, 39)] == [0, 0.25, 1, 1]
