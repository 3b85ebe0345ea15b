"""One connection to the queue's SQLite file: opened and brought up to date, written in whole transactions, its
troubles told in a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from train_tools.errors import NotNowError, StorageError
from train_tools.jobs.rows.migrations import MIGRATIONS, migrate

LATER = {
    sqlite3.SQLITE_FULL: "Free some space on its disk; nothing is lost.",
    sqlite3.SQLITE_BUSY: "Another program holds it: close that, or wait for it.",
}
"""What passes by itself or with a little help, and what help."""
NO_ROOM = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC)
"""How some file systems say that they are full."""


class QueueFile:
    """The open file. `id` is the queue's own name, however its folder is called."""

    def __init__(self, path: Path, patience_s: float) -> None:
        """Raises StorageError when it is damaged, newer than this program, or can't be written; NotNowError when
        others hold it longer than `patience_s`."""
        self.path = path
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
            try:
                self.id = self._opened()
            except BaseException:
                self.db.close()
                raise

    def _opened(self) -> str:
        self.db.row_factory = sqlite3.Row
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("pragma synchronous=full")
        schema = migrate(self.db)
        if schema > len(MIGRATIONS):
            raise StorageError(
                f"{self.path} was made by a newer Train Tools (format {schema}; this one knows "
                f"{len(MIGRATIONS)}). Use the newer version, or put the file aside and run "
                "`train-tools rescan`."
            )
        return str(self.noted("queue_id"))

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several questions about one and the same state of the file."""
        with _told(self.path):
            self.db.execute("begin")
            try:
                yield self.db
            finally:
                if self.db.in_transaction:
                    self.db.execute("rollback")

    @contextmanager
    def changing(self, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        """One change, whole or not at all. `lasting` = it survives a power cut the moment it is done."""
        with _told(self.path):
            if not lasting:
                self.db.execute("pragma synchronous=normal")
            try:
                self.db.execute("begin immediate")
                try:
                    yield self.db
                    self.db.execute("commit")
                except BaseException:
                    if self.db.in_transaction:
                        self.db.execute("rollback")
                    raise
            finally:
                if not lasting:
                    self.db.execute("pragma synchronous=full")

    def noted(self, key: str) -> str | None:
        """What is noted about the queue as a whole."""
        with _told(self.path):
            row = self.db.execute("select value from meta where key=?", (key,)).fetchone()
        return str(row[0]) if row else None

    def note(self, key: str, value: str | None) -> None:
        """Notes a value, or takes the note away."""
        if self.noted(key) == value:
            return
        with self.changing() as db:
            if value is None:
                db.execute("delete from meta where key=?", (key,))
            else:
                db.execute("insert or replace into meta values(?, ?)", (key, value))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Database errors as one sentence with what to do next."""
    try:
        yield
    except sqlite3.OperationalError as error:
        trouble = f"The queue file {path} can't be used: {error}."
        code = error.sqlite_errorcode
        if code in NO_ROOM:
            raise NotNowError(f"{trouble} {LATER[sqlite3.SQLITE_FULL]}") from error
        if code & 0xFF in LATER:
            raise NotNowError(f"{trouble} {LATER[code & 0xFF]}") from error
        raise StorageError(f"{trouble} Check that its folder exists and can be written.") from error
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"The queue file {path} is damaged: {error}. Put it aside and run `train-tools rescan`: finished "
            "runs are found again from their folders; only the order of waiting jobs is lost."
        ) from error
    except OSError as error:
        raise StorageError(f"The queue file {path} can't be made: {error.strerror or error}.") from error
