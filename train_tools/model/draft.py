"""A grid as somebody is typing it, and what of it is understood so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from train_tools.model.grid import Rules


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is wanted in another way than it is stored, of a version or of a grid that is taken up again."""

    assignments: Mapping[str, str] = field(default_factory=dict)
    """By option, what was typed: a value, several with commas, a range, a formula."""
    unset: tuple[str, ...] = ()
    """Options that go back to the trainer's defaults."""
    rules: Rules | None = None
    """None = those that are stored."""
    grid: str | None = None
    """A grid's name: one that is there is taken up again, else it is given. Without one, one is made."""
    engine: str | None = None
    """The trainer; None = the stored one. What it does not take of the stored options is left out."""
    previews: bool | None = None
    """Whether the runs are rendered when they have ended; None = as the version says then."""

    @classmethod
    def of(cls, asked: Draft | Mapping[str, str] | None) -> Draft:
        """A draft, or one of nothing but assignments."""
        return asked if isinstance(asked, Draft) else cls(assignments=asked or {})

    def with_fields(self, fields: Mapping[str, str | None]) -> Draft:
        """With other texts in some options' fields: an empty one takes the trainer's default, None the stored
        value."""
        typed = {name: text for name, text in fields.items() if text}
        emptied = tuple(name for name, text in fields.items() if text == "")
        kept = {name: text for name, text in self.assignments.items() if name not in fields}
        return replace(
            self,
            assignments={**kept, **typed},
            unset=(*(name for name in self.unset if name not in fields), *emptied),
        )


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What of a draft can't be used, and why."""

    option: str
    """Whose text it is about; empty = it is the rules', or that of several options together."""
    message: str


@dataclass(frozen=True, kw_only=True)
class Understood:
    """What a draft means so far."""

    runs: int | None
    """How many runs there would be; None as long as there are faults."""
    exact: bool = True
    """False where excluded and equal runs are counted too: then there are at most so many."""
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The values of each option that takes several, as one would type them."""
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    """What was understood in another way than it was typed."""
