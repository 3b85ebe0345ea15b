from __future__ import annotations

import pytest
from PIL import Image

from tests.checks.conftest import photograph
from tests.test_cli import Say, command_line

CAT = ("it's [a] cat 猫", "v1")


@pytest.fixture
def say(tmp_path) -> Say:
    """A command line in whose project two images are whole and one is flat."""
    say = command_line(tmp_path)
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        photograph(number).save(tmp_path / "pictures" / f"[{number}].png")
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "pictures" / "flat.png")
    imported = say(
        "dataset", "import", *CAT, tmp_path / "pictures", "--width", 64, "--height", 64, "--not-mirrored"
    )
    assert imported.code == 0, imported.err
    return say


def test_findings_have_numbers_that_put_them_right_and_are_taken_back(say):
    looked = say("dataset", "check", *CAT)
    assert looked.code == 0
    assert "Of one flat colour: 1 image" in looked.out.replace("\n", " ")
    assert "--cure" in looked.out
    findings = say("dataset", "check", *CAT, "--json").json["findings"]
    cures = [each for each in findings if each["remedy"]]
    [number] = [place for place, each in enumerate(cures, 1) if each["check"] == "flat"]
    assert "put 1 image aside" in say("dataset", "check", *CAT, "--cure", number).out
    after = say("dataset", "check", *CAT, "--known", "--json").json
    assert (after["images"], [each for each in after["findings"] if each["check"] == "flat"]) == (2, [])
    assert "Undone" in say("dataset", "check", *CAT, "--undo").out
    assert say("dataset", "check", *CAT, "--known", "--json").json["images"] == 3


def test_a_number_that_is_no_cure_is_told(say):
    refused = say("dataset", "check", *CAT, "--cure", 99)
    assert (refused.code, "no cure 99" in refused.err) == (1, True)


def test_buckets_are_listed_and_drawn(say, tmp_path):
    shown = say("dataset", "buckets", *CAT, "--set", "resolution=32,64", "--picture", tmp_path / "sheet.png")
    assert (shown.code, "32 x 64" in shown.out, "50% of it is cut off" in shown.out) == (0, True, True)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 1400
    told = say("dataset", "buckets", *CAT, "--set", "resolution=32,64", "--json").json
    assert told["buckets"][0]["images"][0]["kept"] == [16, 0, 48, 64]
    assert say("dataset", "buckets", *CAT, "--set", "resolution=0").code == 1
