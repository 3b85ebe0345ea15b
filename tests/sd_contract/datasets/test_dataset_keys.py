"""Every key of the dataset file: where it may stand, what it takes, what it excludes."""

import json
from pathlib import Path

import pytest

from sd_contract.datasets import read_dataset_config, read_datasets
from sd_contract.datasets.config_file import KEYS, NOT_WITH_METADATA, POINT, RANGE, SIZE, TABLE, TEXT, TRUTH, WHOLE
from sd_contract.errors import DatasetError
from sd_contract.options import settings_from

AROUND = {"masked_loss": True, "min_bucket_reso": 64}
LEVELS = {"general", "dataset", "subset"}
USUAL = {WHOLE: 64, TRUTH: True, TEXT: "x", POINT: 0.5, RANGE: [1.0, 2.0], SIZE: 64, TABLE: {}}
WRONG = {
    WHOLE: (True, 1.0, "1", [1]),
    TRUTH: (1, 0, "true", 1.0),
    TEXT: (1, True, ["x"]),
    POINT: (1, True, "1.0"),
    RANGE: ([1, 2], [1.0], 1.0, "1.0,2.0"),
    SIZE: (64.0, "64", [64], [64.0, 64.0], [64, 64, 64]),
    TABLE: (1, "x", []),
}
GOOD = {"caption_dropout_rate": 1, "caption_tag_dropout_rate": 0.5, "token_warmup_step": 0.5}
GOOD |= {"dynamic_crop_zoom": 1.5}
GOOD |= {"resize_interpolation": "area", "min_bucket_reso": 64, "keep_tokens": 3}
FLOATS = set(GOOD) - {"resize_interpolation", "min_bucket_reso", "keep_tokens"}


@pytest.fixture
def read(tmp_path):
    """Reads a dataset file of one dataset and one subset that holds these values at this level."""

    def read_values(level="subset", options=(), **values):
        general, dataset, subset = {}, {"resolution": 64}, {"image_dir": "a"}
        {"general": general, "dataset": dataset, "subset": subset}[level].update(values)
        if "metadata_file" in subset:
            del subset["image_dir"]
        path = tmp_path / "dataset.json"
        path.write_text(json.dumps({"general": general, "datasets": [{**dataset, "subsets": [subset]}]}))
        return read_dataset_config(path, settings_from({**AROUND, **dict(options)})).datasets[0]

    return read_values


def refusal(read, *arguments, **values):
    with pytest.raises(DatasetError) as caught:
        read(*arguments, **values)
    return str(caught.value)


@pytest.mark.parametrize(("key", "level"), [(key, level) for key, (_, levels) in KEYS.items() for level in levels])
def test_a_key_is_taken_where_it_may_stand(read, key, level):
    kind = KEYS[key][0]
    dataset = read(level, **{key: GOOD.get(key, USUAL.get(kind))})
    assert len(dataset.subsets) == 1


@pytest.mark.parametrize(
    ("key", "level"),
    [(key, level) for key, (_, levels) in KEYS.items() for level in sorted(LEVELS - set(levels))],
)
def test_a_key_is_refused_where_it_may_not_stand(read, key, level):
    kind = KEYS[key][0]
    assert f"{key!r} can't stand in a {level}. Move it to the" in refusal(read, level, **{key: USUAL.get(kind)})


@pytest.mark.parametrize("key", [key for key in KEYS if key not in FLOATS])
def test_types_are_exact(read, key):
    kind, levels = KEYS[key]
    for value in WRONG[kind]:
        assert f": {key} = {value!r}: {kind.wanted} is wanted." in refusal(read, levels[0], **{key: value})


@pytest.mark.parametrize("key", sorted(FLOATS))
def test_a_share_may_be_written_without_a_point(read, key):
    assert getattr(read(**{key: 1}).subsets[0], key) == 1
    assert "a number is wanted" in refusal(read, **{key: True})
    assert "a number is wanted" in refusal(read, **{key: "1"})


@pytest.mark.parametrize(
    ("option", "key", "given", "read_as"),
    [
        ("train_batch_size", "batch_size", 3, 3),
        ("enable_bucket", "enable_bucket", True, True),
        ("min_bucket_reso", "min_bucket_reso", 64, 64),
        ("dataset_repeats", "num_repeats", 4, 4),
        ("caption_extention", "caption_extension", "txt", ".txt"),
        ("caption_prefix", "caption_prefix", "x", "x"),
        ("keep_tokens_separator", "keep_tokens_separator", "|||", "|||"),
        ("face_crop_aug_range", "face_crop_aug_range", "2.0,4", (2.0, 4.0)),
        ("alpha_mask", "alpha_mask", True, True),
        ("token_warmup_step", "token_warmup_step", 0.5, 0.5),
        ("resize_interpolation", "resize_interpolation", "area", "area"),
    ],
)
def test_options_stand_in_for_what_the_file_leaves_out(read, option, key, given, read_as):
    dataset = read(options={option: given})
    assert getattr(dataset if hasattr(dataset, key) else dataset.subsets[0], key) == read_as


