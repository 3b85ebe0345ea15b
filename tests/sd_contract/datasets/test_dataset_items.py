"""The images that are found, their captions and masks, and what is told of those left out."""

import json

import pytest
from PIL import Image

from sd_contract.datasets import Dataset, Subset, collect, read_datasets
from sd_contract.errors import DatasetError
from sd_contract.options import settings_from


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of images, by name and size, and of text files."""

    def make(name="a", texts=None, **images):
        path = tmp_path / name
        path.mkdir(parents=True, exist_ok=True)
        for stem, size in images.items():
            Image.new("RGB", size).save(path / f"{stem}.png")
        for file, text in (texts or {}).items():
            (path / file).write_text(text, encoding="utf-8")
        return path

    return make


def found(*subsets, resolution=(64, 64), **values):
    return collect(Dataset(resolution=resolution, batch_size=2, subsets=subsets, **values))


def captions(*subsets):
    return {item.image.stem: item.caption for item in found(*subsets).items}


def test_only_the_first_line_is_the_caption_but_with_wildcards_all_are(folder):
    path = folder(x=(64, 64), texts={"x.txt": "one\n\n two \n"})
    plain = Subset(image_dir=path, caption_extension=".txt")

    assert captions(plain) == {"x": "one"}
    assert captions(Subset(image_dir=path, caption_extension=".txt", enable_wildcard=True)) == {"x": "one\ntwo"}


def test_a_face_in_the_name_is_no_part_of_the_captions_name(folder):
    path = folder(cat_10_20_30_40=(64, 64), texts={"cat.txt": "a cat"})
    assert captions(Subset(image_dir=path, caption_extension=".txt")) == {"cat_10_20_30_40": "a cat"}


def test_an_empty_caption_is_warned_of_and_is_not_the_class(folder):
    path = folder(x=(64, 64), texts={"x.txt": " \n"})
    collected = found(Subset(image_dir=path, caption_extension=".txt", class_tokens="zorb"))

    assert collected.items[0].caption == ""
    assert collected.warnings == (
        f"caption file {path / 'x.txt'} is empty; its image is trained without a caption.",
    )


def test_captions_with_another_suffix_are_pointed_to(folder):
    path = folder(x=(64, 64), texts={"x.txt": "a cat"})
    (told,) = found(Subset(image_dir=path, class_tokens="x")).warnings
    assert told.endswith('captions are read from .caption files. Is caption_extension = ".txt" meant?')


def test_files_of_other_formats_and_folders_in_folders_are_told(folder):
    path = folder(x=(64, 64), texts={"y.gif": "", ".z.gif": "", "notes.md": ""})
    folder("a/deeper", z=(64, 64))
    others, deeper = found(Subset(image_dir=path, class_tokens="x")).warnings

    assert others.startswith(f"1 files in {path} are left out; images are files ending in")
    assert others.endswith(": y.gif")
    assert deeper == f"1 folders in {path} are left out; only images directly in image_dir are trained on: deeper"


def test_images_that_are_enlarged_or_cropped_a_lot_are_told(folder):
    path = folder(dot=(8, 8), thin=(900, 64), good=(70, 64))
    enlarged, cropped = found(Subset(image_dir=path, class_tokens="x")).warnings

    assert enlarged == f"1 images in {path} are enlarged more than twice: dot.png (8x8)"
    assert cropped == f"1 images in {path} lose more than half by cropping: thin.png (900x64)"


def test_an_image_that_no_bucket_holds_is_named(folder):
    path = folder(thin=(900, 3))
    with pytest.raises(DatasetError, match=r"image .*thin\.png: 900x3 pixels are less than one step"):
        found(Subset(image_dir=path), resolution=(512, 512), enable_bucket=True, bucket_no_upscale=True)


def test_a_file_that_is_no_image_is_named(folder):
    path = folder(texts={"x.png": "garbage"})
    with pytest.raises(DatasetError, match=r"x\.png can't be read \(it is no PNG"):
        found(Subset(image_dir=path))


def test_one_missing_folder_among_several_is_an_error(folder, tmp_path):
    there = Subset(image_dir=folder(x=(64, 64)), class_tokens="x")
    for gone in (Subset(image_dir=tmp_path / "gone"), Subset(image_dir=tmp_path / "gone", is_reg=True)):
        with pytest.raises(DatasetError, match="gone does not exist"):
            found(there, gone)


def test_every_image_needs_its_mask(folder):
    masks = folder("masks", texts={}, x=(64, 64))
    subset = Subset(image_dir=folder(x=(64, 64), y=(64, 64)), conditioning_data_dir=masks)
    with pytest.raises(DatasetError, match=r"1 images in .* have no mask in .*masks: y\.png"):
        found(subset)


def test_a_mask_has_the_name_of_its_image(folder):
    masks = folder("masks", x=(64, 64))
    (masks / "x.png").rename(masks / "x.webp")
    (item,) = found(Subset(image_dir=folder(x=(64, 64)), conditioning_data_dir=masks, class_tokens="x")).items
    assert item.mask == masks / "x.webp"


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_listed_images_have_their_caption_and_tags(folder, tmp_path, suffix):
    path = folder(x=(64, 64), y=(64, 64), z=(64, 64))
    table = {"x": {"caption": "a cat", "tags": "red, big"}, str(path / "y.png"): {"tags": "dog"}}
    table["z.png"] = {"caption": "a cow", "tags": ""}
    lines = "\n".join(json.dumps({"image_path": name, **entry}) for name, entry in table.items())
    (tmp_path / f"m{suffix}").write_text(json.dumps(table) if suffix == ".json" else lines)
    subset = Subset(image_dir=path, metadata_file=tmp_path / f"m{suffix}", caption_separator=";")

    assert captions(subset) == {"x": "a cat;red, big", "y": "dog", "z": "a cow"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON as it should be"),
        ("{}", "lists no images"),
        ("[]", "must be a table from image paths"),
        ('["x"]', "must be a table from image paths"),
        ('{"x": 1}', "'x' must be a table with caption and tags"),
        ('{"x": {}}', "'x' has neither caption nor tags"),
        ('{"x": {"caption": 1}}', "caption and tags of 'x' must be texts"),
        ('{"gone": {"caption": "c"}}', "lists gone, which is neither there nor in"),
    ],
)
def test_a_list_of_images_that_is_not_as_it_should_be_is_refused(folder, tmp_path, content, told):
    (tmp_path / "m.json").write_text(content)
    subset = Subset(image_dir=folder(x=(64, 64)), metadata_file=tmp_path / "m.json")
    with pytest.raises(DatasetError) as caught:
        found(subset)
    assert told in str(caught.value)


def test_a_list_of_images_can_be_named_by_options_alone(folder, tmp_path):
    path = folder(x=(64, 64))
    (tmp_path / "m.json").write_text('{"x": {"caption": "c"}}')
    settings = settings_from(
        {"train_data_dir": str(path), "in_json": str(tmp_path / "m.json"), "resolution": "64"}
    )
    (dataset,) = read_datasets(settings).datasets
    assert [item.caption for item in collect(dataset).items] == ["c"]


def test_images_beside_the_folders_are_told(folder, tmp_path):
    folder("train", loose=(64, 64))
    folder("train/3_cat", x=(64, 64))
    settings = settings_from({"train_data_dir": str(tmp_path / "train"), "resolution": "64"})
    (told,) = read_datasets(settings).warnings
    assert told.startswith("1 images directly in")
    assert told.endswith("loose.png")


def test_a_missing_regularisation_folder_is_an_error(folder, tmp_path):
    folder("train/3_cat", x=(64, 64))
    values = {
        "train_data_dir": str(tmp_path / "train"),
        "reg_data_dir": str(tmp_path / "gone"),
        "resolution": "64",
    }
    with pytest.raises(DatasetError, match="Correct reg_data_dir"):
        read_datasets(settings_from(values))
