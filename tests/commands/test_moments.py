from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from train_tools.commands.moments import moment
from train_tools.errors import OptionValueError

NOW = datetime(2026, 10, 15, 22, 0)


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("23:30", datetime(2026, 10, 15, 23, 30)),
        ("6:05", datetime(2026, 10, 16, 6, 5)),
        ("22:00", datetime(2026, 10, 16, 22, 0)),
        (" 2026-10-17 01:00 ", datetime(2026, 10, 17, 1, 0)),
        ("2026-10-17T01:00", datetime(2026, 10, 17, 1, 0)),
        ("+90m", NOW + timedelta(minutes=90)),
        ("+2 h", NOW + timedelta(hours=2)),
        ("+1d", NOW + timedelta(days=1)),
    ],
)
def test_a_time_is_understood_as_people_write_it(text, then):
    assert moment(text, NOW) == then.timestamp()


def test_now_means_in_its_turn():
    assert moment("now", NOW) is None


@pytest.mark.parametrize("text", ["", "tomorrow", "24:00", "2h", "+2", "+h", "-1h", "2026-13-01 10:00", "٣:٣٠x"])
def test_what_is_no_time_is_told_with_those_that_are(text):
    with pytest.raises(OptionValueError, match=r"is no time: write 23:30, 2026-10-15 23:30, \+90m"):
        moment(text, NOW)


def test_what_is_past_is_told():
    with pytest.raises(OptionValueError, match=r"2026-10-15 21:59 is past\. It is 2026-10-15 22:00 now"):
        moment("2026-10-15 21:59", NOW)
