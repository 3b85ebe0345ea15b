"""What a key of another program's file can mean: the few rules that a format's table is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from train_tools.configs.intake import Intake
from train_tools.model.config import Fate

Rule = Callable[[Intake, str, Any], None]
"""Is given the intake, the key and its value; sets options or leaves the key, and writes down which."""
Rules = Mapping[str, Rule]
NOTHING: tuple[Any, ...] = (None, "", 0, "0", False, -1, "-1")
"""What a form holds where nothing was asked for."""

MACHINE = "it belongs to the machine; Train Tools starts the trainer"
PLACE = "Train Tools gives every run a place and a name of its own"
DATASET = "the images are the version's own; import them with `train-tools dataset import`"
LOGS = "Train Tools keeps the log, losses and times of every run"
SAMPLES = "previews are the version's own: every checkpoint with the same prompt and seed"


def take_in(intake: Intake, rules: Rules, otherwise: Rule, values: Mapping[str, Any] | None = None) -> None:
    """Every key of the file by its rule, or of some of its `values`."""
    for key, value in (intake.values if values is None else values).items():
        rules.get(key, otherwise)(intake, key, value)


def same(intake: Intake, key: str, value: Any) -> None:
    """The option of that very name."""
    intake.set(key, key, value)


def called(option: str, reason: str = "") -> Rule:
    """An option that has another name here."""
    return lambda intake, key, value: intake.set(key, option, value, reason=reason)


def unless_nothing(rule: Rule = same, *more: Any) -> Rule:
    """The rule, except for what a form holds where nothing was asked for."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if _is_one_of(value, (*NOTHING, *more)):
            intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")
        else:
            rule(intake, key, value)

    return applied


def chosen(option: str, names: Mapping[str, Any], what: str) -> Rule:
    """A value of a list of names, for which there are others here; None among them asks for nothing. `what` is the
    thing named."""
    known = {_folded(name): meant for name, meant in names.items()}

    def applied(intake: Intake, key: str, value: Any) -> None:
        if _folded(value) not in known:
            intake.leave(key, Fate.NOT_SUPPORTED, f"there is no such {what} here")
        elif known[_folded(value)] is None:
            intake.leave(key, Fate.WITHOUT_EFFECT, "it is what happens anyway")
        else:
            intake.set(key, option, known[_folded(value)])

    return applied


def left(reason: str) -> Rule:
    """A key that Train Tools decides by itself, or that belongs elsewhere."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if value is None or value is False or value in ("", [], {}):
            intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")
        else:
            intake.leave(key, Fate.LEFT_OUT, reason)

    return applied


def not_here(reason: str, *harmless: Any) -> Rule:
    """Something that can't be trained here, except for values that ask for nothing."""

    def applied(intake: Intake, key: str, value: Any) -> None:
        if _is_one_of(value, (*NOTHING, *harmless)):
            intake.leave(key, Fate.WITHOUT_EFFECT, "it asks for nothing")
        else:
            intake.leave(key, Fate.NOT_SUPPORTED, reason)

    return applied


def switch(option: str) -> Rule:
    """A switch; one that is off asks for nothing."""
    return unless_nothing(called(option), "false", "False", "no", "none", "NONE", "OFF")


def unknown(intake: Intake, key: str, value: Any) -> None:
    """A key that is in no list of this program's that we know."""
    intake.leave(key, Fate.UNKNOWN, f"no key of {intake.format} that is known here")


def number(value: Any) -> float:
    """The number that a value is or spells; 0 for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0


def _is_one_of(value: Any, values: tuple[Any, ...]) -> bool:
    return any(type(value) is type(one) and value == one for one in values) or value in (0.0, [], {})


def _folded(value: Any) -> str:
    return str(value).strip().casefold()
