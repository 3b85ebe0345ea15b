"""Masks of training images: taken in, made, checked against their images, and handed to the trainers."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sd_contract.options import settings_from
from tests.checks.conftest import PROJECT, VERSION, desk, photograph  # noqa: F401
from train_tools.datasets.dataset import read_dataset
from train_tools.engines.images import described
from train_tools.engines.kohya.engine import _dataset_text
from train_tools.engines.kohya.traps import traps
from train_tools.errors import DatasetNotUsableError
from train_tools.model.finding import Level

WEIGHED = {"masked_loss": True, "resolution": "64"}


@pytest.fixture
def three(desk):  # noqa: F811
    """Three training images of 96x96."""
    desk.put_many(3)
    return desk


def draw_mask(folder: Path, name: str, size: tuple[int, int] = (48, 48), mode: str = "L") -> Path:
    folder.mkdir(exist_ok=True)
    Image.linear_gradient("L").resize(size).convert(mode).save(folder / name)
    return folder / name


def trained(desk, **options):  # noqa: F811
    return desk.app.versions.trained_on(PROJECT, VERSION, {**WEIGHED, **options})


def test_masks_are_taken_in_by_their_stems_and_the_rest_is_listed(three, tmp_path):
    masks = tmp_path / "masks"
    draw_mask(masks, "0.jpg", mode="RGB")
    draw_mask(masks, "1.png", mode="P")
    draw_mask(masks, "2.png", size=(64, 48))
    draw_mask(masks, "other.png")
    (masks / "page.png").write_text("<html>")
    report = three.app.versions.import_masks(PROJECT, VERSION, [masks])
    assert (report.images, report.masked, report.written) == (3, 2, 2)
    reasons = {Path(each.source).name: each.reason for each in report.problems}
    assert set(reasons) == {"2.png", "other.png", "page.png"}
    assert "its shape 64x48 is not that of 2.png" in reasons["2.png"]
    assert "no training image" in reasons["other.png"]
    with Image.open(three.paths.masks / "0.png") as mask:
        assert (mask.mode, mask.size) == ("L", (48, 48))


def test_a_stem_that_two_images_share_has_no_mask(three, tmp_path):
    three.put("5_dog/0.png", photograph(9))
    report = three.app.versions.import_masks(PROJECT, VERSION, [draw_mask(tmp_path, "0.png")])
    assert (report.written, [each.reason for each in report.problems]) == (0, ["several images share its name"])


def test_masks_are_made_of_what_is_transparent(three):
    picture = photograph(1).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    three.put("10_cat/1.png", picture)
    report = three.app.versions.masks_from_opacity(PROJECT, VERSION)
    assert (report.written, report.masked) == (1, 1)
    with Image.open(three.paths.masks / "1.png") as mask:
        assert mask.tobytes() == picture.getchannel("A").tobytes()


def test_a_mask_that_fits_no_more_is_told(three):
    draw_mask(three.paths.masks, "0.png")
    three.put("10_cat/0.png", photograph(0, (64, 128)))
    [told] = three.found("masks")
    assert "its shape 48x48" in told.message


def test_masks_reach_the_trainer_only_when_they_weigh_the_loss(three):
    plain = read_dataset(three.paths)
    for number in range(3):
        draw_mask(three.paths.masks, f"{number}.png")
    assert trained(three, masked_loss=False) == plain == trained(three, alpha_mask=True)
    dataset = trained(three)
    assert dataset.content != plain.content
    [subset] = described(settings_from(WEIGHED), dataset).datasets[0].subsets
    assert subset.conditioning_data_dir == three.paths.masks
    text = _dataset_text(WEIGHED, dataset)
    assert "conditioning_data_dir" in text
    assert "is_reg" not in text
    draw_mask(three.paths.masks, "0.png", size=(24, 24))
    assert trained(three).content != dataset.content


def test_images_without_a_mask_stop_a_run_until_they_have_a_white_one(three):
    three.set(masked_loss=True)
    draw_mask(three.paths.masks, "0.png")
    before = three.files()
    with pytest.raises(DatasetNotUsableError, match=r"2 of 3 images have no mask: 1\.png, 2\.png"):
        trained(three)
    three.cure("make 2 white masks")
    assert trained(three).folders[0].masks == three.paths.masks
    with Image.open(three.paths.masks / "2.png") as mask:
        assert (mask.size, mask.getextrema()) == ((96, 96), (255, 255))
    three.undo()
    assert {name for name in three.files() if not name.startswith("put-aside")} == before


def test_masked_loss_without_a_mask_is_told(three):
    three.set(masked_loss=True)
    [told] = three.found("masks")
    assert told.remedy.arguments == {"values": {"masked_loss": False}}
    assert trained(three) == read_dataset(three.paths)


def test_kohyas_scripts_take_no_masks_beside_regularisation(three):
    for number in range(3):
        draw_mask(three.paths.masks, f"{number}.png")
    assert not [each for each in traps(WEIGHED, trained(three)) if each.check == "masks"]
    reg = three.paths.regularisation / "1_cat"
    reg.mkdir(parents=True)
    photograph(7).save(reg / "a.png")
    [told] = [each for each in traps(WEIGHED, trained(three)) if each.check == "masks"]
    assert told.level is Level.STOP
