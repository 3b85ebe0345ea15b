"""Edits of many captions, each a file in the version's folder that holds every caption before and after.

It is written before the first caption is, and its name says how far things are: `000007.applying.jsonl` becomes
`.done`, then `.undoing`, then `.undone`. An edit that was killed is finished at the next opening; one that
failed is taken back. A caption is only written while it is what the edit expects: what somebody else saved stays.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from train_tools.captions.exchange import Found, exchange, found
from train_tools.captions.listing import caption_file
from train_tools.datasets.exclusive import alone_with
from train_tools.errors import (
    ChangedMeanwhileError,
    InUseError,
    NotFoundError,
    StorageError,
)
from train_tools.files import storage_error, write_text
from train_tools.model.captions import EditedCaption, EditOutcome, EditRecord, EditState
from train_tools.model.paths import VersionPaths

FORMAT = 1
KEPT = 100
"""Older edits can't be undone any more."""
NAMED = 5
_NAME = re.compile(r"([0-9]{6,})\.(applying|done|undoing|undone)\.jsonl")
_UNDER_WAY = {EditState.APPLYING: EditState.DONE, EditState.UNDOING: EditState.UNDONE}


@dataclass(frozen=True)
class _Kept:
    """An edit's file."""

    path: Path
    number: int
    state: EditState

    def moved(self, state: EditState) -> _Kept:
        """The same edit in another state; one rename, so there is no state between."""
        path = self.path.with_name(f"{self.number:06}.{state}.jsonl")
        try:
            self.path.rename(path)
        except OSError as error:
            raise storage_error(path, error) from error
        return _Kept(path, self.number, state)


class Journal:
    """The edits of one version. Its methods that write raise InUseError while another import, preparation or edit
    of the version is under way."""

    def __init__(self, version: VersionPaths) -> None:
        self._version = version

    def records(self) -> tuple[EditRecord, ...]:
        """All edits that are kept, the newest first. Raises StorageError for a file that is damaged."""
        return tuple(_record(kept) for kept in reversed(self._kept()))

    def images_of(self, number: int) -> tuple[str, ...]:
        """The images whose captions an edit touched. Raises NotFoundError."""
        for kept in self._kept():
            if kept.number == number:
                return tuple(each.image for each in _captions(kept))
        raise NotFoundError(f"There is no edit {number} in this version; the last {KEPT} are kept.")

    def mend(self) -> tuple[str, ...]:
        """Finishes what was killed, if nobody is at it right now. Gives the images that were left as they are."""
        if not any(kept.state in _UNDER_WAY for kept in self._kept()):
            return ()
        try:
            with alone_with(self._version):
                return self._finished()
        except InUseError:
            return ()

    def apply(self, what: str, captions: Sequence[EditedCaption]) -> EditOutcome:
        """Writes the captions, all or none. When the disk is full, what was written is taken back."""
        if not captions:
            return EditOutcome(record=None, changed=0)
        with alone_with(self._version):
            self._finished()
            kept = self._noted(what, captions)
            return self._carried_out(kept, captions)

    def undo(self, number: int | None = None, *, leave_changed: bool = False) -> EditOutcome:
        """Puts back the captions as they were before an edit, by default the last. Raises ChangedMeanwhileError,
        which names them, when captions were changed since; with `leave_changed` these stay as they are."""
        return self._reversed(EditState.DONE, number, leave_changed)

    def redo(self, number: int | None = None, *, leave_changed: bool = False) -> EditOutcome:
        """Does an undone edit again, by default the one undone last; else as `undo`."""
        return self._reversed(EditState.UNDONE, number, leave_changed)

    def _reversed(self, state: EditState, number: int | None, leave_changed: bool) -> EditOutcome:
        with alone_with(self._version):
            self._finished()
            kept = self._chosen(state, number)
            captions = _captions(kept)
            undoes = state is EditState.DONE
            changes = [_backwards(each) for each in captions] if undoes else captions
            misfits = [each.image for each in changes if not self._is_expected(each)]
            if misfits and not leave_changed:
                raise ChangedMeanwhileError(
                    f"{len(misfits)} captions are no longer as edit {kept.number} left them, so nothing was "
                    "changed: "
                    f"{_some(misfits)}. Leave these as they are and change the others, or change them yourself."
                )
            return self._carried_out(kept.moved(EditState.UNDOING if undoes else EditState.APPLYING), captions)

    def _chosen(self, state: EditState, number: int | None) -> _Kept:
        """The edit in that state: the last to be undone, the first to be done again."""
        found = [kept for kept in self._kept() if kept.state is state and number in (None, kept.number)]
        if not found:
            verb = "undone" if state is EditState.DONE else "done again"
            raise NotFoundError(
                f"There is no edit that can be {verb}." if number is None else f"Edit {number} can't be {verb}."
            )
        return found[-1] if state is EditState.DONE else found[0]

    def _noted(self, what: str, captions: Sequence[EditedCaption]) -> _Kept:
        all_kept = self._kept()
        number = all_kept[-1].number + 1 if all_kept else 1
        kept = _Kept(
            self._version.caption_edits / f"{number:06}.{EditState.APPLYING}.jsonl", number, EditState.APPLYING
        )
        head = {
            "format": FORMAT,
            "what": what,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "count": len(captions),
        }
        lines = [head, *([each.image, _as_text(each.before), _as_text(each.after)] for each in captions)]
        try:
            kept.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(
                kept.path, "".join(f"{json.dumps(line)}\n" for line in lines)
            )  # ASCII: any bytes can be said
            for old in all_kept[: 1 - KEPT]:
                old.path.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(kept.path, error) from error
        return kept

    def _carried_out(self, kept: _Kept, captions: Sequence[EditedCaption]) -> EditOutcome:
        """Writes the captions towards the state that the edit is on its way to; takes them back if it can't."""
        try:
            changed, left = self._written(kept, captions)
        except StorageError:
            back = kept.moved(EditState.UNDOING if kept.state is EditState.APPLYING else EditState.APPLYING)
            self._written(back, captions)
            back.moved(_UNDER_WAY[back.state])
            raise
        ended = kept.moved(_UNDER_WAY[kept.state])
        images = tuple(each.image for each in captions)
        return EditOutcome(record=_record(ended), changed=changed, images=images, left=left)

    def _finished(self) -> tuple[str, ...]:
        """What was under way when its process ended, carried on."""
        left: list[str] = []
        for kept in self._kept():
            if kept.state in _UNDER_WAY:
                captions = _captions(kept)
                left += self._carried_out(kept, captions).left
        return tuple(left)

    def _written(self, kept: _Kept, captions: Iterable[EditedCaption]) -> tuple[int, tuple[str, ...]]:
        """How many captions were written, and the images whose captions are neither as before nor as after."""
        changed, left = 0, []
        for each in captions:
            change = _backwards(each) if kept.state is EditState.UNDOING else each
            what = exchange(self._file(change), change.before, change.after) if self._has_image(change) else None
            changed += what is Found.BEFORE
            if what in (None, Found.OTHER):
                left.append(change.image)
        return changed, tuple(left)

    def _is_expected(self, change: EditedCaption) -> bool:
        return (
            self._has_image(change) and found(self._file(change), change.before, change.after) is not Found.OTHER
        )

    def _file(self, change: EditedCaption) -> Path:
        return caption_file(self._version, change.image)

    def _has_image(self, change: EditedCaption) -> bool:
        picture = self._version.processed / change.image
        return picture.is_file() and not picture.parent.is_symlink()

    def _kept(self) -> list[_Kept]:
        folder = self._version.caption_edits
        names = os.listdir(folder) if folder.is_dir() else ()  # noqa: PTH208
        matches = [match for name in names if (match := _NAME.fullmatch(name))]
        return sorted(
            (_Kept(folder / match[0], int(match[1]), EditState(match[2])) for match in matches),
            key=lambda kept: kept.number,
        )


