"""What became of a plan that was submitted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`jobs` were queued now; `already` names runs that are done or queued already and were left alone."""

    grid: str
    jobs: tuple[int, ...]
    already: tuple[str, ...] = ()
    ahead: int = 0
    """Jobs that were waiting before the first of these: it is queued as number ahead + 1."""