def test_a_subset_can_switch_off_what_an_option_switches_on(read):
    assert read("subset", {"flip_aug": True}, flip_aug=False).subsets[0].flip_aug is False


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"num_repeats": 0}, "subsets[0]: num_repeats = 0 is too small. 1 or more is allowed."),
        ({"dynamic_crop_zoom": 0.5}, "dynamic_crop_zoom = 0.5 is too small. 1 or more is allowed."),
        ({"caption_dropout_rate": 1.5}, "caption_dropout_rate = 1.5 is no share. 0 to 1 is allowed."),
        ({"resize_interpolation": "sinc"}, 'resize_interpolation = "sinc" is unknown. Allowed: lanczos'),
        ({"face_crop_aug_range": [4.0, 2.0]}, "face_crop_aug_range = [4.0, 2.0] is no range"),
        (
            {"validation_split": 0.2},
            "'validation_split' can't stand in a subset. Move it to the general",
        ),
        ({"custom_attributes": {"a": 1}}, "custom_attributes: a = 1 means nothing. Allowed: diff_output_pres"),
        ({"metadata_file": "m.json", "class_tokens": "x"}, "'class_tokens' can't stand beside metadata_file"),
        ({"num_repaets": 1}, "unknown key 'num_repaets'. Did you mean 'num_repeats'?"),
    ],
)
def test_values_that_make_no_sense_are_refused(read, values, told):
    assert told in refusal(read, **values)


@pytest.mark.parametrize("key", ["color_aug", "random_crop"])
@pytest.mark.parametrize("option", ["cache_latents", "cache_latents_to_disk"])
def test_what_changes_at_each_draw_excludes_cached_latents(read, key, option):
    assert f"a: {key} draws other pixels each time" in refusal(read, "subset", {option: True}, **{key: True})


def test_a_face_crop_excludes_buckets(read):
    buckets = {"enable_bucket": True, "min_bucket_reso": 64}
    assert "face_crop_aug_range cuts to one size" in refusal(
        read, "subset", buckets, face_crop_aug_range=[1.0, 2.0]
    )


def test_dynamic_crops_are_of_one_size_whatever_buckets_and_caches_are_asked_for(read):
    options = {"enable_bucket": True, "cache_latents": True, "resolution": "1024", "min_bucket_reso": 256}
    dataset = read("subset", options, dynamic_crop=True)
    assert (dataset.rule.enabled, dataset.rule.resolution) == (False, (64, 64))

    options |= {"dynamic_crop": True, "dynamic_crop_resolution": "96,64"}
    assert read("subset", options).rule.resolution == (96, 64)
    assert read("dataset", options, dynamic_crop_resolution=[64, 128]).rule.resolution == (64, 128)
    options |= {"min_bucket_reso": 64}
    assert read("subset", options, dynamic_crop=False).rule.resolution == (64, 64)


def test_masks_need_the_loss_that_heeds_them(read):
    told = refusal(read, "subset", {"masked_loss": False}, conditioning_data_dir="m")
    assert told.endswith(
        "a: conditioning_data_dir names masks, but masked_loss is not set. Set masked_loss = true."
    )


def test_masks_that_an_option_names_are_not_for_regularisation_images(read):
    options = {"conditioning_data_dir": "m"}
    assert read("subset", options).subsets[0].conditioning_data_dir == Path("m")
    assert read("subset", options, is_reg=True).subsets[0].conditioning_data_dir is None
    assert "masked_loss is not set" in refusal(read, "subset", {**options, "masked_loss": False})


def test_a_resolution_outside_the_buckets_is_refused(read):
    told = refusal(read, "dataset", {"min_bucket_reso": 256}, enable_bucket=True)
    assert "datasets[0]: resolution 64x64 is below min_bucket_reso = 256. Set min_bucket_reso to 64" in told


def test_listed_and_captioned_images_can_not_share_a_dataset(tmp_path):
    path = tmp_path / "dataset.toml"
    subsets = "[[datasets.subsets]]\nimage_dir = 'a'\n[[datasets.subsets]]\nmetadata_file = 'm.json'\n"
    path.write_text(f"[[datasets]]\nresolution = 64\n{subsets}")
    with pytest.raises(DatasetError, match="with and without metadata_file can't share a dataset"):
        read_dataset_config(path, settings_from({}))


def test_a_dataset_file_goes_before_the_folders_and_says_so(tmp_path):
    path = tmp_path / "dataset.toml"
    path.write_text("[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nimage_dir = 'a'\n")
    config = read_datasets(settings_from({"dataset_config": str(path), "train_data_dir": "b"}))
    assert config.warnings == (f"train_data_dir is ignored: {path} names the images.",)


def test_json_that_is_broken_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=r"dataset\.json is not JSON"):
        read_dataset_config(tmp_path / "dataset.json", settings_from({}))


def test_every_key_that_a_list_of_images_excludes_is_a_key():
    assert set(NOT_WITH_METADATA) <= set(KEYS)
