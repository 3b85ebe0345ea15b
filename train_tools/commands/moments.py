"""When something is to happen, as people type it and as it is told back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from train_tools.errors import OptionValueError

IN_TURN = "now"
LATER = re.compile(r"\+(\d{1,5}) ?(m|min|h|d)")
UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> float | None:
    """Seconds since the epoch of `23:30` (the next there is), `2026-10-15 23:30`, `+90m`, `+2h` or `+1d`; None for
    `now`. Raises OptionValueError for anything else, and for what is past."""
    words = text.strip()
    if words == IN_TURN:
        return None
    later = LATER.fullmatch(words)
    if later:
        return (now + timedelta(**{UNITS[later[2]]: int(later[1])})).timestamp()
    found = _clock(words, now) or _date(words)
    if found is None:
        raise OptionValueError(
            f"{text!r} is no time: write 23:30, 2026-10-15 23:30, +90m, +2h, or {IN_TURN} for in its turn."
        )
    if found <= now:
        raise OptionValueError(f"{text} is past. It is {now:%Y-%m-%d %H:%M} now; write {IN_TURN} for in its turn.")
    return found.timestamp()


def _clock(words: str, now: datetime) -> datetime | None:
    try:
        clock = datetime.strptime(words, "%H:%M").time()
    except ValueError:
        return None
    today = datetime.combine(now.date(), clock)
    return today if today > now else datetime.combine(now.date() + timedelta(days=1), clock)


def _date(words: str) -> datetime | None:
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"):
        try:
            return datetime.strptime(words, form)
        except ValueError:
            continue
    return None
