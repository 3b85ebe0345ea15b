"""Images that are kept back for validation are never trained on, whatever lies in the folders."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sd_contract.datasets import Dataset, Subset, collect_divided, dataset_config_from, to_toml
from sd_contract.errors import DatasetError
from sd_contract.options import settings_from


def picture(path, shade):
    """A file that differs from those of other shades; those of a shade are equal to the byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (shade, 100, 50)).save(path)
    return path


def dataset(*folders, split=0.3, seed=None, **values):
    subsets = tuple(folder if isinstance(folder, Subset) else Subset(image_dir=folder) for folder in folders)
    facts = {"resolution": (64, 64), "batch_size": 2, "validation_split": split, "validation_seed": seed}
    return Dataset(**{**facts, "subsets": subsets, **values})


def images(collected):
    return [item.image for one in collected for item in one.items]


def originals(paths):
    """What the pictures show: content, and the original that copies are named after."""
    shown = set()
    for path in paths:
        shown.add(hashlib.sha256(path.read_bytes()).hexdigest())
        number, *copy = path.stem.split("-")
        if len(copy) == 2:
            shown.add((path.parent.resolve(), number, copy[1]))
    return shown


FOLDERS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=8),
    min_size=1,
    max_size=3,
)


@given(FOLDERS, st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(0, 9), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_picture_is_on_both_sides(tmp_path, folders, split, seed, linked, regularised):
    """Copies of originals, equal files under other names, links, several folders, datasets and sizes at once."""
    home = tmp_path / "case"
    shutil.rmtree(home, ignore_errors=True)
    for place, files in enumerate(folders):
        for number, copy, shade in files:
            picture(home / f"{place}" / f"{number:05}-{copy}-cat.png", 10 * shade)
    paths = [home / f"{place}" for place in range(len(folders))]
    if linked:
        (home / "links").mkdir()
        first = sorted(paths[0].iterdir())[0]
        (home / "links" / "other name.png").symlink_to(first)
        picture(home / "links" / "alone.png", 200)
        paths.append(home / "links")
    subsets = [Subset(image_dir=path) for path in paths]
    if regularised:
        subsets.append(Subset(image_dir=paths[0].parent / "reg", is_reg=True))
        picture(home / "reg" / "same as a trained one.png", 10 * folders[0][0][2])
        picture(home / "reg" / "of its own.png", 250)
    datasets = [dataset(*subsets, split=split, seed=seed)]
    datasets.append(dataset(paths[-1], split=0.0, resolution=(128, 128)))
    try:
        found = collect_divided(datasets)
    except DatasetError as error:
        assert "validation_split" in str(error) or "only regularisation" in str(error)
        return
    trained, measured = images(found.training), images(found.validation)

    assert measured and trained
    assert originals(trained).isdisjoint(originals(measured))
    assert {path.resolve() for path in trained}.isdisjoint(path.resolve() for path in measured)
    again = collect_divided(datasets)
    assert (images(again.training), images(again.validation)) == (trained, measured)


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        picture(tmp_path / "cats" / f"{number:02}.png", number)
    return tmp_path / "cats"


@pytest.mark.parametrize(("split", "count"), [(0.1, 2), (0.05, 1), (0.5, 10), (0.12, 2), (0.13, 3), (0.0, 0)])
def test_the_share_is_kept_back_of_each_folder(folder, split, count):
    found = collect_divided([dataset(folder, split=split)])

    assert len(images(found.validation)) == count
    assert sorted(images(found.validation) + images(found.training)) == sorted(folder.iterdir())


def test_which_images_these_are_depends_on_the_seed_alone_and_moves_with_the_project(folder, tmp_path):
    def names(seed, where=folder):
        return {path.name for path in images(collect_divided([dataset(where, seed=seed)]).validation)}

    shutil.copytree(folder, tmp_path / "elsewhere" / "cats")
    assert names(None) == names(0) == names(0, tmp_path / "elsewhere" / "cats")
    assert len({frozenset(names(seed)) for seed in range(5)}) > 2


def test_copies_of_an_original_stay_together(tmp_path):
    for number in range(4):
        for copy in range(3):
            picture(tmp_path / f"{number:05}-{copy}-a cat.png", 10 * number + copy)
    (measured,) = collect_divided([dataset(tmp_path, split=0.25)]).validation

    assert len({item.image.name.split("-")[0] for item in measured.items}) == 1
    assert len(measured.items) == 3


def test_each_image_is_measured_once_and_without_chance(folder):
    chance = Subset(
        image_dir=folder,
        num_repeats=7,
        flip_aug=True,
        random_crop=True,
        dynamic_crop=True,
        shuffle_caption=True,
        caption_dropout_rate=0.5,
        caption_tag_dropout_rate=0.5,
        token_warmup_step=9,
        caption_prefix="photo of",
    )
    (measured,) = collect_divided([dataset(chance)]).validation
    subset = measured.items[0].subset

    assert measured.samples == len(measured.items) == 6
    assert not (subset.flip_aug or subset.differs_at_each_draw or subset.shuffle_caption)
    assert subset.caption_dropout_rate == subset.caption_tag_dropout_rate == subset.token_warmup_step == 0
    assert subset.caption_prefix == "photo of"


def test_regularisation_images_are_as_many_as_those_that_are_left(folder, tmp_path):
    for number in range(30):
        picture(tmp_path / "class" / f"{number}.png", 100 + number)
    (trained,) = collect_divided(
        [dataset(folder, Subset(image_dir=tmp_path / "class", is_reg=True), split=0.5)]
    ).training

    assert trained.samples_of(is_reg=True) == trained.samples_of(is_reg=False) == 10


def test_what_another_dataset_keeps_back_is_told(folder, tmp_path):
    found = collect_divided([dataset(folder, split=0.1), dataset(folder, split=0.0, resolution=(128, 128))])

    assert len(found.validation) == 1
    assert [len(one.items) for one in found.training] == [18, 18]
    assert any(told.startswith("2 images are not trained on here") for told in found.training[1].warnings)


@pytest.mark.parametrize(
    ("count", "split", "words"),
    [
        (4, 0.1, "validation_split = 0.1 of 4 images is none"),
        (1, 0.9, "leaves none to train on"),
        (2, 0.9, "leaves none to train on"),
    ],
)
def test_a_split_that_leaves_a_side_empty_is_an_error(tmp_path, count, split, words):
    for number in range(count):
        picture(tmp_path / "few" / f"{number}.png", number)
    with pytest.raises(DatasetError, match=words):
        collect_divided([dataset(tmp_path / "few", split=split)])


def test_a_dataset_file_may_split_its_datasets_in_its_own_way(folder):
    table = {
        "general": {"resolution": 64, "validation_split": 0.1},
        "datasets": [
            {"subsets": [{"image_dir": str(folder), "custom_attributes": {"diff_output_preservation": True}}]},
            {"validation_split": 0.5, "validation_seed": 7, "subsets": [{"image_dir": str(folder)}]},
        ],
    }
    config = dataset_config_from(table, settings_from({"validation_split": 0.9}), "x.toml")

    assert [(one.validation_split, one.validation_seed) for one in config.datasets] == [(0.1, None), (0.5, 7)]
    assert config.datasets[0].subsets[0].diff_output_preservation
    assert dataset_config_from(to_toml(config), settings_from({}), "y.toml") == config
    with pytest.raises(DatasetError, match="validation_split = 1 is no share"):
        dataset(folder, split=1)


def test_an_attribute_that_means_nothing_is_an_error(folder):
    table = {"datasets": [{"subsets": [{"image_dir": str(folder), "custom_attributes": {"mood": "blue"}}]}]}
    with pytest.raises(DatasetError, match="custom_attributes: mood = 'blue' means nothing"):
        dataset_config_from(table, settings_from({"resolution": "64"}), "x.toml")
