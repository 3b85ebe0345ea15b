from pathlib import Path

import pytest
from PIL import Image

from sd_contract.datasets import Dataset, Subset, collect
from sd_contract.options import settings_from
from sd_contract.steps import StepPlan, plan_batches, plan_steps, warmup_steps


def collected(folder: Path, *sizes, batch_size=2, repeats=1, **values):
    """A dataset of images of these sizes."""
    for number, size in enumerate(sizes):
        Image.new("RGB", size).save(folder / f"{number}.png")
    subset = Subset(image_dir=folder, num_repeats=repeats, class_tokens="x")
    return collect(Dataset(resolution=(128, 128), batch_size=batch_size, subsets=(subset,), **values))


@pytest.mark.parametrize(("images", "batches"), [(1, 1), (4, 1), (5, 2)])
def test_the_last_batch_may_be_short(tmp_path, images, batches):
    assert collected(tmp_path, *[(128, 128)] * images, batch_size=4).batches == batches


def test_a_batch_holds_images_of_one_bucket(tmp_path):
    sizes = [(128, 128)] * 3 + [(64, 256)] + [(256, 64)] * 2
    dataset = collected(tmp_path, *sizes, repeats=3, batch_size=4, enable_bucket=True, min_bucket_reso=64)

    assert dataset.buckets == {(64, 256): 3, (128, 128): 9, (256, 64): 6}
    assert plan_steps(settings_from({"max_train_epochs": 2}), [dataset]) == StepPlan(
        batches_per_epoch=6, steps_per_epoch=6, total_steps=12, epochs=2
    )


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
