"""The journal of a run: one database in which a step is committed once and for ever.

Rows form a chain: the hash of step i covers the hash of step i-1, the step's number, its action
and the state after it. The chain starts from a digest of the problem, so two runs that solve one
problem by the same steps end in the same hash, whatever models, votes and crashes lay between.

A step, its votes and its cost are committed in one transaction, so totals can neither miss a
committed step nor count a lost one, and they never fall across resumes. The head is the last row;
opening a journal of a million steps reads that row, nothing else.

All of this is written here once. Where the rows are kept (a SQLite file, or a schema in PostgreSQL)
is the storage's matter (:mod:`runs.storage`).

An unfinished write leaves no trace: whatever interrupts it, the transaction is rolled back and the
head is read again from the database.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Self

from reason.errors import ReasonError, UsageError
from runs import killpoints, schema
from runs.rows import Head, SampleRow, StepRow, Sums, Totals, UsageDelta, Votes, chain
from runs.storage import Place, Values, Work, open_storage

__all__ = [
    "Head",
    "Journal",
    "SampleRow",
    "StepRow",
    "Sums",
    "Totals",
    "UsageDelta",
    "Votes",
    "chain",
]


class Journal:
    """An open journal. Use as a context manager.

    Args:
        place: a SQLite file, or a schema on a server; made when missing, unless ``readonly``.
        genesis: start of the hash chain, 32 bytes; None takes the one in the journal.
        readonly: open for reading alone, which works beside a writer and on read-only media.
        durable: let every commit survive a power cut.
        labels: what a new journal notes of its run; ``run_id`` must agree ever after.

    Raises UsageError for what is no journal or belongs to another problem or run, StorageError when
    it cannot be opened.
    """

    def __init__(
        self,
        place: Place,
        genesis: bytes | None = None,
        *,
        readonly: bool = False,
        durable: bool = False,
        labels: dict[str, str] | None = None,
    ) -> None:
        self.place, self._readonly, labels = place, readonly, labels or {}
        expected = {"format": schema.FORMAT, "run_id": labels.get("run_id")}
        expected["genesis"] = None if genesis is None else genesis.hex()
        new = {**labels, "format": schema.FORMAT, "genesis": genesis.hex()} if genesis else None
        self._storage = open_storage(place, new, readonly=readonly)
        try:
            self._check_identity(expected)
            if not readonly:
                self._storage.begin_writing(durable=durable)
            self.genesis = bytes.fromhex(str(self.get_meta("genesis")))
            # A reader asks for the head when it wants it, so a damaged last row can be verified.
            self._head = Head(0, "", "", self.genesis) if readonly else self._read_head()
        except BaseException:
            self._storage.close()
            raise

    def _check_identity(self, expected: dict[str, str | None]) -> None:
        for key, wanted in expected.items():
            found = self.get_meta(key)
            if wanted is not None and found != wanted:
                raise UsageError(f"{self.place} has another {key} ({found}): {schema.MENDS[key]}")

    def _read_head(self) -> Head:
        rows = self._storage.query(schema.HEAD)
        return Head(*rows[0]) if rows else Head(0, "", "", self.genesis)

    def head(self) -> Head:
        """The last committed step."""
        if self._readonly:  # another process may be writing
            return self._read_head()
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
        count = int(self.get_meta("rolled_back") or 0) + self._head.step - step
        work: Work = [
            (schema.DROP_STEPS, [(step,)]),
            (schema.DROP_SAMPLES, [(step,)]),
            (schema.SET_STEPS, [(step,)]),
            (schema.SET_META, [("rolled_back", str(count))]),
        ]
        self._commit(work, "inside-rollback")
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
        steps: Sequence[Values],
        counts: tuple[int, int, int, int],
        usage: Sequence[UsageDelta],
        seconds: float,
        samples: Sequence[SampleRow],
        collisions: int,
    ) -> None:
        tokens = (sum([u.prompt_tokens for u in usage]), sum([u.completion_tokens for u in usage]))
        work: list[tuple[str, Sequence[Values]]] = [
            (schema.ADD_TOTALS, [(*counts, *tokens, max(seconds, 0.0), collisions)])
        ]
        if steps:
            work.append((schema.INSERT_STEP, steps))
        if usage:
            work.append((schema.ADD_USAGE, usage))
        if samples:
            work.append((schema.INSERT_SAMPLE, [_storable(sample) for sample in samples]))
        self._commit(work)

    def _commit(self, work: Work, point: str = "inside-commit") -> None:
        try:
            killpoints.reach("before-begin")
            self._storage.commit(work, point)
            killpoints.reach("after-commit")
        except BaseException:  # such as KeyboardInterrupt, before or after the commit took hold
            with suppress(ReasonError):  # the first error is the one to report
                self._head = self._read_head()
            raise

    def totals(self) -> Totals:
        """Sums over all sessions."""
        columns = ", ".join(Totals._fields)
        return Totals(*self._storage.query(f"SELECT {columns} FROM totals")[0])

    def usage(self) -> list[UsageDelta]:
        """What each model has used, over all sessions."""
        return [UsageDelta(*row) for row in self._storage.query(schema.USAGE)]

    def rows(self, first: int = 1, last: int | None = None) -> Iterator[tuple[StepRow, bytes]]:
        """Steps ``first`` to ``last`` with their hashes, streamed in constant memory."""
        span = (first, 2**63 - 1 if last is None else last)
        for row in self._storage.stream(schema.ROWS, span):
            yield StepRow(*row[:3], *row[4:]), row[3]

    def samples(self, step: int) -> list[SampleRow]:
        """Raw answers kept of a step, in the order drawn."""
        return [SampleRow(*row) for row in self._storage.query(schema.SAMPLES, (step,))]

    def sums(self, first: int, last: int) -> Sums:
        """What steps ``first`` to ``last`` come to, added up by the database."""
        return Sums(*self._storage.query(schema.SUMS, (first, last))[0])

    def votes(self, first: int, last: int) -> list[Votes]:
        """How many votes steps ``first`` to ``last`` took, counted by the database."""
        return [Votes(*row) for row in self._storage.query(schema.VOTES, (first, last))]

    def hardest(self, count: int) -> list[StepRow]:
        """The steps that took the most answers, the earlier first among equals."""
        return [StepRow(*row) for row in self._storage.query(schema.HARDEST, (count,))]

    def get_meta(self, key: str) -> str | None:
        """A value kept with the run, or None."""
        rows = self._storage.query(schema.META, (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Keep a value with the run. Raises StorageError."""
        self._commit([(schema.SET_META, [(key, value)])])

    def prune(self) -> None:
        """Drop raw samples and give their space back. Raises StorageError."""
        self._storage.empty_samples()

    def size(self) -> int:
        """Bytes that the journal takes outside of the run's directory."""
        return self._storage.size()

    def close(self) -> None:
        """Close the database."""
        self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _storable(sample: SampleRow) -> SampleRow:
    """A sample as UTF-8 can hold it: models may write half a surrogate pair."""
    if sample.text.isascii():
        return sample
    return sample._replace(text=sample.text.encode(errors="replace").decode())
