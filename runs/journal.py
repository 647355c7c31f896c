"""The journal of a run: one SQLite file in which a step is committed once and for ever.

Rows form a chain: the hash of step i covers the hash of step i-1, the step's number, its action
and the state after it. The chain starts from a digest of the problem, so two runs that solve one
problem by the same steps end in the same hash, whatever models, votes and crashes lay between.

A step, its votes and its cost are committed in one transaction, so totals can neither miss a
committed step nor count a lost one, and they never fall across resumes. The head is the last row;
opening a journal of a million steps reads that row, nothing else.

SQLite runs in WAL mode with ``synchronous=NORMAL``: a killed process loses nothing committed, a
power cut at most the last few commits (never the order or the integrity of the rest). ``durable``
turns on ``FULL``, which survives a power cut too and costs a flush to the disk per commit.

An unfinished write leaves no trace: whatever interrupts it, the transaction is rolled back and the
head is read again from the file.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from reason.errors import StorageError, UsageError
from runs import schema
from runs.database import connect, connect_readonly, read_fault, write_fault
from runs.killpoints import reach
from runs.rows import Head, SampleRow, StepRow, Sums, Totals, UsageDelta, chain

__all__ = ["Head", "Journal", "SampleRow", "StepRow", "Sums", "Totals", "UsageDelta", "chain"]


class Journal:
    """An open journal. Use as a context manager.

    Args:
        path: the SQLite file; made when missing, unless ``readonly``.
        genesis: start of the hash chain, 32 bytes; None takes the one in the file.
        readonly: open for reading alone, which works beside a writer and on read-only media.
        durable: let every commit survive a power cut.
        labels: what a new journal notes of its run; ``run_id`` must agree ever after.

    Raises UsageError for a file that is no journal or belongs to another problem or run,
    StorageError when it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        genesis: bytes | None = None,
        *,
        readonly: bool = False,
        durable: bool = False,
        labels: dict[str, str] | None = None,
    ) -> None:
        self.path, self._readonly, self._labels = path, readonly, labels or {}
        if not path.is_file():
            self._create(genesis)
        try:
            self._db = connect_readonly(path) if readonly else connect(path)
        except sqlite3.Error as error:
            raise read_fault(error, path) from None
        try:
            self._open(genesis, durable)
        except sqlite3.Error as error:
            self._db.close()
            raise read_fault(error, path) from None
        except BaseException:
            self._db.close()
            raise

    def _create(self, genesis: bytes | None) -> None:
        if self._readonly or genesis is None:
            raise UsageError(
                f"{self.path} is missing: the run has no journal, so it has no steps yet"
            )
        try:
            schema.create(self.path, {**self._labels, "genesis": genesis.hex()})
        except sqlite3.Error as error:
            raise write_fault(error, self.path) from None
        except OSError as error:
            raise StorageError(f"cannot make {self.path}: {error.strerror}") from None

    def _open(self, genesis: bytes | None, durable: bool) -> None:
        self._check_identity(genesis)
        if not self._readonly:  # only now, so that no foreign file is ever changed
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        self.genesis = bytes.fromhex(str(self.get_meta("genesis")))
        # A reader asks for the head when it wants it, so a damaged last row can be verified.
        self._head = Head(0, "", "", self.genesis) if self._readonly else self._read_head()

    def _check_identity(self, genesis: bytes | None) -> None:
        expected = {"format": schema.FORMAT, "run_id": self._labels.get("run_id")}
        expected["genesis"] = None if genesis is None else genesis.hex()
        for key, wanted in expected.items():
            found = self.get_meta(key)
            if wanted is not None and found != wanted:
                raise UsageError(f"{self.path} has another {key} ({found}): {schema.MENDS[key]}")

    def _read_head(self) -> Head:
        row = self._db.execute(schema.HEAD).fetchone()
        return Head(*row) if row else Head(0, "", "", self.genesis)

    def head(self) -> Head:
        """The last committed step."""
        if self._readonly:  # another process may be writing
            return Head(*(self._query(schema.HEAD) or [(0, "", "", self.genesis)])[0])
        return self._head

    def append(
        self,
        rows: Sequence[StepRow],
        usage: Sequence[UsageDelta],
        seconds: float,
        samples: Sequence[SampleRow] = (),
        *,
        collisions: int = 0,
    ) -> None:
        """Commit steps in order, with all that was spent, in one transaction.

        Raises ValueError for a step out of order, StorageError when it cannot be written; in both
        cases nothing is.
        """
        head, values = self._head, []
        votes = flagged = surplus = 0
        for row in rows:
            if row.step != head.step + 1:
                raise ValueError(f"step {row.step} cannot follow step {head.step}")
            digest = chain(head.hash, row.step, row.action, row.state)
            head = Head(row.step, row.action, row.state, digest)
            values.append((*row[:3], digest, *row[3:]))
            votes += row.votes
            flagged += row.flagged
            surplus += row.surplus
        counts = (len(rows), votes, flagged, surplus)
        self._write(values, counts, usage, seconds, samples, collisions)
        self._head = head

    def rollback(self, step: int) -> None:
        """Take back all steps after ``step``; what they cost stays counted. Raises StorageError.

        The chain goes on from the row left last, so a journal with steps taken back is as sound
        as any other; how many were is kept under ``rolled_back``.
        """
        gone = self._head.step - step
        count = int(self.get_meta("rolled_back") or 0) + gone
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM steps WHERE step > ?", (step,))
            self._db.execute("DELETE FROM samples WHERE step > ?", (step,))
            self._db.execute("UPDATE totals SET steps = ?", (step,))
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('rolled_back', ?)", (str(count),))
            reach("inside-rollback")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._abandon()
            raise write_fault(error, self.path) from None
        self._head = self._read_head()

    def charge(
        self,
        usage: Sequence[UsageDelta],
        seconds: float,
        *,
        votes: int = 0,
        flagged: int = 0,
        surplus: int = 0,
        collisions: int = 0,
    ) -> None:
        """Commit spending that led to no step. Raises StorageError."""
        self._write([], (0, votes, flagged, surplus), usage, seconds, (), collisions)

    def _write(
        self,
        steps: list[tuple[Any, ...]],
        counts: tuple[int, int, int, int],
        usage: Sequence[UsageDelta],
        seconds: float,
        samples: Sequence[SampleRow],
        collisions: int,
    ) -> None:
        tokens = (sum([u.prompt_tokens for u in usage]), sum([u.completion_tokens for u in usage]))
        execute = self._db.execute
        try:
            reach("before-begin")
            execute("BEGIN IMMEDIATE")
            for step in steps:
                execute(schema.INSERT_STEP, step)
            execute(schema.ADD_TOTALS, (*counts, *tokens, max(seconds, 0.0), collisions))
            for delta in usage:
                execute(schema.ADD_USAGE, delta)
            for sample in samples:
                execute(schema.INSERT_SAMPLE, _storable(sample))
            reach("inside-commit")
            execute("COMMIT")
            reach("after-commit")
        except sqlite3.Error as error:
            self._abandon()
            raise write_fault(error, self.path) from None
        except BaseException:  # such as KeyboardInterrupt, before or after the commit took hold
            self._abandon()
            raise

    def _abandon(self) -> None:
        with suppress(sqlite3.Error):  # the first error is the one to report
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._head = self._read_head()

    def totals(self) -> Totals:
        """Sums over all sessions."""
        columns = ", ".join(Totals._fields)
        return Totals(*self._query(f"SELECT {columns} FROM totals")[0])

    def usage(self) -> list[UsageDelta]:
        """What each model has used, over all sessions."""
        return [UsageDelta(*row) for row in self._query("SELECT * FROM usage ORDER BY model")]

    def rows(self, first: int = 1, last: int | None = None) -> Iterator[tuple[StepRow, bytes]]:
        """Steps ``first`` to ``last`` with their hashes, streamed in constant memory."""
        sql = "SELECT * FROM steps WHERE step BETWEEN ? AND ? ORDER BY step"
        try:
            for row in self._db.execute(sql, (first, 2**63 - 1 if last is None else last)):
                yield StepRow(*row[:3], *row[4:]), row[3]
        except sqlite3.Error as error:
            raise read_fault(error, self.path) from None

    def samples(self, step: int) -> list[SampleRow]:
        """Raw answers kept of a step, in the order drawn."""
        sql = "SELECT * FROM samples WHERE step = ? ORDER BY draw"
        return [SampleRow(*row) for row in self._query(sql, (step,))]

    def sums(self, first: int, last: int) -> Sums:
        """What steps ``first`` to ``last`` come to, added up by the database."""
        return Sums(*self._query(schema.SUMS, (first, last))[0])

    def hardest(self, count: int) -> list[StepRow]:
        """The steps that took the most answers, the earlier first among equals."""
        return [StepRow(*row) for row in self._query(schema.HARDEST, (count,))]

    def get_meta(self, key: str) -> str | None:
        """A value kept with the run, or None."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value with the run. Raises StorageError."""
        self._run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def prune(self) -> None:
        """Drop raw samples and give their space back. Raises StorageError."""
        self._run("DELETE FROM samples")
        self._run("VACUUM")
        self._run("PRAGMA wal_checkpoint(TRUNCATE)")

    def _run(self, sql: str, values: Sequence[object] = ()) -> None:
        try:
            self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise write_fault(error, self.path) from None

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise read_fault(error, self.path) from None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _storable(sample: SampleRow) -> SampleRow:
    """A sample as UTF-8 can hold it: models may write half a surrogate pair."""
    if sample.text.isascii():
        return sample
    return sample._replace(text=sample.text.encode(errors="replace").decode())
