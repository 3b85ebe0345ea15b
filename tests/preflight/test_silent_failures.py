"""What kohya's scripts do in silence, or tell after minutes, is told before the night: one test for each row of
the list of what was measured. What can only be seen afterwards is told by the engine and tested there."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from benchmarks.pocket.blueprint import Blueprint, build
from benchmarks.pocket.single_file import save
from tests.app.conftest import POCKET, PROJECT, VERSION
from tests.preflight.conftest import USUAL
from train_tools.model.draft import Draft
from train_tools.model.finding import Level

BOTH = pytest.mark.parametrize("engine", ["bundled", "kohya"])


@BOTH
def test_nothing_is_said_against_a_usual_run(desk, engine):
    assert desk.levels(engine, network_dim="8", unet_lr="1e-4") == {Level.OK}


@BOTH
def test_a_misspelt_key(desk, engine):
    """The default was used, and nothing said."""
    finding = desk.found("network_dimm", engine, network_dimm="8")
    assert (finding.level, "network_dim'" in finding.message) == (Level.STOP, True)


def test_a_key_in_a_table_in_a_table(desk, tmp_path):
    """Was ignored. Where a config is taken over, such a key is told; files for the trainer are written flat."""
    config = desk.app.configs.read(_file(tmp_path, "network_dim = 8\n[a.b]\nnetwork_alpha = 4\n"))
    assert "network_alpha" not in config.options
    assert any("network_alpha" in f"{entry.key} {entry.value}" for entry in config.entries)


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network_train_unet_only", '"false-ish"'),  # a flag given as text was true
        ("save_precision", "float8"),  # a value outside of the choices was passed over
        ("unet_lr", "fast"),  # a number as text failed after the model was loaded
        ("resolution", "wide"),  # as a number, it failed at the start
        ("train_batch_size", "two"),
    ],
)
def test_a_value_of_another_type_or_outside_of_the_choices(desk, engine, name, value):
    finding = desk.found(name, engine, **{name: value})
    assert (finding.check, finding.level) == ("options", Level.STOP)


@BOTH
def test_an_argument_that_the_network_does_not_know(desk, engine):
    """Was ignored, and recorded as though it had worked."""
    finding = desk.found("conv_dimm", engine, network_args="conv_dimm=8")
    assert finding.level is Level.STOP


@BOTH
def test_no_images_at_all(desk, engine):
    """Ended with exit code 0 and no file."""
    shutil.rmtree(desk.folder)
    finding = desk.found("no training images", engine)
    assert (finding.check, finding.level) == ("images", Level.STOP)


@BOTH
@pytest.mark.parametrize("name", ["3_dog", "no repeats"])
def test_a_folder_that_is_empty_or_without_repeats(desk, engine, name):
    """The training went on without it."""
    (desk.folder.parent / name).mkdir()
    finding = desk.found(name, engine)
    assert (finding.check, finding.level) == ("left out", Level.WARNING)


@BOTH
def test_regularisation_of_another_class(desk, engine):
    (desk.regularisation / "1_dog").mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(desk.regularisation / "1_dog" / "a.png")
    finding = desk.found("no folder trains the class 'dog'", engine)
    assert (finding.check, finding.level) == ("left out", Level.WARNING)


@BOTH
def test_images_beside_the_folders(desk, engine):
    shutil.copy(next(desk.folder.glob("*.png")), desk.folder.parent / "loose.png")
    assert desk.found("loose.png", engine).level is Level.WARNING


@BOTH
def test_formats_and_folders_that_are_left_out(desk, engine):
    shutil.copy(next(desk.folder.glob("*.png")), desk.folder / "moving.gif")
    (desk.folder / "more").mkdir()
    assert desk.found("moving.gif", engine).level is Level.WARNING
    assert desk.found("folders in folders", engine).level is Level.WARNING


def test_endings_of_mixed_case(desk):
    """kohya's scripts left them out; ours reads them."""
    image = next(desk.folder.glob("*.png"))
    image.rename(image.with_suffix(".PnG"))
    assert desk.found(".PnG", "kohya").level is Level.STOP
    assert Level.STOP not in desk.levels("bundled")


