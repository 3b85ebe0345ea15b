import math

import pytest
import torch
from diffusers.optimization import get_piecewise_constant_schedule
from transformers import get_scheduler
from transformers.optimization import get_wsd_schedule

from lora_engine.maths.optimizers import ParameterGroup, make_optimizer, set_learning_rates
from lora_engine.maths.schedules import COURSES, Schedule, course_of, schedule_of
from sd_contract.errors import OptionError
from sd_contract.options import settings_from
from sd_contract.options.groups import SCHEDULER_CLASSES, SCHEDULERS
from sd_contract.options.schedules import ARGUMENTS

TOTAL = 12
SPECIFIC = {
    "cosine_with_restarts": ({"cycles": 3}, {"num_cycles": 3}),
    "cosine_with_min_lr": ({"least": 0.1, "cycles": 3}, {"min_lr_rate": 0.1, "num_cycles": 1.5}),
    "polynomial": ({"power": 2.0, "rate": 2.0}, {"power": 2.0, "lr_end": 1e-7}),
    "inverse_sqrt": ({"timescale": 5}, {"timescale": 5}),
}


def curve_of(options):
    course = course_of(settings_from(options), TOTAL)
    return [course.rates([2.0], step)[0] for step in range(TOTAL)]


def rates(make):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler, found = make(optimizer), []
    for _ in range(TOTAL):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


TRANSFORMERS = sorted(set(COURSES) - {"warmup_stable_decay", "piecewise_constant", "rex"})


@pytest.mark.parametrize("name", TRANSFORMERS)
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


@pytest.mark.parametrize("curve", ["linear", "cosine", "1-sqrt"])
def test_a_plateau_rises_and_falls_by_its_curves(curve):
    wanted = rates(
        lambda optimizer: get_wsd_schedule(
            optimizer,
            num_warmup_steps=3,
            num_stable_steps=5,
            num_decay_steps=4,
            warmup_type=curve,
            decay_type=curve,
            min_lr_ratio=0.1,
        )
    )

    given = {"warmup_type": curve, "decay_type": curve}
    schedule = Schedule(name="warmup_stable_decay", total=TOTAL, warmup=3, decay=4, least=0.1, arguments=given)
    assert [2.0 * schedule.factor(step) for step in range(TOTAL)] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("name", "argument", "theirs"),
    [
        ("cosine", "num_cycles=1.5", {"num_cycles": 1.5}),
        ("polynomial", "lr_end=0.5", {"lr_end": 0.5, "power": 1.0}),
        ("cosine_with_min_lr", "min_lr=0.5", {"min_lr": 0.5, "num_cycles": 0.5}),
    ],
)
def test_arguments_of_a_course_mean_what_they_mean_in_transformers(name, argument, theirs):
    wanted = rates(
        lambda optimizer: get_scheduler(
            name, optimizer, num_warmup_steps=2, num_training_steps=TOTAL, scheduler_specific_kwargs=theirs
        )
    )
    options = {"lr_scheduler": name, "lr_scheduler_args": [argument], "lr_warmup_steps": 2, "learning_rate": 2.0}

    assert curve_of(options) == pytest.approx(wanted)


@pytest.mark.parametrize("rules", ["1:3,0.5:7,0.1", "0.5", "0.1:9,1:2,0.25", "'1:3,0.5:7,0.1'"])
def test_step_rules_are_those_of_diffusers(rules):
    plain = rules.strip("'")
    wanted = rates(lambda optimizer: get_piecewise_constant_schedule(optimizer, plain))

    options = {"lr_scheduler": "piecewise_constant", "lr_scheduler_args": [f"step_rules={rules}"]}
    assert curve_of({**options, "learning_rate": 2.0}) == pytest.approx(wanted)


def test_rex_is_the_reflected_exponential():
    schedule = Schedule(name="rex", total=10, warmup=2, least=0.1)
    done = [step / 8 for step in range(8)]

    formula = [(1 - z) / (0.5 + 0.5 * (1 - z)) * 0.9 + 0.1 for z in done]
    assert [schedule.factor(step) for step in range(2, 10)] == pytest.approx(formula)
    assert [schedule.factor(step) for step in (0, 1, 10, 99)] == pytest.approx([0, 0.5, 0.1, 0.1])
    steeper = Schedule(name="rex", total=10, arguments={"d": 0.9})
    assert steeper.factor(5) == pytest.approx(0.5 / (0.1 + 0.9 * 0.5))


