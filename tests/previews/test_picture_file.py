from dataclasses import replace

import pytest
from PIL import Image

from tests.previews.test_infotext import PICTURE
from train_tools.errors import StorageError
from train_tools.previews.infotext import infotext
from train_tools.previews.picture_file import is_whole, read_infotext, read_picture, write_picture

AWKWARD = replace(PICTURE, prompt='a "b",\nc: <d>\\ кот 猫 🐈 \x00 é', weight=0.1 + 0.2)


def written(file, picture=PICTURE):
    image = Image.new("RGB", (64, 96), "red")
    write_picture(file, image, picture, base_stem="base", lora_stem="zorb")
    return file


@pytest.mark.parametrize("picture", [PICTURE, AWKWARD])
def test_a_picture_says_exactly_what_it_shows(tmp_path, picture):
    file = written(tmp_path / "new folder" / "1-0.8 猫.png", picture)
    assert read_picture(file) == picture
    assert read_infotext(file) == infotext(picture, base_stem="base", lora_stem="zorb")


def test_only_a_png_with_its_last_byte_is_whole(tmp_path):
    file = written(tmp_path / "a.png")
    content = file.read_bytes()
    assert is_whole(file)
    for cut in (0, 1, 8, len(content) - 1):
        file.write_bytes(content[:cut])
        assert not is_whole(file)
    assert not is_whole(tmp_path) and not is_whole(tmp_path / "gone.png")


def test_a_png_of_another_program_shows_no_picture_of_ours(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png") is None
    assert read_infotext(tmp_path / "a.png") == ""


def test_a_folder_that_can_not_be_made_is_one_sentence(tmp_path):
    (tmp_path / "images").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="Could not write images"):
        written(tmp_path / "images" / "a.png")
