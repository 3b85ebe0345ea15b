import pytest

from train_tools.errors import NotFoundError, StorageError
from train_tools.model.preview import PreviewSettings
from train_tools.previews.styles import read_styles, with_styles

FILE = (
    "\ufeffname,prompt,negative_prompt\r\n"
    "---- mine ----,,\r\n"
    '"oil, old","oil painting of {prompt}, ""thick"" paint","photo\nrender"\r\n'
    "кот,by a cat,\r\n"
)
SETTINGS = PreviewSettings(prompts=("a dog", "a hen"), negative_prompt="blurry")


def test_styles_are_put_around_or_behind_each_prompt(tmp_path):
    file = tmp_path / "styles.csv"
    file.write_text(FILE, encoding="utf-8", newline="")
    styles = read_styles(file)
    assert list(styles) == ["oil, old", "кот"]
    styled = with_styles(SETTINGS, styles, ["oil, old", "кот"])
    assert styled.prompts[0] == 'oil painting of a dog, "thick" paint, by a cat'
    assert styled.prompts[1].startswith("oil painting of a hen")
    assert styled.negative_prompt == "blurry, photo\nrender"


def test_a_style_that_is_not_there_is_told_with_those_that_are(tmp_path):
    file = tmp_path / "styles.csv"
    file.write_text(FILE, encoding="utf-8")
    with pytest.raises(NotFoundError, match=r"no style 'x'\. There are: oil, old, кот"):
        with_styles(SETTINGS, read_styles(file), ["x"])


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff\xfe", b"a;b\n1;2\n"])
def test_a_file_that_is_none_is_one_sentence(tmp_path, content):
    (tmp_path / "styles.csv").write_bytes(content)
    with pytest.raises(StorageError, match="is no table of styles"):
        read_styles(tmp_path / "styles.csv")
