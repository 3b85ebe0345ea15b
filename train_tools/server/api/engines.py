"""Trainers and their options, to be looked at. Adding one, and trying it, runs its code: the command line does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from train_tools.server.answers import Answer
from train_tools.server.api.context import TheApp

router = APIRouter(prefix="/engines", tags=["engines"])


class EngineAnswer(Answer):
    name: str
    commit: str
    scripts: tuple[str, ...]
    problem: str
    """Why it can't be used, as far as its folder tells; empty = nothing is known against it."""


class OptionAnswer(Answer):
    name: str
    label: str
    group: str
    help: str
    unit: str
    usual: str
    """What is usually tried, as one would type it."""
    suggestions: tuple[str, ...]
    """Single values worth a try, as one would type each."""
    simple: bool
    """Whether it is among the few that most people set."""
    modes: tuple[str, ...]
    """The training modes in which it means something; empty = all."""
    type: str
    default: Any
    choices: tuple[Any, ...]
    minimum: float | None
    danger: str
    """`code`, `path`, `secret` or empty."""
    refusal: str
    """Why it can't be set; empty = it can."""


class OptionsAnswer(Answer):
    engine: str
    groups: dict[str, str]
    """What each group is called, in the order of forms."""
    options: tuple[OptionAnswer, ...]


@router.get("")
def engines(app: TheApp) -> tuple[EngineAnswer, ...]:
    """All trainers, ours first."""
    return tuple(
        EngineAnswer(name=state.name, commit=state.commit, scripts=state.scripts, problem=state.problem)
        for state in app.engines.states()
    )


@router.get("/{name}/options")
def options(name: str, app: TheApp) -> OptionsAnswer:
    """What may be set for a trainer. The scripts of a checkout are asked the first time, without their
    packages."""
    table = app.engines.options(name)
    return OptionsAnswer(
        engine=name,
        groups=dict(app.engines.groups()),
        options=tuple(
            OptionAnswer(
                name=option.name,
                label=option.label,
                group=option.group,
                help=option.help,
                unit=option.unit,
                usual=option.usual,
                suggestions=option.suggestions,
                simple=option.simple,
                modes=option.modes,
                type=option.spec.type,
                default=option.spec.default,
                choices=option.spec.choices,
                minimum=option.spec.minimum,
                danger=option.danger.value,
                refusal=option.refusal,
            )
            for option in table.values()
        ),
    )
