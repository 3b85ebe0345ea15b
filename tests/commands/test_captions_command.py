from __future__ import annotations

import pytest
from PIL import Image

from tests.test_cli import Say, command_line

CAT = ("it's [a] cat 猫", "v1")


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """A command line in whose project three images have captions and a fourth has none."""
    folder = tmp_path_factory.mktemp("captions")
    say = command_line(folder)
    say("project", "create", CAT[0])
    say("version", "create", *CAT)
    (folder / "pictures").mkdir()
    for name, caption in (
        ("a", "1girl, long_hair, red"),
        ("b", "1girl, [long_hair]"),
        ("c", "1girl, dog"),
        ("d", ""),
    ):
        shade = ord(name)
        Image.new("RGB", (64, 64), (shade, shade, shade)).save(folder / "pictures" / f"{name}.png")
        if caption:
            (folder / "pictures" / f"{name}.txt").write_text(caption)
    imported = say("dataset", "import", *CAT, folder / "pictures", "--width", 64, "--height", 64, "--not-mirrored")
    assert imported.code == 0, imported.err
    return say


def tags(say: Say, action: str, *words: object, **options: object):
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    return say("dataset", "tags", action, *CAT, *words, *given)


def captions(say: Say) -> dict[str, str | None]:
    return {each["image"][-5]: each["caption"] for each in tags(say, "captions", "--json").json}


def test_tags_are_listed_searched_and_checked(say):
    listed = tags(say, "list")
    assert "3" in listed.out.splitlines()[2]
    assert "[long_hair]" in listed.out
    found = tags(say, "captions", where="1girl AND NOT dog").out
    assert ("a.png" in found, "c.png" in found, "64x64" in found) == (True, False, True)
    shown = tags(say, "captions", where="is:uncaptioned").out
    assert "[it's [a] cat 猫]" in shown
    refused = tags(say, "captions", where="1girl AND")
    assert (refused.code, "a tag is expected" in refused.err) == (1, True)
    checked = tags(say, "check").out
    assert "1 of 4 images have no caption" in checked
    assert "tags with underscores" in checked


def test_edits_are_shown_done_and_undone(say):
    before = captions(say)
    shown = tags(say, "add", "cat, [x]", "--front", "--preview", where="dog")
    assert "cat, [x], 1girl, dog" in shown.out
    assert captions(say) == before
    done = tags(say, "add", "cat, [x]", "--front", where="dog")
    assert "Changed: 1 captions (edit 1: add cat, [x] in front)" in done.out
    assert captions(say)["c"] == "cat, [x], 1girl, dog"
    tags(say, "replace", "dog", "big dog")
    tags(say, "tidy", "spaces")
    assert captions(say)["a"] == "1girl, long hair, red"
    history = tags(say, "history", "--json").json
    assert [each["what"] for each in history][:2] == ["underscores to spaces", "replace dog by big dog"]
    for _ in history:
        assert tags(say, "undo").code == 0
    assert captions(say) == before
    assert (tags(say, "undo").code, tags(say, "redo").code) == (1, 0)
    tags(say, "undo")


def test_the_trigger_is_set_and_applied(say):
    assert "Policy: prefix. Words: zorb" in tags(say, "trigger", "zorb").out
    assert tags(say, "trigger", "--apply").code == 0
    assert all(caption.startswith("zorb") for caption in captions(say).values())
    assert "100% of the captions obey; keep_tokens = 1" in tags(say, "check").out
    assert "1girl" in tags(say, "prune", share=0.7).out
    tags(say, "undo")


def test_one_caption_is_written_and_tokens_are_counted(say):
    (image,) = (each["image"] for each in tags(say, "captions", "--json", where="name:d.png").json)
    assert tags(say, "write", image, "word " * 100).code == 0
    counted = tags(say, "tokens")
    assert "The longest has 100 tokens (1 over 75)" in counted.out
    assert "max_token_length = 150" in counted.out
    assert tags(say, "write", image, "").code == 0
    assert captions(say)["d"] is None
