"""Opening SQLite files, and saying what is wrong with them in the project's own errors.

A file that cannot be *written* is a StorageError, for the run can go on once there is room. A file
that is *not what it should be* is a UsageError, for no waiting will mend it.
"""

import sqlite3
from pathlib import Path

from reason.errors import ReasonError, StorageError, UsageError

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
