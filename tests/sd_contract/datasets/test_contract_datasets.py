import pytest
import tomli_w

from sd_contract.datasets import balanced_repeats, collect, read_dataset_config, read_datasets, to_toml
from sd_contract.errors import DatasetError
from sd_contract.options import settings_from

HEAD = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40\x08\0\0\0\0"
"""The first bytes of an image of 64 x 64 pixels."""
SUBSET = "[[datasets]]\nresolution = 64\n[[datasets.subsets]]\n"


@pytest.fixture
def images(tmp_path):
    """Makes a folder of files that are named like images, and captions."""

    def make(folder, *names, **captions):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(HEAD)
        for stem, text in captions.items():
            (tmp_path / folder / f"{stem}.txt").write_text(text, encoding="utf-8")
        return tmp_path / folder

    return make


@pytest.fixture
def config(tmp_path):
    def read(text, **values):
        path = tmp_path / "dataset.toml"
        path.write_text(text, encoding="utf-8")
        return read_dataset_config(path, settings_from(values))

    return read


def test_a_value_is_looked_for_from_the_subset_upwards(config):
    read = config(
        "[general]\nkeep_tokens = 1\nnum_repeats = 2\ncaption_extension = 'txt'\n"
        "[[datasets]]\nbatch_size = 3\nkeep_tokens = 4\nresolution = [96, 64]\n"
        "[[datasets.subsets]]\nimage_dir = 'a'\nnum_repeats = 5\n[[datasets.subsets]]\nimage_dir = 'b'\n",
        shuffle_caption=True,
        train_batch_size=9,
    )

    (dataset,) = read.datasets
    first, second = dataset.subsets
    assert (dataset.resolution, dataset.batch_size) == ((96, 64), 3)
    assert (first.num_repeats, second.num_repeats) == (5, 2)
    assert (first.keep_tokens, first.caption_extension, first.shuffle_caption) == (4, ".txt", True)


def test_settings_stand_in_for_what_the_file_leaves_out(config):
    text = "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'a'\nshuffle_caption = false\n"

    (dataset,) = config(text, train_batch_size=2, resolution="64,96", shuffle_caption=True).datasets

    assert (dataset.batch_size, dataset.resolution) == (2, (64, 96))
    assert dataset.subsets[0].shuffle_caption is False
    assert dataset.subsets[0].caption_extension == ".caption"


def test_written_and_read_again_it_is_the_same(config, awkward_name):
    text = f"[general]\nclass_tokens = 'zorb'\n{SUBSET}image_dir = '''{awkward_name}'''\nis_reg = true\n"
    first = config(text)

    assert config(tomli_w.dumps(to_toml(first))) == first


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SUBSET + "image_dir = 'a'\nnum_repeat = 2", "datasets[0].subsets[0]: unknown key 'num_repeat'. Did you"),
        (SUBSET + "image_dir = 'a'\nnum_repeats = 2.0", "num_repeats = 2.0: a whole number is wanted."),
        (SUBSET + "image_dir = 'a'\nnum_repeats = true", "num_repeats = True: a whole number is wanted."),
        (SUBSET + "image_dir = 'a'\nnum_repeats = 0", "num_repeats = 0 is too small. 1 or more is allowed."),
        (
            SUBSET + "image_dir = 'a'\nresolution = 64",
            "'resolution' can't stand in a subset. Move it to the general",
        ),
        (SUBSET + "image_dir = 'a'\n[[datasets.subsets]]\nimage_dir = 'a'", "image_dir a stands there twice"),
        (SUBSET + "num_repeats = 1", "datasets[0].subsets[0]: image_dir is missing."),
        ("enable_bucket = true", "'enable_bucket' can't stand at the top; allowed: [general] and [[datasets]]."),
        ("[[datasets]]\nresolution = '64'\n", "resolution = '64': a whole number or [width, height] is wanted."),
        ("[[datasets]]\nresolution = [64]\n", "resolution = [64]: a whole number or [width, height] is wanted."),
        ("[[datasets]]\nresolution = 64\n", "datasets[0].subsets is missing or empty. At least one is needed."),
        ("[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'a'", "datasets[0]: resolution is missing."),
        ("[[datasets]]\nresolution = 60\n[[datasets.subsets]]\nimage_dir = 'a'", "must be multiples of 8"),
        ("[general]\nkeep_tokens = 1\n", "[[datasets]] is missing or empty"),
        ("general = 1\n", "[general] must be a table of keys."),
        ("[[datasets\n", "dataset.toml is not TOML"),
    ],
)
def test_what_can_not_be_used_is_refused(config, text, told):
    with pytest.raises(DatasetError) as caught:
        config(text)
    assert told in str(caught.value)


