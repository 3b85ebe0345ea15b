"""The app's plan and the trainer count the same steps."""

from __future__ import annotations

import pytest
from PIL import Image

from sd_contract.datasets import collect_divided, read_datasets
from sd_contract.options import settings_from
from sd_contract.steps import plan_steps
from train_tools.datasets.dataset import read_dataset
from train_tools.engines.bundled import BundledEngine
from train_tools.errors import DatasetNotUsableError, OptionValueError
from train_tools.model.paths import RunPaths, VersionPaths
from train_tools.runs.engine import RunFiles

SIZES = [(128, 128), (640, 480), (480, 640), (64, 256), (300, 100), (129, 128), (1000, 1500)]
WAYS = [
    {},
    {"train_batch_size": 4},
    {"enable_bucket": True, "min_bucket_reso": 64, "train_batch_size": 3},
    {"enable_bucket": True, "bucket_no_upscale": True, "train_batch_size": 2, "gradient_accumulation_steps": 3},
    {"enable_bucket": True, "min_bucket_reso": 64, "max_bucket_reso": 192, "max_train_steps": 100},
    {"validation_split": 0.3},
    {"validation_split": 0.5, "validation_seed": 3, "enable_bucket": True, "min_bucket_reso": 64},
]


@pytest.fixture
def version(tmp_path):
    """Images of many shapes in two folders, and fewer regularisation images than those."""
    paths = VersionPaths(tmp_path / "version")
    for folder in (paths.processed / "3_cat", paths.processed / "1_dog", paths.regularisation / "2_cat"):
        folder.mkdir(parents=True)
        for number, size in enumerate(SIZES):
            Image.new("RGB", size).save(folder / f"{number}.png")
    return paths


@pytest.mark.parametrize("values", WAYS)
def test_the_plan_counts_the_steps_that_the_trainer_takes(version, tmp_path, values):
    options = {"resolution": "128", "max_train_epochs": 3, **values}
    dataset, engine = read_dataset(version), BundledEngine()
    planned = engine.count_steps(options, dataset)

    run = RunPaths(tmp_path / "run")
    run.folder.mkdir()
    engine.write(
        RunFiles(
            paths=run, options=options, base_model=tmp_path / "m.safetensors", dataset=dataset, output_name="x"
        )
    )
    settings = settings_from({**options, "dataset_config": str(run.dataset)})
    trained = plan_steps(settings, collect_divided(read_datasets(settings).datasets).training)
    assert (planned.steps, planned.epochs) == (trained.total_steps, trained.epochs)


def test_a_validation_split_that_leaves_nothing_is_told_before(version):
    with pytest.raises(DatasetNotUsableError, match=r"validation_split = 0\.01 of 14 images is none"):
        BundledEngine().count_steps({"resolution": "128", "validation_split": 0.01}, read_dataset(version))


def test_an_image_that_can_not_be_read_is_told_when_its_size_matters(version):
    (version.processed / "1_dog" / "0.png").write_bytes(b"garbage")
    dataset, engine = read_dataset(version), BundledEngine()
    assert engine.count_steps({"resolution": "128"}, dataset).steps == 1600
    buckets = {"resolution": "128", "enable_bucket": True, "min_bucket_reso": 64}
    with pytest.raises(DatasetNotUsableError, match=r"0\.png can't be read"):
        engine.count_steps(buckets, dataset)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"color_aug": True, "cache_latents": True}, "color_aug draws other pixels each time"),
        ({"enable_bucket": True, "resolution": "128"}, "resolution 128x128 is below min_bucket_reso = 256"),
        ({"face_crop_aug_range": "4,2"}, "face_crop_aug_range = .* is no range"),
    ],
)
def test_what_the_trainer_would_refuse_is_refused_before(version, options, told):
    with pytest.raises(OptionValueError, match=told):
        BundledEngine().count_steps(options, read_dataset(version))
