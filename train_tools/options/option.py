"""One option of a trainer, as a form shows it and a check reads it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sd_contract.options import OptionSpec
from train_tools.model.expressions import typed

CHOSEN_BY_THE_APP = "Train Tools chooses it, so that every run has a place of its own"


class Danger(StrEnum):
    """Why a value needs care: it runs code, names files, or may be known to nobody else."""

    NONE = ""
    CODE = "code"
    PATH = "path"
    SECRET = "secret"


@dataclass(frozen=True, kw_only=True)
class KnownCode:
    """The code that an option may name: whole dotted names, or the packages they begin with."""

    names: tuple[str, ...] = ()
    plain: bool = False
    """A name without a dot is looked up by the trainer itself, and does no harm."""

    def allows(self, value: str) -> bool:
        if self.plain and "." not in value:
            return True
        return any(value == name or value.startswith(f"{name}.") for name in self.names)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option with what it is called, what it means, and who may set it to what."""

    name: str
    label: str
    spec: OptionSpec
    group: str = "all"
    help: str = ""
    unit: str = ""
    """What its numbers count."""
    usual: str = ""
    """What is usually tried, as one would type it."""
    simple: bool = False
    """Whether it is among the few that most people set."""
    danger: Danger = Danger.NONE
    code: KnownCode | None = None
    """What an option that names code may name; anything for those that don't."""
    refusal: str = ""
    """Why a user can't set it; empty = may."""
    modes: tuple[str, ...] = ()
    """The training modes in which it means something; empty = all."""
    decides_result: bool = True
    """False: it is no part of a run's identity."""

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Values worth a try, as one would type them: all there are, or what is usual."""
        if self.spec.choices:
            return tuple(typed((choice,)) for choice in self.spec.choices if choice is not None)
        return tuple(text for text in self.usual.split(", ") if text)

    @property
    def set_by_app(self) -> bool:
        return self.refusal == CHOSEN_BY_THE_APP
