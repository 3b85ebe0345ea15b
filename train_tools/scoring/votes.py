"""What people prefer who see two pictures and not what made them. Each vote is a line of a file in the version; a
checkpoint is known by its content, so votes outlive renaming."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from train_tools.files import storage_error
from train_tools.model.score import Preference

FORMAT = 1
Z = 1.96
"""For 95 %."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """`first` and `second` are the contents of the checkpoints, `pictures` the keys of what was seen."""

    first: str
    second: str
    preference: Preference
    pictures: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How a checkpoint came off: wins (a tie is half a one) of so many votes."""

    wins: float = 0.0
    votes: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """The share of wins to be expected in the long run, with 95 % likelihood (Wilson, 1927)."""
        if not self.votes:
            return 0.0, 1.0
        n, p, z2 = self.votes, self.wins / self.votes, Z * Z
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        return max(0.0, centre - half), min(1.0, centre + half)


def add_vote(file: Path, vote: Vote) -> None:
    """Appends a line. Raises StorageError."""
    line = {
        "format": FORMAT,
        "first": vote.first,
        "second": vote.second,
        "preference": vote.preference.value,
        "pictures": vote.pictures,
        "at": round(time.time()),
    }
    try:
        with file.open("a", encoding="utf-8", newline="\n") as lines:
            lines.write(json.dumps(line) + "\n")
    except OSError as error:
        raise storage_error(file, error) from error


def votes_in(file: Path) -> tuple[Vote, ...]:
    """The votes so far; a torn line is none."""
    return tuple(_votes(file))


def tally(votes: Sequence[Vote], content: str) -> Tally:
    """A checkpoint's wins. Checkpoints that only met one another say nothing of a third."""
    wins, count = 0.0, 0
    for vote in votes:
        if content in (vote.first, vote.second) and vote.first != vote.second:
            preferred = {Preference.FIRST: vote.first, Preference.SECOND: vote.second}.get(vote.preference)
            wins += 0.5 if preferred is None else float(preferred == content)
            count += 1
    return Tally(wins=wins, votes=count)


def least_compared(contents: Sequence[str], votes: Sequence[Vote]) -> Iterator[tuple[str, str]]:
    """Pairs of checkpoints, first the one that was voted on least. Which of two stands first changes from vote to
    vote."""
    seen: dict[frozenset[str], int] = {}
    for vote in votes:
        pair = frozenset((vote.first, vote.second))
        seen[pair] = seen.get(pair, 0) + 1
    pairs = sorted(combinations(dict.fromkeys(contents), 2), key=lambda pair: seen.get(frozenset(pair), 0))
    for one, other in pairs:
        turned = (len(votes) + sum(one.encode())) % 2
        yield (other, one) if turned else (one, other)


def _votes(file: Path) -> Iterator[Vote]:
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
            first, second = told["pictures"]
            yield Vote(
                first=str(told["first"]),
                second=str(told["second"]),
                preference=Preference(told["preference"]),
                pictures=(str(first), str(second)),
            )
        except (ValueError, KeyError, TypeError):
            continue
