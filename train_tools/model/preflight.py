"""What a look at a grid before the night has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from train_tools.model.finding import Finding, Level

_ORDER = (Level.STOP, Level.WARNING, Level.OK)


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The findings, those that stop the grid first. Of a very large grid, runs from all over it were looked at."""

    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, findings: Iterable[Finding], runs: Iterable[str]) -> Preflight:
        """What was found of several of the `runs` alike is told once, where it was found first."""
        alike: dict[tuple[str, ...], list[Finding]] = {}
        for finding in findings:
            alike.setdefault(_words(finding), []).append(finding)
        everything = frozenset(runs)
        gathered = [_gathered(group, everything) for group in alike.values()]
        return cls(findings=tuple(sorted(gathered, key=lambda finding: _ORDER.index(finding.level))))

    @property
    def level(self) -> Level:
        """How bad it is where it is worst."""
        return self.findings[0].level if self.findings else Level.OK

    @property
    def stops(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.STOP)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level is Level.WARNING)


NOT_LOOKED_AT = Preflight(findings=())


def _words(finding: Finding) -> tuple[str, str, str, str]:
    return finding.check, finding.level, finding.message, finding.cure


def _gathered(findings: list[Finding], runs: frozenset[str]) -> Finding:
    named = dict.fromkeys(name for finding in findings for name in finding.runs)
    concerns_all = any(not finding.runs for finding in findings) or set(named) >= runs
    return replace(findings[0], runs=() if concerns_all else tuple(named))
