"""The journal of a run: one SQLite file in which a step is committed once and for ever.

Rows form a chain: the hash of step i covers the hash of step i-1, the step's number, its action
and the state after it. The chain starts from a digest of the problem, so two runs that solve one
problem by the same steps end in the same hash, whatever models, votes and crashes lay between.

A step, its votes and its cost are committed in one transaction, so totals can neither miss a
committed step nor count a lost one, and they never fall across resumes. The head is the last row;
opening a journal of a million steps reads that row and the totals, nothing else.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a killed process loses nothing committed, a
power cut at most the last few commits (never the order or the integrity of the rest).
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from reason.errors import StorageError, UsageError
from runs.killpoints import reach

FORMAT = "1"

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE steps (
    step INTEGER PRIMARY KEY, action TEXT NOT NULL, state TEXT NOT NULL, hash BLOB NOT NULL,
    votes INTEGER NOT NULL, flagged INTEGER NOT NULL, rounds INTEGER NOT NULL, tally TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, surplus INTEGER NOT NULL
);
CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1), votes INTEGER NOT NULL, flagged INTEGER NOT NULL,
    surplus INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
CREATE TABLE usage (
    model TEXT PRIMARY KEY, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    samples INTEGER NOT NULL, cost_usd REAL
) WITHOUT ROWID;
CREATE TABLE samples (
    step INTEGER NOT NULL, draw INTEGER NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
    flag TEXT NOT NULL, model TEXT NOT NULL
);
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0, 0.0);
"""

