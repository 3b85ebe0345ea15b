"""Checkpoints put into the trash with all that belongs to them, and brought back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from train_tools.checkpoints.marks import paths_of
from train_tools.errors import AlreadyExistsError, NotFoundError
from train_tools.files import storage_error
from train_tools.model.checkpoint import Checkpoint
from train_tools.model.paths import VersionPaths
from train_tools.model.project import Trashed
from train_tools.projects.trash import Origin, Trash, move_all, size_of


def parts_of(checkpoint: Checkpoint) -> Iterator[Path]:
    """The file, its folder of previews and marks, and the trainer's own name of the same file."""
    yield checkpoint.path
    about = paths_of(checkpoint)
    if any(part.exists() for part in (about.images, about.marks, about.edits)):  # not a folder of the run's own
        yield about.folder
    yield from twins_of(checkpoint)


def twins_of(checkpoint: Checkpoint) -> list[Path]:
    """Names of the same file in the outputs of the run's attempts: with one of them left, no room is won."""
    found = checkpoint.path.parent.glob("attempts/*/out/*.safetensors")
    return sorted(file for file in found if file.name == checkpoint.path.name and _same(file, checkpoint.path))


def room_of(checkpoints: Sequence[Checkpoint]) -> tuple[int, int]:
    """How many bytes they take, and how many of those nobody else holds: a hard link in a WebUI's folder keeps
    the content where it is."""
    files = [file for each in checkpoints for part in parts_of(each) for file in _files_of(part)]
    names = Counter((status.st_dev, status.st_ino) for status in (file.lstat() for file in files))
    alone = [file for file in files if (status := file.lstat()).st_nlink <= names[(status.st_dev, status.st_ino)]]
    return size_of(files), size_of(alone)


def put_away(trash: Trash, version: VersionPaths, checkpoints: Sequence[Checkpoint]) -> Trashed:
    """Moves them into the trash under one token, all or none. Raises StorageError."""
    gone = next((each for each in checkpoints if not each.path.is_file()), None)
    if gone is not None:
        raise NotFoundError(
            f"{gone.path} is not there any more, so nothing was put away. Look again at what is there."
        )
    parts = {_within(version, part): part for each in checkpoints for part in parts_of(each)}
    project, name = version.folder.parent.parent.name, version.folder.name
    called = tuple(each.called for each in checkpoints)
    return trash.put_parts(parts, Origin(project=project, version=name, checkpoints=called))


def bring_back(trash: Trash, token: str, version: VersionPaths) -> tuple[Path, ...]:
    """Moves them to where they were, all or none, and returns the files. Raises AlreadyExistsError when something
    has taken a place meanwhile, NotFoundError when a run is gone."""
    content, _ = trash.content(token)
    moves = {}
    for source in _moved(content):
        target = version.trains / source.relative_to(content)
        if not (version.trains / target.relative_to(version.trains).parts[0]).is_dir():
            raise NotFoundError(
                f"The run of {target.name} is not in {version.trains} any more. Bring it back first."
            )
        moves[source] = target
    taken = next((target for target in moves.values() if target.exists()), None)
    if taken is not None:
        raise AlreadyExistsError(
            f"{taken} is there again, so nothing was brought back. Put that one aside first; what is in the trash "
            "stays there."
        )
    try:
        move_all(moves)
    except OSError as error:
        raise storage_error(version.trains, error) from error
    trash.forget(token)
    return tuple(
        sorted(each for each in moves.values() if each.parent.parent == version.trains and each.is_file())
    )


def _moved(content: Path) -> Iterator[Path]:
    """What was moved in one piece: files and folders of a run, and files of its attempts."""
    for run in sorted(content.iterdir()):
        for entry in sorted(run.iterdir()):
            if entry.name == "attempts":
                yield from sorted(entry.glob("*/out/*"))
            else:
                yield entry


def _within(version: VersionPaths, part: Path) -> str:
    return part.relative_to(version.trains).as_posix()


def _files_of(part: Path) -> Iterable[Path]:
    return (file for file in part.rglob("*") if not file.is_dir()) if part.is_dir() else (part,)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