OF_TORCH = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": (2, 7), "gamma": 0.3},
    "ConstantLR": {"factor": 0.5, "total_iters": 4},
    "LinearLR": {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 8},
    "ExponentialLR": {"gamma": 0.8},
    "PolynomialLR": {"total_iters": 9, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 6, "eta_min": 0.1},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2, "eta_min": 0.1},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3, "mode": "triangular2"},
    "OneCycleLR": {"max_lr": 1.5, "total_steps": 12, "pct_start": 0.25, "anneal_strategy": "linear"},
}


@pytest.mark.parametrize("name", SCHEDULER_CLASSES)
def test_a_class_of_torch_moves_the_rates_of_all_groups(name):
    given = [f"{argument}={value}" for argument, value in OF_TORCH[name].items()]
    course = course_of(settings_from({"lr_scheduler_type": name, "lr_scheduler_args": given}), TOTAL)
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    named = zip(weights, (2, 0.5), strict=True)
    torchs = torch.optim.AdamW([{"params": [weight], "lr": rate} for weight, rate in named])
    scheduler = getattr(torch.optim.lr_scheduler, name)(torchs, **OF_TORCH[name])
    groups = [
        ParameterGroup(part="unet", parameters=[weight], learning_rate=rate)
        for weight, rate in zip(weights, (2, 0.5), strict=True)
    ]
    ours = make_optimizer("AdamW", groups, {})
    found, wanted = [], []
    for step in range(TOTAL):
        set_learning_rates(ours, course, step)
        found += [group["lr"] for group in ours.param_groups]
        wanted += [group["lr"] for group in torchs.param_groups]
        torchs.step()
        scheduler.step()

    assert found == pytest.approx(wanted)
    later = course_of(settings_from({"lr_scheduler_type": name, "lr_scheduler_args": given}), TOTAL)
    set_learning_rates(ours, later, TOTAL - 1)
    assert [group["lr"] for group in ours.param_groups] == found[-2:]  # as a resumed run asks


def test_how_long_a_class_of_torch_lasts_is_the_runs_length_unless_told():
    course = course_of(settings_from({"lr_scheduler_type": "CosineAnnealingLR"}), 10)

    assert course.rates([1.0], 5) == pytest.approx([0.5])
    assert course.rates([1.0], 9)[0] < 0.03


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lr_scheduler": "piecewise_constant"}, "piecewise_constant needs step_rules in lr_scheduler_args"),
        ({"lr_scheduler": "rex", "lr_scheduler_args": ["d=2"]}, "d wants a number from 0 to 1"),
        ({"lr_scheduler": "linear", "lr_scheduler_args": ["d=1"]}, "linear takes none"),
        ({"lr_scheduler_type": "StepLR"}, "StepLR needs step_size"),
        ({"lr_scheduler_type": "StepLR", "lr_scheduler_args": ["step_size=0"]}, "wants a whole number from 1 on"),
        ({"lr_scheduler_type": "ReduceLROnPlateau"}, "can't be used"),
        ({"lr_scheduler": "adafactor"}, "the course that AdaFactor takes by itself, and AdamW has none"),
    ],
)
def test_what_a_course_does_not_take_is_told(options, words):
    with pytest.raises(OptionError, match=words):
        settings_from(options)


def test_every_course_that_may_be_named_is_there_with_its_arguments():
    assert {*SCHEDULERS, *SCHEDULER_CLASSES} == set(ARGUMENTS)
    assert set(COURSES) == set(SCHEDULERS) - {"adafactor"}
    assert set(OF_TORCH) == set(SCHEDULER_CLASSES)


@pytest.mark.parametrize("optimizer", ["AdamWScheduleFree", "ProdigyPlusScheduleFree"])
def test_schedule_free_optimizers_follow_no_course_but_a_warmup(optimizer):
    options = {"optimizer_type": optimizer, "lr_scheduler": "cosine", "learning_rate": 2.0}

    assert curve_of(options) == [2.0] * TOTAL
    assert curve_of({**options, "lr_warmup_steps": 2})[:4] == [0, 1, 2, 2]
    if optimizer == "ProdigyPlusScheduleFree":
        assert curve_of({**options, "optimizer_args": ["use_schedulefree=False"]})[-1] < 0.1


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