_INSERT = "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_TOTALS = """UPDATE totals SET votes = votes + ?, flagged = flagged + ?, surplus = surplus + ?,
    prompt_tokens = prompt_tokens + ?, completion_tokens = completion_tokens + ?,
    seconds = seconds + ?"""
# A NULL cost is unknown, and unknown it stays: NULL plus anything is NULL.
_USAGE = """INSERT INTO usage VALUES (?, ?, ?, ?, ?) ON CONFLICT (model) DO UPDATE SET
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    samples = samples + excluded.samples, cost_usd = cost_usd + excluded.cost_usd"""


class StepRow(NamedTuple):
    """A step to commit. ``tally`` is votes per candidate, such as ``3`` or ``4:1``."""

    step: int
    action: str
    state: str
    votes: int
    flagged: int
    rounds: int
    tally: str
    prompt_tokens: int
    completion_tokens: int
    surplus: int


class UsageDelta(NamedTuple):
    """What a model used; ``cost_usd`` is None when its price is unknown."""

    model: str
    prompt_tokens: int
    completion_tokens: int
    samples: int
    cost_usd: float | None


class SampleRow(NamedTuple):
    """A raw answer kept for a person to read; ``flag`` is empty for a valid vote."""

    step: int
    draw: int
    text: str
    finish: str
    flag: str
    model: str


class Head(NamedTuple):
    """The last committed step; step 0 with the genesis hash before the first."""

    step: int
    action: str
    state: str
    hash: bytes


class Totals(NamedTuple):
    """Sums over all sessions of a run, spending without a step included."""

    votes: int
    flagged: int
    surplus: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float


def chain(previous: bytes, step: int, action: str, state: str) -> bytes:
    """The hash of a step: SHA-256 over previous hash, number, and both texts with their lengths."""
    a, s = action.encode(), state.encode()
    head = previous + step.to_bytes(8, "big") + len(a).to_bytes(4, "big")
    return hashlib.sha256(head + a + s).digest()


class Journal:
    """An open journal. Use as a context manager.

    Args:
        path: the SQLite file; made when missing, unless ``readonly``.
        genesis: start of the hash chain, 32 bytes.
        readonly: open for reading alone, which works beside a writer and on read-only media.

    Raises UsageError for a file that is no journal or belongs to another problem, StorageError when
    it cannot be opened.
    """

    def __init__(self, path: Path, genesis: bytes, *, readonly: bool = False) -> None:
        self.path, self.genesis, self._head = path, genesis, Head(0, "", "", genesis)
        if readonly and not path.is_file():
            raise UsageError(f"{path} is missing: the run has no journal")
        try:
            self._db = _connect(path, readonly=readonly)
            self._prepare(readonly)
            self._head = self._read_head()
        except sqlite3.DatabaseError as error:
            raise _opening(error, path) from None

    def _prepare(self, readonly: bool) -> None:
        if not readonly:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                script = f"BEGIN IMMEDIATE;{SCHEMA}"
                self._db.executescript(script)
                values = [("format", FORMAT), ("genesis", self.genesis.hex())]
                self._db.executemany("INSERT INTO meta VALUES (?, ?)", values)
                self._db.execute("COMMIT")
        if self.get_meta("format") != FORMAT:
            raise UsageError(
                f"{self.path} has another journal format: use the version that made it"
            )
        if self.get_meta("genesis") != self.genesis.hex():
            raise UsageError(f"{self.path} belongs to another problem than its run.json says")

    def _read_head(self) -> Head:
        sql = "SELECT step, action, state, hash FROM steps ORDER BY step DESC LIMIT 1"
        row = self._db.execute(sql).fetchone()
        return Head(*row) if row else Head(0, "", "", self.genesis)

    def head(self) -> Head:
        """The last committed step."""
        return self._head

    def append(
        self,
        rows: Sequence[StepRow],
        usage: Sequence[UsageDelta],
        seconds: float,
        samples: Sequence[SampleRow] = (),
    ) -> None:
        """Commit steps in order, with all that was spent, in one transaction.

        Raises StorageError when it cannot be written; then nothing of it is.
        """
        head, values = self._head, []
        for row in rows:
            if row.step != head.step + 1:
                raise ValueError(f"step {row.step} cannot follow step {head.step}")
            digest = chain(head.hash, row.step, row.action, row.state)
            head = Head(row.step, row.action, row.state, digest)
            values.append((*row[:3], digest, *row[3:]))
        votes = sum(row.votes for row in rows)
        flagged = sum(row.flagged for row in rows)
        surplus = sum(row.surplus for row in rows)
        self._write(values, (votes, flagged, surplus), usage, seconds, samples)
        self._head = head

    def charge(
        self, usage: Sequence[UsageDelta], seconds: float, *, flagged: int = 0, surplus: int = 0
    ) -> None:
        """Commit spending that led to no step."""
        self._write([], (0, flagged, surplus), usage, seconds, ())

    def _write(
        self,
        steps: list[tuple[object, ...]],
        counts: tuple[int, int, int],
        usage: Sequence[UsageDelta],
        seconds: float,
        samples: Sequence[SampleRow],
    ) -> None:
        tokens = (sum(u.prompt_tokens for u in usage), sum(u.completion_tokens for u in usage))
        db = self._db
        try:
            reach("before-begin")
            db.execute("BEGIN IMMEDIATE")
            for step in steps:
                db.execute(_INSERT, step)
            db.execute(_TOTALS, (*counts, *tokens, seconds))
            for delta in usage:
                db.execute(_USAGE, delta)
            if samples:
                db.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?)", samples)
            reach("inside-commit")
            db.execute("COMMIT")
            reach("after-commit")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.rollback()
            raise _writing(error, self.path) from None

    def totals(self) -> Totals:
        """Sums over all sessions."""
        sql = (
            "SELECT votes, flagged, surplus, prompt_tokens, completion_tokens, seconds FROM totals"
        )
        return Totals(*self._query(sql)[0])

    def usage(self) -> list[UsageDelta]:
        """What each model has used, over all sessions."""
        return [UsageDelta(*row) for row in self._query("SELECT * FROM usage ORDER BY model")]

    def rows(self, first: int = 1, last: int | None = None) -> Iterator[tuple[StepRow, bytes]]:
        """Steps ``first`` to ``last`` with their hashes, streamed in constant memory."""
        sql = "SELECT * FROM steps WHERE step >= ? AND step <= ? ORDER BY step"
        try:
            for row in self._db.execute(sql, (first, last if last is not None else 2**63 - 1)):
                yield StepRow(*row[:3], *row[4:]), row[3]
        except sqlite3.DatabaseError as error:
            raise _opening(error, self.path) from None

    def samples(self, step: int) -> list[SampleRow]:
        """Raw answers kept of a step."""
        sql = "SELECT * FROM samples WHERE step = ? ORDER BY rowid"
        return [SampleRow(*row) for row in self._query(sql, (step,))]

    def get_meta(self, key: str) -> str | None:
        """A value kept with the run, or None."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value with the run."""
        try:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        except sqlite3.Error as error:
            raise _writing(error, self.path) from None

    def prune(self) -> None:
        """Drop raw samples and give their space back."""
        try:
            self._db.execute("DELETE FROM samples")
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise _writing(error, self.path) from None

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:  # rows
        return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _connect(path: Path, *, readonly: bool) -> sqlite3.Connection:
    if not readonly:
        return sqlite3.connect(path, isolation_level=None, timeout=30)
    location = path.resolve().as_uri()
    db = sqlite3.connect(f"{location}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # A WAL file needs a writable directory even to be read; a finished run does not change.
        db.close()
        db = sqlite3.connect(f"{location}?immutable=1", uri=True, isolation_level=None)
    return db


def _opening(error: sqlite3.Error, path: Path) -> Exception:
    if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
        return StorageError(f"cannot open {path}: {error}; check the disk and the permissions")
    return UsageError(f"{path} is not an intact journal of reason: {error}")


def _writing(error: sqlite3.Error, path: Path) -> StorageError:
    text = str(error)
    if "full" in text or "disk I/O" in text:
        mend = "free some space, then go on with `reason runs resume`"
    elif "readonly" in text or "read-only" in text:
        mend = "make the run directory writable, then go on with `reason runs resume`"
    else:
        mend = "everything committed before is kept; see `reason runs verify`"
    return StorageError(f"cannot write {path}: {text}; {mend}")