@BOTH
def test_images_without_a_caption(desk, engine):
    next(desk.folder.glob("*.txt")).unlink()
    finding = desk.found("1 of 2 images have no caption", engine)
    assert (finding.check, finding.level) == ("captions", Level.WARNING)


@BOTH
def test_captions_under_another_ending(desk, engine):
    for caption in desk.folder.glob("*.txt"):
        caption.rename(caption.with_suffix(".caption"))
    assert desk.found(".caption files", engine).level is Level.WARNING
    assert desk.found("No image has a caption", engine).level is Level.OK


@BOTH
@pytest.mark.parametrize(("size", "words"), [((8, 8), "enlarged"), ((900, 3), "cropping")])
def test_tiny_and_narrow_images(desk, engine, size, words):
    Image.new("RGB", size).save(desk.folder / "odd.png")
    finding = desk.found(words, engine, cache_latents="true")
    assert (finding.level, "odd.png" in finding.message) == (Level.WARNING, True)


@BOTH
def test_v_parameterization_where_nothing_speaks_for_it(desk, engine, unsigned):
    """Trained towards the wrong target."""
    finding = desk.found(
        "trains towards the wrong target",
        engine,
        pretrained_model_name_or_path=str(unsigned),
        v_parameterization="true",
        resolution="64,64",
    )
    assert (finding.check, finding.level) == ("base model", Level.STOP)


@BOTH
@pytest.mark.parametrize("flag", ["v2", "v_parameterization"])
def test_flags_against_what_the_file_says(desk, engine, flag):
    finding = desk.found(flag, engine, **{flag: "true"})
    assert (finding.check, finding.level) == ("base model", Level.STOP)


def test_a_validation_split_without_a_seed(desk):
    assert desk.found("overlap", "kohya", validation_split="0.5").level is Level.WARNING
    findings = desk.look("kohya", validation_split="0.5", validation_seed="1").findings
    assert not any("overlap" in finding.message for finding in findings)


@BOTH
def test_fp16_on_a_processor(desk, engine):
    """62 s for an image of 64x64."""
    finding = desk.found("fp16", engine, mixed_precision="fp16")
    assert (finding.check, finding.level) == ("precision", Level.STOP)


@BOTH
def test_a_base_model_that_does_not_exist(desk, engine):
    """Was taken for the name of something to download."""
    finding = desk.found("does not exist", engine, pretrained_model_name_or_path="/models/none.safetensors")
    assert (finding.check, finding.level) == ("base model", Level.STOP)


@BOTH
@pytest.mark.parametrize("option", ["output_dir", "dataset_config", "config_file", "output_name"])
def test_places_that_the_trainer_needs_are_not_the_users_to_forget(desk, engine, option):
    """output_dir missing cost the whole training at its last save."""
    finding = desk.found(option, engine, **{option: "x"})
    assert finding.level is Level.STOP


def test_a_caption_file_without_a_byte(desk):
    """kohya's scripts stopped; ours takes it for an empty caption."""
    next(desk.folder.glob("*.txt")).write_bytes(b"")
    assert desk.found("without a byte", "kohya").level is Level.STOP
    assert Level.STOP not in desk.levels("bundled")


@BOTH
def test_a_file_that_is_no_image(desk, engine):
    """Ended in a division by zero that named no file."""
    (desk.folder / "page.png").write_bytes(b"<html>")
    finding = desk.found("page.png (no image", engine)
    assert (finding.check, finding.level) == ("images", Level.STOP)


