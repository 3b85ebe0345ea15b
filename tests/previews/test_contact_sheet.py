import re
from dataclasses import replace

from tests.previews.test_matrix import SETTINGS, matrix_in, render
from train_tools.previews.contact_sheet import write_contact_sheet

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)> & кот'


def sheet_of(matrix, folder, title="grid"):
    write_contact_sheet(matrix, folder / "out" / "matrix.html", title)
    return (folder / "out" / "matrix.html").read_text(encoding="utf-8")


def test_pictures_are_inside_and_the_missing_are_told(tmp_path):
    matrix = matrix_in(tmp_path)
    render(*matrix.cells[:5])
    text = sheet_of(matrix, tmp_path)
    assert text.count("data:image/webp;base64,") == 5
    assert text.count("not rendered") == len(matrix.cells) - 5
    assert all(word in text for word in ("base model", "run 1", "epoch 2", "seed 2", "weight 0.5"))


def test_what_people_wrote_is_text_and_nothing_is_loaded_from_elsewhere(tmp_path):
    matrix = matrix_in(tmp_path, settings=replace(SETTINGS, prompts=(EVIL, "b"), negative_prompt=EVIL))
    render(*matrix.cells)
    text = sheet_of(matrix, tmp_path, title=EVIL)
    assert "<script" not in text and "onerror=alert(1)>" not in text
    assert "кот" in text
    assert set(re.findall(r'(?:src|href)="(.{0,10})', text)) == {"data:image"}
    assert "default-src 'none'" in text