def test_images_are_found_whatever_the_case_of_their_suffix(config, images):
    folder = images("a", "b.PNG", "a.JpEg", ".hidden.png", "notes.md", a="one", b=" two \nthree")
    (dataset,) = config(f"{SUBSET}image_dir = '{folder}'\ncaption_extension = '.txt'\n").datasets

    collected = collect(dataset)

    assert [(item.image.name, item.caption) for item in collected.items] == [("a.JpEg", "one"), ("b.PNG", "two")]
    assert collected.warnings == ()


def test_class_tokens_stand_in_for_missing_captions(config, images):
    folder = images("a", "a.png", "b.png", b="written")
    (dataset,) = config(
        f"{SUBSET}image_dir = '{folder}'\ncaption_extension = '.txt'\nclass_tokens = 'zorb'\n"
    ).datasets

    assert [item.caption for item in collect(dataset).items] == ["zorb", "written"]


def test_missing_and_empty_captions_are_warned_of(config, images):
    folder = images("a", "a.png", "b.png", b="")
    (dataset,) = config(f"{SUBSET}image_dir = '{folder}'\ncaption_extension = '.txt'\n").datasets

    empty, missing = collect(dataset).warnings

    assert empty == f"caption file {folder / 'b.txt'} is empty; its image is trained without a caption."
    assert missing.startswith(f"1 images in {folder} have neither a .txt file nor class_tokens")
    assert missing.endswith("a.png")


def test_a_missing_folder_and_one_without_images_are_errors(config, images, tmp_path):
    (gone,) = config(f"{SUBSET}image_dir = '{tmp_path / 'gone'}'\n").datasets
    (empty,) = config(f"{SUBSET}image_dir = '{images('e')}'\n").datasets

    with pytest.raises(DatasetError, match=r"gone does not exist. Correct image_dir"):
        collect(gone)
    with pytest.raises(DatasetError, match=r"holds no images. Images are files ending in .bmp, .jpeg"):
        collect(empty)


def test_a_caption_that_is_not_utf_8_is_named(config, images):
    folder = images("a", "a.png")
    (folder / "a.caption").write_bytes(b"caf\xe9")
    (dataset,) = config(f"{SUBSET}image_dir = '{folder}'\n").datasets

    with pytest.raises(DatasetError, match=r"a\.caption can't be read .* Save it as UTF-8 text"):
        collect(dataset)


@pytest.mark.parametrize(
    ("own", "wanted", "balanced"),
    [
        ([1, 1, 1], 20, [7, 7, 6]),
        ([10, 10, 10], 20, [10, 10, 0]),
        ([3, 3, 3], 5, [3, 3, 0]),
        ([], 5, []),
    ],
)
def test_regularisation_images_are_balanced_as_sd_scripts_does(own, wanted, balanced):
    assert balanced_repeats(own, wanted) == balanced


def test_regularisation_images_left_over_are_not_drawn(config, images):
    new, kept = images("new", "a.png", "b.png"), images("kept", "c.png", "d.png", "e.png")
    (dataset,) = config(
        f"[general]\nclass_tokens = 'x'\n{SUBSET}image_dir = '{kept}'\nis_reg = true\n"
        f"[[datasets.subsets]]\nimage_dir = '{new}'\n"
    ).datasets

    collected = collect(dataset)

    assert [item.image.name for item in collected.items] == ["a.png", "b.png", "c.png", "d.png"]
    assert collected.samples_of(is_reg=True) == collected.samples_of(is_reg=False) == 2


def test_folders_named_by_repeats_and_class_need_no_file(images, tmp_path):
    images("train/10_red cat_x", "a.png")
    images("train/notes", "b.png")
    settings = settings_from({"train_data_dir": str(tmp_path / "train"), "resolution": "64"})

    config = read_datasets(settings)

    (subset,) = config.datasets[0].subsets
    assert (subset.num_repeats, subset.class_tokens) == (10, "red cat_x")
    assert len(config.warnings) == 1
    assert "notes is left out" in config.warnings[0]


def test_no_images_named_at_all_is_an_error():
    with pytest.raises(DatasetError, match="Give --dataset_config FILE or --train_data_dir FOLDER"):
        read_datasets(settings_from({}))
