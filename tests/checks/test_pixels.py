"""What is seen of the pixels, on real files."""

from __future__ import annotations

import pytest
from PIL import Image, ImageFilter

from tests.checks.conftest import photograph
from train_tools.model.finding import Level


def test_a_blurred_image_is_told_among_sharp_ones_and_no_other_is(desk):
    desk.put_many(8)
    desk.put("10_cat/soft.png", photograph(20).filter(ImageFilter.GaussianBlur(2.5)), "cat")
    [blur] = desk.found("blur")
    assert (blur.level, blur.images) == (Level.WARNING, ("10_cat/soft.png",))
    assert blur.remedy.arguments == {"images": ["10_cat/soft.png"]}


def test_a_set_that_is_soft_altogether_is_left_in_peace(desk):
    for number in range(8):
        desk.put(f"10_cat/{number}.png", photograph(number).filter(ImageFilter.GaussianBlur(2.5)), "cat")
    assert desk.found("blur") == []


def test_a_few_images_are_too_few_to_compare(desk):
    desk.put_many(3)
    desk.put("10_cat/soft.png", photograph(20).filter(ImageFilter.GaussianBlur(2.5)), "cat")
    assert desk.found("blur") == []


def test_of_two_images_that_look_alike_the_smaller_one_is_to_go(desk):
    desk.put_many(4)
    desk.put("10_cat/again.png", photograph(2).resize((80, 80)), "cat")
    [double] = desk.found("near-duplicates")
    assert double.images == ("10_cat/again.png",)
    assert "10_cat/again.png like 10_cat/2.png" in double.message


def test_parts_and_copies_of_one_original_are_no_duplicates_but_go_together(desk):
    for number in range(3):
        for variant in range(2):
            desk.put(f"10_cat/{number:05}-{variant}-x.png", photograph(number, (90 - variant, 90)), "cat")
    assert desk.found("near-duplicates") == []
    for variant in range(2):
        desk.put(f"10_cat/00009-{variant}-y.png", photograph(1, (70, 70)), "cat")
    [double] = desk.found("near-duplicates")
    assert double.images == ("10_cat/00009-0-y.png", "10_cat/00009-1-y.png")


def test_a_broken_image_is_told_and_stops_no_other(desk):
    desk.put_many(5)
    desk.put("10_cat/flat.png", Image.new("RGB", (96, 96), "teal"), "cat")
    path = desk.put("10_cat/torn.png", photograph(7), "cat")
    path.write_bytes(path.read_bytes()[:2000])
    (desk.paths.processed / "10_cat" / "page.jpg").write_text("<html>")
    found = desk.look()
    assert found.not_looked_at == 0
    [broken] = [each for each in found.findings if each.check == "broken"]
    [flat] = [each for each in found.findings if each.check == "flat"]
    assert set(broken.images) == {"10_cat/page.jpg", "10_cat/torn.png"}
    assert flat.images == ("10_cat/flat.png",)


def test_transparent_parts_are_told_until_they_weigh_the_loss(desk):
    picture = photograph(1).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    desk.put("10_cat/a.png", picture, "cat")
    [seen] = desk.found("transparency")
    assert seen.images == ("10_cat/a.png",)
    desk.cure("alpha_mask=true")
    assert desk.options()["masked_loss"] is True
    assert desk.found("transparency") == []


def test_a_grey_image_among_coloured_ones_is_told(desk):
    desk.put_many(9)
    desk.put("10_cat/old.png", photograph(3, base=0).convert("L").transpose(Image.Transpose.ROTATE_90), "cat")
    [grey] = desk.found("colours")
    assert grey.images == ("10_cat/old.png",)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "RGBA"])
def test_every_kind_of_picture_has_a_look(desk, mode):
    picture = photograph(1)
    if mode == "CMYK":
        desk.put("10_cat/a.jpg", picture.convert(mode), "cat")
    else:
        desk.put(
            "10_cat/a.png",
            picture.convert("I;16" if mode == "I;16" else mode)
            if mode != "I;16"
            else picture.convert("I").convert("I;16"),
            "cat",
        )
    assert desk.found("broken") == []
    assert desk.found("flat") == []


def test_what_was_looked_at_is_kept_by_content_and_not_looked_at_again(desk):
    desk.put_many(3)
    desk.look()
    assert len(desk.lines()) == 3
    desk.look()
    assert len(desk.lines()) == 3
    (desk.paths.processed / "10_cat").rename(desk.paths.processed / "20_cat")
    assert desk.app.checks.found("zorb", "v1").not_looked_at == 3
    before = desk.lines()[0]["look"]
    desk.paths.looks.write_text(desk.paths.looks.read_text().replace(str(before["blur"]), "0.125"))
    desk.look()
    assert {line["look"]["blur"] for line in desk.lines() if line["image"] == "20_cat/0.png"} == {0.125}


def test_a_torn_or_foreign_line_is_no_reason_to_stop(desk):
    desk.put_many(2)
    desk.look()
    text = desk.paths.looks.read_text()
    desk.paths.looks.write_text(f'{text}\n{{"image": 3}}\n[]\n{{"torn"')
    assert desk.app.checks.found("zorb", "v1").not_looked_at == 0
    desk.put("10_cat/new.png", photograph(9), "cat")
    assert desk.look().not_looked_at == 0


def test_a_look_that_is_stopped_goes_on_later(desk):
    desk.put_many(3)
    desk.app.checks.look("zorb", "v1", should_stop=lambda: True)
    assert desk.app.checks.found("zorb", "v1").not_looked_at == 3
    told = []
    desk.app.checks.look("zorb", "v1", lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)
