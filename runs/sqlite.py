"""A journal in a SQLite file, and saying what is wrong with it in the project's own errors.

A file that cannot be *written* is a StorageError, for the run can go on once there is room. A file
that is *not what it should be* is a UsageError, for no waiting will mend it.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a killed process loses nothing committed, a
power cut at most the last few commits (never the order or the integrity of the rest). ``durable``
turns on ``FULL``, which survives a power cut too and costs a flush to the disk per commit.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from reason.errors import ReasonError, StorageError, UsageError
from runs import killpoints, schema
from runs.storage import MissingJournal, Values, Work

BUSY_SECONDS = 30.0  # how long a checkpointing or pruning neighbour is waited for

# Primary result codes (https://sqlite.org/rescode.html): trouble with the medium or the access to
# it. Every other code means that the content is wrong.
_MEDIUM = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
# A limit on file sizes shows as a failed write, a full disk as either of the two.
_NO_SPACE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}


class SqliteStorage:
    """An open file; see :class:`runs.storage.Storage`."""

    def __init__(self, path: Path, meta: dict[str, str] | None, *, readonly: bool) -> None:
        self._path = path
        if not path.is_file():
            if readonly or meta is None:
                raise MissingJournal(path)
            _create(path, meta)
        try:
            self._db = connect_readonly(path) if readonly else connect(path)
        except sqlite3.Error as error:
            raise read_fault(error, path) from None

    def begin_writing(self, *, durable: bool) -> None:
        """Choose how commits reach the disk; only now, so that no foreign file is ever changed."""
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        except sqlite3.Error as error:
            raise read_fault(error, self._path) from None

    def query(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise read_fault(error, self._path) from None

    def stream(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """The rows of a query, one after another."""
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.Error as error:
            raise read_fault(error, self._path) from None

    def commit(self, work: Work, point: str) -> None:
        """Carry out statements in one transaction; whatever interrupts it, it is rolled back."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, rows in work:
                self._db.executemany(sql, rows)
            killpoints.reach(point)
            self._db.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):  # the first error is the one to report
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise write_fault(error, self._path) from None
            raise

    def empty_samples(self) -> None:
        """Drop the raw samples and give their space back."""
        try:
            self._db.execute("DELETE FROM samples")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise write_fault(error, self._path) from None

    def size(self) -> int:
        """Nothing lies outside of the run's directory."""
        return 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _create(path: Path, meta: dict[str, str]) -> None:
    """Make a journal's file, tables and all, under another name, then give it its own.

    Whenever the maker dies, there is a whole journal or none.
    """
    unfinished = path.with_name(path.name + ".new")
    try:
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as db:
            db.executescript(f"BEGIN IMMEDIATE;{schema.SQLITE}")
            db.executemany(schema.SET_META, meta.items())
            killpoints.reach("inside-create")
            db.execute("COMMIT")
        killpoints.reach("before-rename")
        unfinished.replace(path)
    except sqlite3.Error as error:
        raise write_fault(error, path) from None
    except OSError as error:
        raise StorageError(f"cannot make {path}: {error.strerror}") from None


def connect(path: Path) -> sqlite3.Connection:
    """Open for reading and writing; transactions are begun and ended explicitly."""
    return sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open for reading alone: beside a writer, and on media that cannot be written.

    Raises StorageError where commits wait in a WAL file that cannot be read in place.
    """
    uri = path.resolve().as_uri()
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return db
    except sqlite3.Error as error:
        db.close()
        if _primary(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
    # Even to be read, a WAL database wants its index file beside it. Where none can be made,
    # nobody writes either, and the file may be read as it stands; a WAL left by a crash would be
    # ignored then, and the newest steps with it.
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise StorageError(
            f"cannot read {path}: its last commits are in {wal.name} and the directory is "
            "read-only; copy the directory to a writable place"
        )
    return sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)


def read_fault(error: sqlite3.Error, path: Path) -> ReasonError:
    """The error for a failed opening or reading."""
    if _primary(error) in _MEDIUM:
        return StorageError(
            f"cannot open {path}: {error}; check the disk and the permissions, then try again"
        )
    text = " ".join(str(error).split())[:100]  # may quote what it could not read
    return UsageError(f"{path} is not an intact reason journal ({text}): restore it from a copy")


def write_fault(error: sqlite3.Error, path: Path) -> StorageError:
    """The error for a failed write; what was committed before it is kept."""
    resume = f"`reason runs resume {path.parent}`"
    if getattr(error, "sqlite_errorcode", None) in _NO_SPACE:
        return StorageError(f"disk full while writing {path}: free some space, then {resume}")
    if _primary(error) == sqlite3.SQLITE_READONLY:
        return StorageError(f"{path} is read-only: make the directory writable, then {resume}")
    return StorageError(f"cannot write {path}: {error}; once that is mended, {resume}")


def _primary(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
