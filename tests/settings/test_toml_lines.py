from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.settings.toml_lines import inline, line_of, with_value

WRITTEN = """\
# mine
format = 1   # one

[news]
when = ["run_failed"]  # enough for me
desktop = false # "#" is no comment in "a # b"

[other]  # not ours
text = "a # b"
deep = { a = 1 }

[[tables]]
desktop = 1
"""


def test_a_value_is_changed_in_its_line_and_everything_else_stays():
    changed = with_value(WRITTEN, "news", "desktop", True)
    assert changed == WRITTEN.replace("desktop = false #", "desktop = true  #")


def test_a_key_is_added_at_the_end_of_its_table():
    changed = with_value(WRITTEN, "news", "webhook", False)
    assert changed == WRITTEN.replace('in "a # b"\n', 'in "a # b"\nwebhook = false\n', 1)


def test_a_table_that_is_not_there_is_added():
    assert with_value(WRITTEN, "machine", "keep_awake", False) == f"{WRITTEN}\n[machine]\nkeep_awake = false\n"
    assert with_value("", "machine", "keep_awake", False) == "[machine]\nkeep_awake = false\n"


def test_a_table_at_the_end_without_lines_is_filled():
    assert with_value("[a]\nb = 1\n[c]", "c", "d", "x") == '[a]\nb = 1\n[c]\nd = "x"\n'


@pytest.mark.parametrize(
    "text",
    [
        'news.desktop = false\nother = "x"',
        'news = { desktop = false, when = [] }\nother = "x"',
        '[news]\n"desktop" = false\n[more]\nother = "x"',
        '[news]\ndesktop = [\n  false,\n]\n[more]\nother = "x"',
        '[more]\nother = """\n[news]\ndesktop = false\n"""',
    ],
)
def test_however_it_was_written_the_value_is_set_and_no_other_lost(text):
    before = tomllib.loads(text)
    after = tomllib.loads(with_value(text, "news", "desktop", True))
    assert after == {**before, "news": {**before.get("news", {}), "desktop": True}}


@given(st.text(), st.lists(st.text()))
def test_any_text_comes_back(text, several):
    written = with_value(with_value(WRITTEN, "other", "text", text), "news", "when", several)
    record = tomllib.loads(written)
    assert (record["other"]["text"], record["news"]["when"]) == (text, several)
    assert written.startswith("# mine\n")


def test_the_line_of_a_key_is_that_of_its_own_table():
    assert line_of(WRITTEN, "news", "desktop") == 6
    assert line_of(WRITTEN, "other", "text") == 9
    assert line_of(WRITTEN, "other", "desktop") is None
    assert line_of(WRITTEN, "machine", "desktop") is None


def test_a_list_is_written_in_one_line():
    assert inline(["a", 'b "c"', True, 1.5]) == '["a", "b \\"c\\"", true, 1.5]'
