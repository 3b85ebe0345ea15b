"""What goes wrong silently elsewhere is said here, before a model is loaded: the job of a whole command line."""

import pytest
from PIL import Image

from lora_engine.job import read_job
from sd_contract.errors import ContractError


@pytest.fixture
def images(tmp_path):
    """Makes a folder of captioned images by name and size."""

    def make(name="images", suffix=".txt", **sizes):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for stem, size in sizes.items():
            Image.new("RGB", size).save(folder / f"{stem}.png")
            (folder / f"{stem}{suffix}").write_text("a thing")
        return folder

    return make


@pytest.fixture
def job(tmp_path, tiny_model):
    """The job of a dataset of these subsets, with these options."""

    def read(*folders, options=(), subset="", general="caption_extension = '.txt'"):
        text = f"[general]\n{general}\n[[datasets]]\nresolution = 64\n"
        text += "".join(f"[[datasets.subsets]]\nimage_dir = '{folder}'\n{subset}\n" for folder in folders)
        (tmp_path / "dataset.toml").write_text(text)
        named = ("--dataset_config", str(tmp_path / "dataset.toml"))
        return read_job([*around(tmp_path, tiny_model), *named, *options])

    return read


def around(folder, model):
    return ["--pretrained_model_name_or_path", str(model), "--output_dir", str(folder / "out")]


def refusal(*arguments, read, **values):
    with pytest.raises(ContractError) as caught:
        read(*arguments, **values)
    return str(caught.value)


