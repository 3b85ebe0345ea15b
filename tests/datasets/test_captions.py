from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_tools.datasets.captions import LONGEST_BYTES, read_caption
from train_tools.datasets.encodings import proposed
from train_tools.errors import DatasetNotUsableError

OLD = [
    ("gbk", "一个女孩, 长头发, 白色的裙子"),
    ("gbk", "猫, 红帽子"),
    ("shift_jis", "女の子, 長い髪, 白いドレス"),
    ("shift_jis", "少女, 猫耳"),
    ("euc_kr", "고양이, 긴 머리"),
    ("big5", "一個女孩, 長頭髮, 貓"),
    ("cp1251", "Рыжий кот сидит на столе"),
    ("cp1252", "café, über, garçon"),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_however_it_is_written(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("  猫, кот\r\n".encode(encoding))
    assert read_caption(tmp_path / "a.txt") == "猫, кот"


@pytest.mark.parametrize(("encoding", "text"), OLD)
def test_an_older_encoding_is_proposed_and_read_once_it_is_said(tmp_path, encoding, text):
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(DatasetNotUsableError, match="is not UTF-8 text") as told:
        read_caption(path)
    assert f"It may be {encoding} ({text[:24]!r})" in str(told.value)
    assert read_caption(path, encoding) == text


def test_what_is_unicode_stays_so_whatever_is_said_of_the_rest(tmp_path):
    (tmp_path / "a.txt").write_bytes("猫".encode())
    assert read_caption(tmp_path / "a.txt", "gbk") == "猫"


@pytest.mark.parametrize("raw", [b"c\0a\0t\0", b"\xff\xfe\x00", b"\x81\xff\xfe\x9d"])
def test_what_is_no_text_is_told(tmp_path, raw):
    (tmp_path / "a.txt").write_bytes(raw)
    with pytest.raises(DatasetNotUsableError, match="is not UTF-8 text"):
        read_caption(tmp_path / "a.txt")


def test_what_can_t_be_a_caption_is_told(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * (LONGEST_BYTES + 1))
    (tmp_path / "b.txt").mkdir()
    for name, reason in (("a", "has more than 1,048,576 bytes"), ("b", "can't be read"), ("c", "it is not there")):
        with pytest.raises(DatasetNotUsableError, match=reason):
            read_caption(tmp_path / f"{name}.txt")


@given(st.binary(max_size=60))
def test_any_bytes_can_be_guessed_about(raw):
    assert len(proposed(raw)) <= 2