@BOTH
def test_a_truncated_image(desk, engine):
    image = desk.folder / "cut.jpg"
    Image.effect_noise((64, 64), 50).convert("RGB").save(image)
    image.write_bytes(image.read_bytes()[:-200])
    finding = desk.found("cut.jpg (cut short", engine)
    assert (finding.check, finding.level) == ("images", Level.STOP)


@BOTH
def test_an_image_thinner_than_a_step_of_the_buckets(desk, engine):
    Image.new("RGB", (900, 3)).save(desk.folder / "thin.png")
    finding = desk.found(
        "less than one step",
        engine,
        resolution="64,64",
        enable_bucket="true",
        bucket_no_upscale="true",
        min_bucket_reso="64",
    )
    assert (finding.check, finding.level) == ("images", Level.STOP)


def test_images_of_another_size_that_nothing_scales(desk):
    """kohya's scripts stopped at that image's first step; ours scales it."""
    Image.new("RGB", (80, 72)).save(desk.folder / "large.png")
    finding = desk.found("not exactly 64x64", "kohya")
    assert (finding.level, "large.png" in finding.message) == (Level.STOP, True)
    assert Level.STOP not in desk.levels("kohya", cache_latents="true")
    assert Level.STOP not in desk.levels("bundled")


@BOTH
@pytest.mark.parametrize("option", ["color_aug", "random_crop"])
def test_latents_that_are_kept_of_images_that_change(desk, engine, option):
    finding = desk.found(option, engine, cache_latents="true", **{option: "true"})
    assert finding.level is Level.STOP


@pytest.mark.parametrize("other", ["cache_latents", "enable_bucket"])
def test_what_gives_way_to_dynamic_crops_also_where_they_are_an_axis(desk, other):
    wanted = {"dynamic_crop": "true, false", other: "true"}
    finding = desk.found(f"{other} = true has no effect beside dynamic_crop = true", **wanted)
    assert (finding.level, len(finding.runs)) == (Level.WARNING, 1)
    sizes = {"dynamic_crop": "true", "dynamic_crop_resolution": "64", "dynamic_crop_zoom": "1, 1.5"}
    assert Level.STOP not in desk.levels(**sizes)


@pytest.mark.parametrize("other", ["shuffle_caption", "caption_tag_dropout_rate"])
def test_a_text_encoder_that_is_read_once_and_captions_that_change(desk, tmp_path, other):
    """kohya's scripts stopped; ours encodes what changes."""
    value = "true" if other == "shuffle_caption" else "0.1"
    kept = {"cache_text_encoder_outputs": "true", "network_train_unet_only": "true", other: value}
    assert desk.found("reads each caption once", "kohya", **_sdxl(tmp_path), **kept).level is Level.STOP
    assert Level.STOP not in desk.levels("bundled", **_sdxl(tmp_path), **kept)


def test_a_text_encoder_that_is_read_once_and_trained(desk, tmp_path):
    wanted = {**_sdxl(tmp_path), "cache_text_encoder_outputs": "true"}
    assert desk.found("so the text encoder can't be trained", "kohya", **wanted).level is Level.STOP


@BOTH
def test_files_that_would_be_replaced(desk, engine):
    """Were overwritten. A run's folder is its own; files of strangers in it are found before."""
    wanted = {"pretrained_model_name_or_path": str(POCKET), **USUAL}
    plan = desk.app.grids.plan(PROJECT, VERSION, Draft(assignments=wanted, engine=engine))
    folder = desk.app.versions.paths(PROJECT, VERSION).run(plan.runs[0].run.name).folder
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(b"precious")
    finding = desk.found("mine.safetensors", engine)
    assert (finding.check, finding.level) == ("output", Level.STOP)


def _sdxl(folder):
    path = folder / "sdxl.safetensors"
    if not path.exists():
        save(build(Blueprint.of_width(8, "sdxl")), path, title="sdxl")
    return {"pretrained_model_name_or_path": str(path), "resolution": "64,64"}


def _file(folder, text):
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path
