"""A grid: options of which some take several values; its cells are the runs. And the identity of a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

LONGEST_LABEL_BYTES = 60
BUNDLED = "bundled"
"""The trainer that ships with Train Tools, and is taken where none is named."""

SHORT_NAMES = {
    "train_batch_size": "bs",
    "max_train_epochs": "ep",
    "optimizer_type": "op",
    "learning_rate": "lr",
    "network_dim": "net",
    "network_alpha": "ap",
}
"""How run labels abbreviate the options that everybody sweeps (S1-44)."""


@dataclass(frozen=True)
class Formula:
    """A value that is computed from other options of the same run: `unet_lr/2`. Written with `=` before it."""

    text: str

    def __str__(self) -> str:
        return f"={self.text}"


@dataclass(frozen=True)
class Typed:
    """The values of an axis as somebody wrote them into a grid file: `8:64:*2`. Which they are, the options of the
    grid's trainer tell."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What makes a grid less, or more, than the product of its axes."""

    zipped: tuple[tuple[str, ...], ...] = ()
    """Axes that go together: the first value of one with the first of the others."""
    only_when: Mapping[str, str] = field(default_factory=dict)
    """Options that are set only in runs that meet a condition; elsewhere they keep the default."""
    exclude: tuple[str, ...] = ()
    """Conditions of runs that are left out."""
    sample: int = 0
    """How many of the runs are drawn at random; 0 = all."""
    sample_seed: int = 0
    seeds: int = 1
    """How many runs each cell gets, with seeds that follow one another."""
    other_seed: bool = False
    """Adds the first run with another seed, so that effects can be compared with chance."""
    left_out: tuple[str, ...] = ()
    """Single runs that were unticked, each by its label."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Base options plus the axes that vary: the cartesian product, first axis outermost, as the rules say. Values
    are typed, or formulas."""

    base: Mapping[str, Any]
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    engine: str = BUNDLED
    """The trainer; values are typed as its options are."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was understood in another way than it was typed, in words."""

    def values(self, name: str) -> tuple[Any, ...]:
        """All values an option takes; none where it is not set."""
        if name in self.axes:
            return self.axes[name]
        return (self.base[name],) if name in self.base else ()

    def with_values(self, name: str, values: tuple[Any, ...]) -> Grid:
        """The grid with other values of an option, one or several."""
        base = {key: value for key, value in self.base.items() if key != name}
        axes = {key: value for key, value in self.axes.items() if key != name}
        if len(values) == 1:
            return replace(self, base={**base, name: values[0]}, axes=axes)
        return replace(self, base=base, axes={key: values if key == name else axes[key] for key in self.axes})


def stored_value(value: Any) -> Any:
    """A value as a TOML file holds it: formulas as text, tuples as lists."""
    if isinstance(value, Formula):
        return str(value)
    return [stored_value(item) for item in value] if isinstance(value, tuple | list) else value


def value_stored(value: Any) -> Any:
    """The value that a TOML file holds."""
    if isinstance(value, str) and value.startswith("="):
        return Formula(value[1:])
    return tuple(value_stored(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """Everything that decides the result of one run; frozen once queued.

    `options` are canonical: typed values, defaults left out, nothing that only says where files go.
    """

    options: Mapping[str, Any]
    dataset: str
    """sha256 of the dataset's content."""
    base_model: str
    """sha256 of the base model's file."""
    engine: str
    contract: int | str
    """Version of the engine's contract: another one when the same options would give another result."""

    @cached_property
    def fingerprint(self) -> str:
        """The run's identity: equal when the results would be, however the values were spelt."""
        identity = {
            "options": {key: canonical(value) for key, value in self.options.items()},
            "dataset": self.dataset,
            "base_model": self.base_model,
            "engine": self.engine,
            "contract": self.contract,
        }
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()


def canonical(value: Any) -> Any:
    """The value as JSON that keeps types apart: 1 and 1.0 differ only where the option's type does."""
    if isinstance(value, Formula):
        return {"formula": value.text}
    if isinstance(value, float):
        return {"float": (value + 0.0).hex()}  # -0.0 is 0.0
    if isinstance(value, tuple | list):
        return [canonical(item) for item in value]
    return value


@dataclass(frozen=True, kw_only=True)
class Run:
    """A spec with its folder name, what makes it differ from its neighbours, and all options it was given."""

    name: str
    spec: RunSpec
    varied: Mapping[str, Any]
    options: Mapping[str, Any]
    """Every option that was set, also those that don't decide the result."""

    @property
    def base_model(self) -> str:
        """Where the base model lies on this machine."""
        return str(self.options["pretrained_model_name_or_path"])

    @property
    def label(self) -> str:
        """What varies, for people: `network_dim=8 learning_rate=0.005`."""
        return label_of(self.varied)


def label_of(varied: Mapping[str, Any]) -> str:
    """A run's name for people, from what varies."""
    return " ".join(f"{key}={value}" for key, value in varied.items()) or "single run"


def run_name(spec: RunSpec, base_stem: str, varied: Mapping[str, Any]) -> str:
    """A readable label of at most 60 bytes, what varies last, + `-` + 8 hex of the fingerprint.

    Never parsed: the folder's run.toml says what the run is.
    """
    shown = ("train_batch_size", "max_train_epochs", "optimizer_type")
    fixed = [_part(key, spec.options[key]) for key in shown if key in spec.options and key not in varied]
    head = _safe("-".join([base_stem, *fixed]))
    tail = _safe("-".join(_part(key, value) for key, value in varied.items()))
    room = LONGEST_LABEL_BYTES - len(tail.encode()) - 1
    if tail:
        label = f"{_cut(head, room)}-{tail}" if room > 0 else _cut(tail, LONGEST_LABEL_BYTES)
    else:
        label = _cut(head, LONGEST_LABEL_BYTES)
    return f"{label.strip('-') or 'run'}-{spec.fingerprint[:8]}"


def _part(key: str, value: Any) -> str:
    return f"{SHORT_NAMES.get(key, key)}-{value}"


def _safe(text: str) -> str:
    return re.sub(r"[^\w\-+]+", "_", text.replace(" ", "")).strip("_")


def _cut(text: str, size: int) -> str:
    return text.encode("utf-8")[: max(0, size)].decode("utf-8", "ignore")
