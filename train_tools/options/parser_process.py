"""Prints, as JSON into a file, the options that a script's own parser has:
`python parser_process.py own|stubs CHECKOUT SCRIPT OUT`.

`own`: with the packages of the Python it is started with. `stubs`: whatever is neither Python's own nor a file of
the checkout is answered by a stand-in, so that neither torch nor anything else has to be installed. It is started
with other people's Pythons, 3.8 or newer, and imports nothing but Python's own.
"""

from __future__ import annotations

import abc
import argparse
import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Json = Any


class _Stub(abc.ABCMeta):
    """The type of a stand-in: it can be called, subclassed, indexed, calculated with and asked for anything, and
    gives more of its kind."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in ("__version__", "__file__"):
            raise AttributeError(name)
        return stub(name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if not cls.__dict__.get("is_stand_in"):
            return super().__call__(*args, **kwargs)  # a class of the checkout that is made from one
        decorates = len(args) == 1 and not kwargs and isinstance(args[0], (types.FunctionType, type))
        return args[0] if decorates else stub(cls.__name__)

    def __getitem__(cls, key: Any) -> Any:
        return stub(cls.__name__)

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __len__(cls) -> int:
        return 0

    def __contains__(cls, item: Any) -> bool:
        return False

    def __bool__(cls) -> bool:
        return False

    def __str__(cls) -> str:
        return "0.0"

    def __fspath__(cls) -> str:
        return "stub"

    def __int__(cls) -> int:
        return 0

    def __index__(cls) -> int:
        return 0

    def __float__(cls) -> float:
        return 0.0

    def __enter__(cls) -> Any:
        return cls

    def __exit__(cls, *_: Any) -> None:
        return None

    def __hash__(cls) -> int:
        return id(cls)

    def __eq__(cls, other: Any) -> bool:
        return cls is other

    def __mro_entries__(cls, bases: Any) -> Any:
        return (cls,)


def _calculated(cls: Any, *_: Any) -> Any:
    return stub(cls.__name__)


def _compared(cls: Any, other: Any) -> bool:
    return False


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "or", "and", "xor", "matmul", "lshift"):
    setattr(_Stub, f"__{_name}__", _calculated)
    setattr(_Stub, f"__r{_name}__", _calculated)
for _name in ("neg", "pos", "abs", "invert"):
    setattr(_Stub, f"__{_name}__", _calculated)
for _name in ("lt", "le", "gt", "ge"):
    setattr(_Stub, f"__{_name}__", _compared)


def stub(name: str) -> Any:
    return _Stub(name, (), {"is_stand_in": True})


class StubModule(types.ModuleType):
    """A module that has everything."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return "0.0.0"
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = stub(name)
        setattr(self, name, made)
        return made


class Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers every import that is neither Python's own nor a file of the checkout."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._pythons = set(getattr(sys, "stdlib_module_names", ())) | set(sys.builtin_module_names)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        top = name.partition(".")[0]
        own = (self._checkout / top).is_dir() or (self._checkout / (top + ".py")).is_file()
        if own or top in self._pythons:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """There is nothing to be run in it."""


def options_of(parser: argparse.ArgumentParser) -> Json:
    return [_option(action) for action in parser._actions if action.option_strings and action.dest != "help"]


def _option(action: argparse.Action) -> Json:
    return {
        "name": action.dest,
        "flags": list(action.option_strings),
        "action": type(action).__name__,
        "type": _type_name(action.type),
        "nargs": action.nargs,
        "default": _plain(action.default),
        "choices": None if action.choices is None else [_plain(choice) for choice in action.choices],
        "help": action.help if isinstance(action.help, str) else "",
    }


def _type_name(type_: Any) -> str:
    return "" if type_ is None else str(getattr(type_, "__name__", type(type_).__name__))


def _plain(value: Any) -> Json:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if value is None or type(value) in (bool, int, float, str) else str(value)


def leave_our_folder(places: list[str]) -> None:
    """Python looks for modules beside the program first, where ours have the names of its own, such as secrets."""
    ours = Path(__file__).resolve().parent
    places[:] = [place for place in places if Path(place).resolve() != ours]


def main(way: str, checkout: str, script: str, out: str) -> None:
    folder = Path(checkout)
    leave_our_folder(sys.path)
    sys.path.insert(0, checkout)
    if way == "stubs":
        sys.meta_path.insert(0, Stubs(folder))
    sys.argv = [str(folder / (script + ".py"))]
    parser = importlib.import_module(script).setup_parser()
    found = {"options": options_of(parser)}
    Path(out).write_text(json.dumps(found, ensure_ascii=True), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
