"""Named folders side by side: the projects of a root, the versions of a project. Knows names, not contents."""

from __future__ import annotations

import difflib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from train_tools.errors import AlreadyExistsError, NotFoundError
from train_tools.files import storage_error
from train_tools.model.names import LONGEST_NAME_BYTES, checked_name


@dataclass(frozen=True)
class Shelf:
    """The folders in `folder`. Not on the shelf are files, hidden folders, links that leave `root`, and names
    that are no text."""

    folder: Path
    root: Path
    noun: str
    """What a folder is, for people: `project`."""

    def folders(self) -> tuple[Path, ...]:
        """All there are now, by name. Raises StorageError when the shelf is there but can't be read."""
        return tuple(sorted(entry for entry in self._entries() if self._is_ours(entry)))

    def find(self, name: str) -> Path:
        """The folder of that name, however its letters are composed. Raises NotFoundError with what there is."""
        folders = self.folders()
        for same in (str, _composed):
            for folder in folders:
                if same(folder.name) == same(name):
                    return folder
        raise NotFoundError(self._nothing_called(name, [folder.name for folder in folders]))

    def place_for(self, name: str, instead_of: Path | None = None) -> Path:
        """Where a folder of this name would go; `instead_of` is the one that gives up its own name for it.

        Raises NameNotAllowedError, or AlreadyExistsError where something is there whose name differs at most in
        case: on many disks those are the same name.
        """
        name = checked_name(name, f"{self.noun} name")
        for entry in self._entries():
            if entry != instead_of and _alike(entry.name) == _alike(name):
                raise AlreadyExistsError(
                    f"There is a {self.noun} {entry.name!r} already, so {name!r} can't be used. "
                    "Names that differ only in case count as the same; choose another."
                )
        return self.folder / name

    def free_place_for(self, name: str) -> Path:
        """`name`, or the first of `name-2`, `name-3` ... that nothing is called."""
        taken = {_alike(entry.name) for entry in self._entries()}
        candidate, number = name, 1
        while _alike(candidate) in taken:
            number += 1
            candidate = f"{_cut(name, LONGEST_NAME_BYTES - len(f'-{number}'))}-{number}"
        return self.folder / candidate

    def move(self, source: Path, target: Path) -> None:
        """Renames, within the shelf or onto it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            source.rename(target)
        except OSError as error:
            raise storage_error(target, error) from error

    def _entries(self) -> list[Path]:
        try:
            if not self.folder.resolve().is_relative_to(self.root.resolve()):
                return []
            return list(self.folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise storage_error(self.folder, error) from error

    def _is_ours(self, entry: Path) -> bool:
        if entry.name.startswith(".") or not _is_text(entry.name):
            return False
        try:
            if entry.is_symlink() and not entry.resolve().is_relative_to(self.root.resolve()):
                return False
            return entry.is_dir()
        except (OSError, RuntimeError):  # a link to itself
            return False

    def _nothing_called(self, name: str, names: list[str]) -> str:
        near = difflib.get_close_matches(name, names, n=1)
        if near:
            return f"There is no {self.noun} {name!r}. Did you mean {near[0]!r}?"
        if not names:
            return f"There is no {self.noun} {name!r}, nor any other yet: create one first."
        return (
            f"There is no {self.noun} {name!r}. There are: {', '.join(names[:10])}{', ...' * (len(names) > 10)}."
        )


def _is_text(name: str) -> bool:
    """Whether the name can be shown and written anywhere; on POSIX it may be any bytes."""
    return name.encode("utf-8", "replace") == name.encode("utf-8", "surrogatepass")


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _alike(name: str) -> str:
    """Equal for names that some disk would take for the same."""
    return _composed(_composed(name).casefold())


def _cut(name: str, size: int) -> str:
    return name.encode("utf-8")[:size].decode("utf-8", "ignore").rstrip(" .")
