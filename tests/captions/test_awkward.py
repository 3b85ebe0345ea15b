"""Names and texts that break careless code: edited, undone, and every byte as before."""

from __future__ import annotations

import os

import pytest

from train_tools.captions.edits import edit
from train_tools.captions.journal import Journal
from train_tools.captions.operations import Add, Obey, Pattern
from train_tools.captions.table import tag_table
from train_tools.captions.tokens import TokenCounter
from train_tools.model.captions import Trigger

NAMES = (
    "night 🌙",
    """it's "quoted" & $HOME `x`""",
    "two\nlines",
    "x" * 251,
    "Cat",
    "cat",
    "猫.кот",
    " blank ",
    os.fsdecode(b"not \xff utf-8"),
)
TEXTS = (
    "plain, tags",
    "",
    None,
    "\ufeffmarked, tags\r\nsecond line\r\n",
    "猫, 犬".encode("utf-16"),
    "синяя стена".encode("cp1251"),
    b"\0\0\0",
    "x, " * 5000,
    "{a|b}, (x:1.3), [y]",
)
ALICE = Trigger(policy="prefix", words="alice")


def contents(version):
    return {path: path.read_bytes() for path in version.processed.rglob("*.txt")}


@pytest.mark.parametrize("operation", [Add(tags=("new",)), Obey(trigger=ALICE), Pattern(r"\w+", "w")])
def test_whatever_is_edited_is_undone_byte_for_byte(version, put, listed, operation):
    for place, name in enumerate(NAMES):
        put(f"10_cat/{name}.png", TEXTS[place])
        put(f"3_dog & 🐶/{name}.png", TEXTS[-1 - place])
    before = contents(version)
    seen = listed()
    outcome = edit(version, seen, operation)
    touched = {image.image for image in seen if not image.is_illegible} & set(outcome.images)
    assert (outcome.left, set(outcome.images)) == ((), touched)
    after = contents(version)
    assert {path for path in before if before[path] != after.get(path)} <= {
        (version.processed / image).with_suffix(".txt") for image in outcome.images
    }
    assert Journal(version).undo().left == ()
    assert contents(version) == before
    Journal(version).redo()
    assert contents(version) == after
    illegible = sum(image.is_illegible for image in seen)
    assert (illegible, len(TokenCounter().report(listed()).counts)) == (4, len(seen) - 4)
    assert tag_table(listed(), ALICE).images == len(seen)