def test_a_folder_that_is_missing_or_empty_ends_the_run(job, images, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "gone does not exist. Correct image_dir" in refusal(tmp_path / "gone", read=job)
    assert "holds no images" in refusal(tmp_path / "empty", read=job)


def test_one_missing_folder_of_several_ends_the_run(job, images, tmp_path):
    assert "gone does not exist" in refusal(images(a=(64, 64)), tmp_path / "gone", read=job)


@pytest.mark.parametrize("parent", ["train_data_dir", "reg_data_dir"])
def test_a_missing_parent_folder_ends_the_run(images, tmp_path, tiny_model, parent):
    images("train/1_thing", a=(64, 64))
    options = {"--train_data_dir": str(tmp_path / "train"), "--resolution": "64"}
    options |= {f"--{parent}": str(tmp_path / "gone")}
    words = [word for pair in options.items() for word in pair]
    assert f"Correct {parent}." in refusal([*around(tmp_path, tiny_model), *words], read=read_job)


def test_folders_without_repeats_and_images_beside_the_folders_are_told(images, tmp_path, tiny_model):
    images("train/1_thing", a=(64, 64))
    images("train/badname", a=(64, 64))
    images("train", loose=(64, 64))
    words = ["--train_data_dir", str(tmp_path / "train"), "--resolution", "64", "--caption_extension", ".txt"]
    loose, bad = read_job([*around(tmp_path, tiny_model), *words]).warnings
    assert "1 images directly in" in loose
    assert "badname is left out: its name does not begin with repeats, as 10_badname." in bad


def test_other_formats_and_folders_in_folders_are_told_and_capitals_do_not_matter(job, images):
    folder = images(a=(64, 64))
    (folder / "a.png").rename(folder / "a.PnG")
    (folder / "b.gif").touch()
    images("images/deeper", c=(64, 64))
    read = job(folder)
    assert [item.image.name for item in read.datasets[0].items] == ["a.PnG"]
    assert [warning.split(" in ")[0] for warning in read.warnings] == ["1 files", "1 folders"]


def test_an_image_without_any_caption_is_told(job, images):
    (told,) = job(images(suffix=".md", a=(64, 64))).warnings
    assert told.endswith("have neither a .txt file nor class_tokens and are trained without a caption: a.png")


def test_captions_with_another_suffix_are_told(job, images):
    (told,) = job(images(a=(64, 64)), subset="class_tokens = 'x'", general="").warnings
    assert told.endswith('Is caption_extension = ".txt" meant?')


@pytest.mark.parametrize("size", [(8, 8), (900, 3)])
@pytest.mark.parametrize("general", ["", "enable_bucket = true\nmin_bucket_reso = 64"])
def test_tiny_images_are_told(job, images, general, size):
    told = job(images(a=size), general=f"caption_extension = '.txt'\n{general}").warnings
    assert f"are enlarged more than twice: a.png ({size[0]}x{size[1]})" in told[0]


def test_an_empty_caption_is_told_and_the_run_goes_on(job, images):
    folder = images(a=(64, 64))
    (folder / "a.txt").write_bytes(b"")
    assert "a.txt is empty; its image is trained without a caption." in job(folder).warnings[0]


@pytest.mark.parametrize("content", [b"garbage", b""])
def test_a_file_that_is_no_image_is_named(job, images, content):
    folder = images(a=(64, 64))
    (folder / "b.png").write_bytes(content)
    assert "b.png can't be read" in refusal(folder, read=job)


@pytest.mark.parametrize("what", ["image", "mask"])
def test_an_image_or_mask_that_is_cut_short_is_named_before_the_model_is_loaded(job, images, what):
    folder, masks = images(a=(64, 64), b=(64, 64)), images("masks", a=(64, 64), b=(64, 64))
    broken = (folder if what == "image" else masks) / "b.png"
    Image.effect_noise((64, 64), 90).save(broken)
    broken.write_bytes(broken.read_bytes()[:2000])
    told = refusal(folder, read=job, subset=f"conditioning_data_dir = '{masks}'", options=["--masked_loss"])
    assert told == f"image {broken} is cut short: its end is missing. Copy or download it again."


def test_a_regularisation_folder_that_is_missing_or_empty_ends_the_run(job, images, tmp_path):
    (tmp_path / "empty").mkdir()
    folder = images(a=(64, 64))
    for name, told in (("gone", "gone does not exist"), ("empty", "empty holds no images")):
        kept = f"[[datasets.subsets]]\nimage_dir = '{tmp_path / name}'\nis_reg = true"
        assert told in refusal(folder, read=job, subset=kept)


def test_regularisation_images_alone_end_the_run(job, images):
    assert "there are only regularisation images" in refusal(images(a=(64, 64)), read=job, subset="is_reg = true")


def test_regularisation_images_of_another_class_are_told(job, images):
    kept = f"[[datasets.subsets]]\nimage_dir = '{images('kept', b=(64, 64))}'\nis_reg = true\nclass_tokens = 'dog'"
    (told,) = job(images(a=(64, 64)), subset=kept).warnings
    assert "are of the class 'dog', which is in no caption and no class of the training images" in told


def test_files_that_will_be_replaced_and_options_without_effect_are_told(job, images, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cat.safetensors").touch()
    folder, options = images(a=(64, 64)), ["--output_name", "cat", "--save_every_n_steps", "9"]
    replaced, never = job(folder, options=[*options, "--max_train_steps", "8"]).warnings
    assert replaced.startswith(f"1 files in {tmp_path / 'out'} will be replaced: cat.safetensors.")
    assert never == "save_every_n_steps = 9 never comes: the run has 8 steps"


def test_a_name_too_long_for_the_disk_ends_the_run(job, images):
    told = refusal(images(a=(64, 64)), read=job, options=["--output_name", "x" * 250])
    assert "a file of that name can't be written" in told


def test_an_image_thinner_than_a_bucket_step_is_named(job, images):
    general = "caption_extension = '.txt'\nenable_bucket = true\nbucket_no_upscale = true"
    told = refusal(images(thin=(900, 3)), read=job, general=general)
    assert "thin.png: 900x3 pixels are less than one step of 64 pixels" in told


def test_an_image_of_another_size_needs_no_buckets(job, images):
    (item,) = job(images(a=(70, 90))).datasets[0].items
    assert (item.placement.resized, item.placement.bucket) == ((64, 82), (64, 64))


def test_a_key_that_is_misspelt_is_named_with_the_nearest(job, images):
    assert "Did you mean 'num_repeats'?" in refusal(images(a=(64, 64)), read=job, subset="num_repeat = 2")


def test_bucket_steps_have_to_suit_the_family(job, images):
    general = "caption_extension = '.txt'\nenable_bucket = true\nmin_bucket_reso = 64\nbucket_reso_steps = 32"
    told = refusal(images(a=(64, 64)), read=job, general=general)
    assert told == "bucket_reso_steps = 32 does not suit sd1 models. A multiple of 64 is allowed."


def test_masks_that_no_image_has_are_told(job, images):
    (told,) = job(images(a=(64, 64)), options=["--masked_loss"]).warnings
    assert told.startswith("masked_loss has no effect: there are no masks.")


def test_a_face_crop_that_finds_no_face_is_told(job, images):
    (told,) = job(images(a=(64, 64)), options=["--face_crop_aug_range", "2.0,4.0"]).warnings
    assert told.endswith("since their names don't end in _x_y_width_height: a.png")


def test_a_validation_split_is_not_done_halfway(job, images):
    told = refusal(images(a=(64, 64)), read=job, general="validation_split = 0.3")
    assert "validation_split = 0.3 of 1 images is none. Raise it" in told
