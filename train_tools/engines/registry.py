"""Which checkouts of sd-scripts the user has named as trainers: `engines.toml` in the user's state folder on this
machine. It names code that is run, so it never lies among what people copy to each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from train_tools.errors import AlreadyExistsError, NameNotAllowedError, NotFoundError, StorageError
from train_tools.files import read_toml, write_toml

FORMAT = 1
OURS = "bundled"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One checkout under its name."""

    name: str
    folder: Path
    python: Path
    """The interpreter of its own environment."""
    allowed: tuple[str, ...] = ()
    """Code that the user said its options may name."""


class Registry:
    """The file is read each time: other processes write it too."""

    def __init__(self, state_folder: Path) -> None:
        self.file = state_folder / "engines.toml"

    def all(self) -> Mapping[str, Registered]:
        """By name, in the order they were added. Raises StorageError when the file can't be read."""
        if not self.file.is_file():
            return {}
        table = read_toml(self.file)
        if not isinstance(table.get("format"), int) or table["format"] > FORMAT:
            raise StorageError(f"{self.file} was written by a newer Train Tools; use that one.")
        return {name: self._entry(name, entry) for name, entry in table.get("engines", {}).items()}

    def get(self, name: str) -> Registered:
        """Raises NotFoundError."""
        found = self.all().get(name)
        if found is None:
            known = ", ".join(self.all()) or "none"
            raise NotFoundError(f"There is no engine {name!r}. Added are: {known}.")
        return found

    def add(self, engine: Registered) -> None:
        """Raises NameNotAllowedError, or AlreadyExistsError when the name is another checkout's."""
        self.check_free(engine.name, engine.folder)
        self._write({**self.all(), engine.name: engine})

    def check_free(self, name: str, folder: Path | None = None) -> None:
        """Raises NameNotAllowedError, or AlreadyExistsError when another folder than this has the name."""
        self._check_name(name)
        present = self.all().get(name)
        if present is not None and present.folder != folder:
            raise AlreadyExistsError(
                f"The engine {name!r} is {present.folder}. Choose another name, or remove it first with "
                f"`train-tools engine remove {name}`."
            )

    def remove(self, name: str) -> Registered:
        """Forgets it; its folder stays."""
        removed = self.get(name)
        self._write({each: entry for each, entry in self.all().items() if each != name})
        return removed

    def allow(self, name: str, code: str) -> None:
        entry = self.get(name)
        self._write({**self.all(), name: replace(entry, allowed=tuple(dict.fromkeys((*entry.allowed, code))))})

    def _entry(self, name: str, entry: Any) -> Registered:
        try:
            self._check_name(name)
            return Registered(
                name=name,
                folder=Path(entry["folder"]),
                python=Path(entry["python"]),
                allowed=tuple(str(code) for code in entry.get("allowed", ())),
            )
        except (KeyError, TypeError, AttributeError, NameNotAllowedError) as error:
            raise StorageError(
                f"{self.file}: the engine {name!r} is not whole ({error}). Mend its lines, or delete them."
            ) from error

    def _write(self, engines: Mapping[str, Registered]) -> None:
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"Could not make {self.file.parent}: {error.strerror or error}.") from error
        tables = {
            engine.name: {
                "folder": str(engine.folder),
                "python": str(engine.python),
                "allowed": list(engine.allowed),
            }
            for engine in engines.values()
        }
        write_toml(self.file, {"format": FORMAT, "engines": tables})

    @staticmethod
    def _check_name(name: str) -> None:
        if name == OURS or not _NAME.fullmatch(name):
            raise NameNotAllowedError(
                f"{name!r} can't be the name of an engine: small letters, digits, dots and hyphens are allowed, "
                f"at most 40, and {OURS!r} is taken. For example kohya-2025-06."
            )
