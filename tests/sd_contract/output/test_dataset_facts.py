"""What a trained file tells of its images."""

import json

import pytest
from PIL import Image

from sd_contract.datasets import Dataset, Subset, collect, read_datasets
from sd_contract.options import settings_from
from sd_contract.output.dataset_facts import bucket_info, dataset_facts, tag_frequency, tag_list


@pytest.fixture
def folders(tmp_path):
    """Three images of a cat, two of them tagged, one of a dog."""
    for name, size, caption in (
        ("3_cat/a", (128, 128), "Red, big, red"),
        ("3_cat/b", (64, 256), "red, small\n"),
        ("3_cat/c", (130, 128), None),
        ("1_dog/a", (128, 128), "big"),
    ):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(path.with_suffix(".png"))
        if caption:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
    return tmp_path / "train"


BUCKETS = {"enable_bucket": True, "min_bucket_reso": 64, "resolution": "128"}


@pytest.fixture
def facts(folders):
    def of(**values):
        given = {"train_data_dir": str(folders), "caption_extension": ".txt", **BUCKETS, **values}
        settings = settings_from(given)
        return dataset_facts(settings, [collect(dataset) for dataset in read_datasets(settings).datasets])

    return of


def test_tags_are_counted_once_an_image_in_small_letters_without_repeats(facts):
    assert facts(caption_prefix="x")["tag_frequency"] == {
        "1_dog": {"big": 1},
        "3_cat": {"big": 1, "red": 2, "small": 1, "cat": 1},
    }


def test_folders_are_told_with_repeats_and_images(facts, folders):
    (folders.parent / "reg" / "2_cat").mkdir(parents=True)
    Image.new("RGB", (128, 128)).save(folders.parent / "reg" / "2_cat" / "r.png")
    told = facts(reg_data_dir=str(folders.parent / "reg"))

    assert told["dataset_dirs"] == {
        "1_dog": {"n_repeats": 1, "img_count": 1},
        "3_cat": {"n_repeats": 3, "img_count": 3},
    }
    assert told["reg_dataset_dirs"] == {"2_cat": {"n_repeats": 2, "img_count": 1}}
    assert (told["num_train_images"], told["num_reg_images"]) == (10, 10)


def test_buckets_are_told_with_samples_and_how_well_they_fit(facts):
    assert facts()["bucket_info"] == {
        "buckets": {
            "0": {"resolution": [64, 256], "count": 3},
            "1": {"resolution": [128, 128], "count": 7},
        },
        "mean_img_ar_error": pytest.approx((130 / 128 - 1) / 4),
    }
    assert facts(enable_bucket=False)["bucket_info"] is None


def test_without_a_dataset_file_the_one_dataset_is_told_flat(facts):
    told = facts(flip_aug=True, train_batch_size=2)
    wanted = {"batch_size_per_device": 2, "total_batch_size": 2, "resolution": (128, 128), "enable_bucket": True}
    wanted |= {"flip_aug": True, "min_bucket_reso": 64, "max_bucket_reso": 1024, "keep_tokens": 0}
    assert {key: told[key] for key in wanted} == wanted
    assert "datasets" not in told


def test_with_a_dataset_file_each_dataset_is_told(folders, tmp_path):
    path = tmp_path / "dataset.json"
    (tmp_path / "m.json").write_text(json.dumps({"a": {"tags": "x"}}))
    listed = {"metadata_file": str(tmp_path / "m.json"), "image_dir": str(folders / "1_dog")}
    cat = {"image_dir": str(folders / "3_cat"), "class_tokens": "cat", "flip_aug": True}
    datasets = [{"subsets": [cat]}, {"batch_size": 3, "subsets": [listed]}, {"subsets": [cat]}]
    path.write_text(json.dumps({"general": {"resolution": 128}, "datasets": datasets}))
    settings = settings_from({"dataset_config": str(path), "caption_extension": ".txt"})
    told = dataset_facts(settings, [collect(dataset) for dataset in read_datasets(settings).datasets])

    first, second, _ = told["datasets"]
    assert first["is_dreambooth"] and not second["is_dreambooth"]
    assert first["subsets"][0]["flip_aug"]
    assert first["subsets"][0]["image_dir"] == "3_cat"
    assert second["subsets"][0]["metadata_file"] == "m.json"
    assert second["batch_size_per_device"] == 3
    assert set(told["dataset_dirs"]) == {"3_cat", "m.json", "3_cat (2)"}
    assert set(told["tag_frequency"]) == {"3_cat", "m.json"}
    assert "reg_dataset_dirs" not in told


def test_the_tag_list_has_the_most_frequent_tags_first(folders):
    """S1-47."""
    subsets = [Subset(image_dir=path, caption_extension=".txt", class_tokens="x") for path in folders.iterdir()]
    collected = [collect(Dataset(resolution=(128, 128), batch_size=1, subsets=(subset,))) for subset in subsets]
    assert tag_list(collected).splitlines() == ["[count] tag", "[2] big", "[2] red", "[1] small", "[1] x"]


def test_a_dataset_without_images_of_its_own_has_no_shape_error(folders):
    dataset = Dataset(resolution=(128, 128), batch_size=1, subsets=(), enable_bucket=True, min_bucket_reso=64)
    assert bucket_info(collect(dataset)) == {"buckets": {}, "mean_img_ar_error": 0.0}
    assert tag_frequency([collect(dataset)]) == {}
