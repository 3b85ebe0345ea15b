from __future__ import annotations

import pytest

from train_tools.captions.exchange import ONE_WRITE, Found, exchange

LONG, SHORT = b"cat, dog, bird\n", b"cat\n"


def content(path):
    return path.read_bytes() if path.exists() else None


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.txt"


@pytest.mark.parametrize("before", [None, b"", SHORT, LONG, b"x" * (ONE_WRITE + 1)])
@pytest.mark.parametrize("after", [None, SHORT, LONG, b"y" * (ONE_WRITE + 1)])
def test_a_caption_is_exchanged_for_another(file, before, after):
    if before is not None:
        file.write_bytes(before)
    found = exchange(file, before, after)
    assert (content(file), found) == (after, Found.AFTER if before == after else Found.BEFORE)
    assert exchange(file, before, after) is Found.AFTER
    assert [path.name for path in file.parent.iterdir()] == (["a.txt"] if after is not None else [])


@pytest.mark.parametrize("theirs", [None, b"", b"theirs", b"cat"])
def test_what_is_not_expected_stays(file, theirs):
    if theirs is not None:
        file.write_bytes(theirs)
    assert exchange(file, LONG, SHORT) is Found.OTHER
    assert content(file) == theirs


def test_what_a_kill_left_is_finished(file):
    file.write_bytes(SHORT + LONG[len(SHORT) :])  # written over, not yet cut
    assert exchange(file, LONG, SHORT) is Found.BEFORE
    assert content(file) == SHORT
    file.write_bytes(b"")  # made, not yet written
    assert exchange(file, None, SHORT) is Found.BEFORE
    assert content(file) == SHORT


def test_a_caption_that_lost_its_end_is_not_taken_for_half_written(file):
    file.write_bytes(LONG[:3])
    assert exchange(file, LONG, None) is Found.OTHER
    assert exchange(file, None, LONG) is Found.OTHER
    assert content(file) == LONG[:3]


def test_other_names_of_a_file_and_what_a_link_leads_to_stay(file, tmp_path):
    other = tmp_path / "other version.txt"
    other.write_bytes(LONG)
    file.hardlink_to(other)
    exchange(file, LONG, SHORT)
    assert (content(file), content(other)) == (SHORT, LONG)
    file.unlink()
    file.symlink_to(other)
    exchange(file, LONG, SHORT)
    assert (content(file), content(other), file.is_symlink()) == (SHORT, LONG, False)


def test_a_read_only_caption_is_replaced_where_the_folder_allows_it(file):
    file.write_bytes(LONG)
    file.chmod(0o400)
    exchange(file, LONG, SHORT)
    assert content(file) == SHORT


def test_a_folder_in_its_place_stays(file):
    file.mkdir()
    assert exchange(file, LONG, SHORT) is Found.OTHER
    assert list(file.iterdir()) == []
