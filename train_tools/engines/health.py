"""Whether a registered checkout can train: its scripts are imported in its own environment, in processes of their
own. Its code is run by this, so only somebody at the command line asks for it."""

from __future__ import annotations

import time
from pathlib import Path

from train_tools.engines.kohya.checkout import Checkout
from train_tools.engines.registry import Registered
from train_tools.errors import EngineNotUsableError
from train_tools.model.engine import EngineHealth, EngineState
from train_tools.options.discovery import Way, asked
from train_tools.options.words import words
from train_tools.runs.provenance import installed_packages, python_of


def state_of(entry: Registered) -> EngineState:
    """What its folder tells; nothing in it is run."""
    checkout = Checkout(entry.folder)
    try:
        scripts, problem = checkout.scripts, ""
    except EngineNotUsableError as error:
        scripts, problem = (), str(error)
    if not problem and not entry.python.is_file():
        problem = (
            f"{entry.python} is not there: its environment was moved or deleted. Name the interpreter with "
            f"`train-tools engine add {entry.name} --path {entry.folder} --python PYTHON`."
        )
    return EngineState(
        name=entry.name,
        folder=entry.folder,
        python=entry.python,
        commit=checkout.commit,
        scripts=scripts,
        allowed=entry.allowed,
        problem=problem,
    )


def health_of(entry: Registered) -> EngineHealth:
    """Imports its first script in its own environment. The others share its packages."""
    state = state_of(entry)
    if state.problem:
        return EngineHealth(state=state, problem=state.problem)
    environment = entry.python.parent.parent
    begun = time.monotonic()
    try:
        found = asked(entry.folder, state.scripts[0], Way.OWN, str(entry.python))
        problem = ""
    except EngineNotUsableError as error:
        found, problem = (), str(error)
    names = [option.name for option in found]
    return EngineHealth(
        state=state,
        options=len(names),
        unheard_of=tuple(name for name in names if name not in words()),
        packages=tuple(installed_packages(environment)),
        python=python_of(environment),
        seconds=time.monotonic() - begun,
        problem=problem,
    )


def python_for(folder: Path, said: Path | None) -> Path:
    """The interpreter of a checkout's environment. Raises EngineNotUsableError when there is none."""
    if said is not None:
        python = said.expanduser().absolute()
        if not python.is_file():
            raise EngineNotUsableError(f"{python} does not exist. Name the Python of the checkout's environment.")
        return python
    found = next(Checkout(folder).pythons(), None)
    if found is None:
        raise EngineNotUsableError(
            f"{folder} has no environment of its own (venv or .venv in it or beside it). Install it as its README "
            "says, or name the Python of its environment with --python."
        )
    return found