def _record(kept: _Kept) -> EditRecord:
    with _told(kept), kept.path.open(encoding="ascii") as file:
        head = json.loads(file.readline())
        if head["format"] > FORMAT:
            raise StorageError(f"{kept.path} was written by a newer Train Tools; use that one.")
        return EditRecord(
            number=kept.number,
            what=str(head["what"]),
            when=str(head["when"]),
            state=kept.state,
            count=int(head["count"]),
        )


def _captions(kept: _Kept) -> tuple[EditedCaption, ...]:
    count = _record(kept).count
    with _told(kept), kept.path.open(encoding="ascii") as file:
        _, *lines = file.read().splitlines()
        if len(lines) != count:
            raise ValueError(f"it has {len(lines)} captions of {count}")
        return tuple(
            EditedCaption(image=_confined(image), before=_as_bytes(before), after=_as_bytes(after))
            for image, before, after in map(json.loads, lines)
        )


@contextmanager
def _told(kept: _Kept) -> Iterator[None]:
    """Raises StorageError for whatever keeps an edit from being read."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"Could not read {kept.path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(f"{kept.path} is not a whole edit of captions: {error}. Put it aside.") from error


def _confined(image: str) -> str:
    """An image's path as it may stand in a journal that came with a copied project: a folder and a name."""
    folder, _, name = image.partition("/")
    if not folder or not name or {folder, name} & {".", ".."} or {"/", "\\", "\0"} & set(folder + name):
        raise ValueError(f"{image!r} is no image of a folder")
    return image


def _backwards(change: EditedCaption) -> EditedCaption:
    return EditedCaption(image=change.image, before=change.after, after=change.before)


def _as_text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "surrogateescape")


def _as_bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


def _some(images: Sequence[str]) -> str:
    return ", ".join(images[:NAMED]) + (" ..." if len(images) > NAMED else "")
