"""Folders of this machine, for a page that picks a path: those below the user's roots, and no others."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from train_tools.errors import NotFoundError, StorageError
from train_tools.model.folder import Entry, Listing
from train_tools.model.paths import OutputsPaths

MOST_SHOWN = 2000


class Folders:
    """Looks into folders, never into files; links are followed first and must end below a root."""

    def __init__(self, outputs: OutputsPaths, named: Callable[[], Iterable[str]]) -> None:
        """`named` are the folders that are shown besides the outputs and the user's home."""
        self._outputs = outputs
        self._named = named

    @property
    def roots(self) -> tuple[Path, ...]:
        """The outputs folder, the user's home, where base models lie, and what `page.folders` adds."""
        places = [self._outputs.folder, *_home(), *(Path(each).expanduser() for each in self._named())]
        return tuple(dict.fromkeys(place.resolve() for place in places if place.is_dir()))

    def listed(self, path: Path | None, suffixes: Collection[str] = ()) -> Listing:
        """What lies in a folder: folders, and the files that end with one of `suffixes` (all when none is named).
        None lists the roots. A file's path lists the folder it lies in. Hidden ones are left out.

        Raises NotFoundError when it is not there or lies below no root, StorageError when it can't be read.
        """
        if path is None:
            return Listing(path=None, parent=None, entries=tuple(map(_entry_of_root, self.roots)), left_out=0)
        folder = self._inside(path)
        try:
            with os.scandir(folder) as found:
                entries = sorted(_shown(found, tuple(each.lower() for each in suffixes)), key=_order)
        except OSError as error:
            raise StorageError(f"{folder} can't be looked into: {error.strerror or error}.") from error
        parent = None if folder in self.roots else folder.parent
        left_out = max(len(entries) - MOST_SHOWN, 0)
        return Listing(path=folder, parent=parent, entries=tuple(entries[:MOST_SHOWN]), left_out=left_out)

    def _inside(self, path: Path) -> Path:
        place = path.expanduser().resolve()
        if not any(place.is_relative_to(root) for root in self.roots):
            raise NotFoundError(
                f"{path} is not shown here: it lies below none of {', '.join(map(str, self.roots))}. Type "
                "the whole path instead, or name its folder in Settings (page.folders)."
            )
        if place.is_file():
            place = place.parent
        if not place.is_dir():
            raise NotFoundError(f"There is no folder {path}.")
        return place


def _home() -> Iterator[Path]:
    try:
        yield Path.home()
    except RuntimeError:  # a home that nobody knows
        return


def _entry_of_root(root: Path) -> Entry:
    return Entry(name=str(root), path=root, is_folder=True, size_bytes=0, changed=_moment(root.stat().st_mtime))


def _shown(found: Iterable[os.DirEntry[str]], suffixes: tuple[str, ...]) -> Iterator[Entry]:
    for each in found:
        if each.name.startswith("."):
            continue
        try:
            is_folder, state = each.is_dir(), each.stat()
        except OSError:  # a link that leads nowhere, or gone meanwhile
            continue
        if is_folder or not suffixes or each.name.lower().endswith(suffixes):
            yield Entry(
                name=each.name,
                path=Path(each.path),
                is_folder=is_folder,
                size_bytes=0 if is_folder else state.st_size,
                changed=_moment(state.st_mtime),
            )


def _order(entry: Entry) -> tuple[bool, str]:
    return (not entry.is_folder, entry.name.casefold())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
