from __future__ import annotations

import unicodedata

import pytest

from train_tools.errors import NameNotAllowedError
from train_tools.model.names import LONGEST_NAME_BYTES, checked_name


@pytest.mark.parametrize(
    "name",
    [
        "cat",
        "my cat v1",
        "it's [bold] & (new)!",
        "кошка",
        "猫の絵",
        "🐈‍⬛",
        "v1.5",
        "a" * LONGEST_NAME_BYTES,
        "console",
    ],
)
def test_letters_of_any_language_and_most_signs_are_names(name):
    assert checked_name(name) == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        (" cat", "space"),
        ("cat.", "dot"),
        ("..", "dot"),
        (".hidden", "dot"),
        ("../cat", "dot"),
        ("a/b", "contains /"),
        ("a\\b", r"contains \\"),
        ('a "cat"', 'contains "'),
        ("C:cat", "contains :"),
        ("cat\n", "space"),
        ("a\ncat", "control character"),
        ("cat\u202egnp", "control character"),
        ("\udcff", "control character"),
        ("NUL", "reserved"),
        ("com1.txt", "reserved"),
        ("a" * 200, "longer than 100 bytes"),
        ("猫" * 34, "longer than 100 bytes"),
    ],
)
def test_a_name_that_is_no_folder_everywhere_is_refused_with_the_rule(name, reason):
    with pytest.raises(NameNotAllowedError, match=reason) as refusal:
        checked_name(name, "project name")
    assert "project name" in str(refusal.value)
    assert "Allowed are letters" in str(refusal.value)


def test_names_are_kept_in_composed_letters():
    assert checked_name(unicodedata.normalize("NFD", "Zoë")) == "Zoë"
