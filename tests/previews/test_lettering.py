import pytest

from train_tools.previews.lettering import plain, width_of, wrapped

TEXTS = [
    "network_dim=8 learning_rate=0.005 optimizer_type=AdamW8bit",
    "x" * 300,
    "Кот в шляпе, très élégant, очень длинное описание",
    "猫と帽子の絵、とても長い説明文です。" * 5,
    "🐈" * 40,
    " ",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_wrapped_lines_fit_and_lose_nothing(text):
    lines = wrapped(text, 15, 120, most_lines=100)
    assert all(width_of(line, 15) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("text", TEXTS[:5])
def test_too_many_lines_end_in_dots_and_still_fit(text):
    lines = wrapped(text, 15, 120, most_lines=2)
    assert len(lines) == 2 and lines[-1].endswith("…")
    assert all(width_of(line, 15) <= 120 for line in lines)


def test_lines_break_between_words_where_they_can():
    assert wrapped("one two three", 15, width_of("one two", 15), 9) == ("one two", "three")


def test_a_new_line_stays_one_and_control_characters_become_spaces():
    assert wrapped("a\nb", 15, 500, 9) == ("a", "b")
    assert plain("a\tb\x00c\x1b[31m\ud800") == "a b c [31m "
