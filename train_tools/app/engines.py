"""The trainers that can be used: ours, and the checkouts that the user has registered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from train_tools.engines.health import health_of, python_for, state_of
from train_tools.engines.installation import CHECKOUT, KOHYA, Source, install, torch_as_here
from train_tools.engines.kohya.checkout import Checkout
from train_tools.engines.kohya.engine import KohyaEngine
from train_tools.engines.registry import Registered, Registry
from train_tools.model.engine import EngineHealth, EngineState
from train_tools.model.paths import OutputsPaths
from train_tools.options.table import OptionTable
from train_tools.options.words import groups
from train_tools.runs.engine import Engine
from train_tools.runs.provenance import commit_of


class Engines(Mapping[str, Engine]):
    """By name, ours first. Registered ones are looked up each time: others register them too, and their code may
    change; one whose code has changed is another engine."""

    def __init__(self, ours: Sequence[Engine], outputs: OutputsPaths, state_folder: Path) -> None:
        self._ours = {engine.name: engine for engine in ours}
        self._outputs = outputs
        self._state_folder = state_folder
        self._registry = Registry(state_folder)
        self._made: dict[tuple[Registered, str], KohyaEngine] = {}

    def __getitem__(self, name: str) -> Engine:
        if name in self._ours:
            return self._ours[name]
        entry = self._registry.all()[name]
        key = entry, Checkout(entry.folder).content
        if key not in self._made:
            self._made[key] = KohyaEngine(entry, self._outputs.cache, self._state_folder)
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._ours
        yield from (name for name in self._registry.all() if name not in self._ours)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def options(self, name: str) -> OptionTable:
        """What may be set for a trainer. Raises NotFoundError."""
        if name not in self._ours:
            self._registry.get(name)
        return self[name].options

    @staticmethod
    def groups() -> Mapping[str, str]:
        """What each group of options is called, in the order of forms."""
        return groups()

    @staticmethod
    def source(ref: str, url: str | None = None, python: Path | None = None) -> Source:
        """What to fetch, with the PyTorch that was chosen for this machine."""
        return Source(ref=ref, url=url or KOHYA, python=str(python or sys.executable), torch=torch_as_here())

    def states(self) -> tuple[EngineState, ...]:
        """What is known of each. Nothing of theirs is run."""
        ours = (
            EngineState(name=engine.name, folder=engine.code, python=None, commit=commit_of(engine.code))
            for engine in self._ours.values()
        )
        return (*ours, *(state_of(entry) for entry in self._registry.all().values()))

    def add(self, name: str, folder: Path, python: Path | None = None) -> EngineHealth:
        """Registers a checkout that is there, and tries it. One that is registered already gets the
        interpreter."""
        folder = folder.expanduser().absolute()
        assert Checkout(folder).scripts, "a checkout without scripts is refused by that question"
        entry = Registered(name=name, folder=folder, python=python_for(folder, python))
        known = self._registry.all().get(name)
        self._registry.add(replace(entry, allowed=known.allowed) if known else entry)
        return self.check(name)

    def install(self, name: str, source: Source, say: Callable[[str], None]) -> EngineHealth:
        """Fetches a checkout with an environment of its own, below the outputs folder, and registers it."""
        folder = self._outputs.engines / name
        self._registry.check_free(name, folder / CHECKOUT)
        return self.add(name, folder / CHECKOUT, install(folder, source, say))

    def check(self, name: str) -> EngineHealth:
        """Tries a registered one in its own environment: its code is run. Raises NotFoundError."""
        return health_of(self._registry.get(name))

    def remove(self, name: str) -> EngineState:
        """Forgets a registered one; its folder and what it has trained stay."""
        return state_of(self._registry.remove(name))

    def allow(self, name: str, code: str) -> None:
        """Lets the options of a registered one name this code: a module, or a package and all in it."""
        self._registry.allow(name, code)
