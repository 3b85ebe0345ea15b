import pytest

from sd_contract.options import settings_from
from sd_contract.steps import StepPlan, batches_of, plan_batches, warmup_steps


def test_the_last_batch_may_be_short():
    assert [batches_of(samples, 4) for samples in (1, 4, 5)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("values", "batches", "plan"),
    [
        ({"max_train_steps": 6}, 3, (3, 3, 6, 2)),
        ({"max_train_steps": 7}, 3, (3, 3, 7, 3)),
        ({"max_train_epochs": 2, "max_train_steps": 999}, 3, (3, 3, 6, 2)),
        ({"max_train_epochs": 2, "gradient_accumulation_steps": 2}, 3, (3, 2, 4, 2)),
        ({"max_train_steps": 1, "gradient_accumulation_steps": 8}, 3, (3, 1, 1, 1)),
    ],
)
def test_steps_and_epochs_are_counted_as_sd_scripts_does(values, batches, plan):
    per_epoch, steps, total, epochs = plan

    assert plan_batches(settings_from(values), batches) == StepPlan(
        batches_per_epoch=per_epoch, steps_per_epoch=steps, total_steps=total, epochs=epochs
    )


@pytest.mark.parametrize(("written", "steps"), [(10, 10), (0.1, 5), (1, 1), (1.0, 50)])
def test_a_warm_up_with_a_point_is_a_share(written, steps):
    assert warmup_steps(settings_from({"lr_warmup_steps": written}), 50) == steps
