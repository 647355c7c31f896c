"""Checking a journal offline, in one pass and constant memory.

:func:`verified_records` gives out each step only after it has checked it, so a task's own check can
run over the same pass. It may run beside a writer: the totals are read before the steps and after
them, and the number of steps met must lie between the two.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from reason.errors import UsageError
from runs.journal import Journal
from runs.rows import StepRow, Totals, chain


class ChainError(UsageError):
    """The journal was altered; ``step`` is the first bad one, None where it cannot be told."""

    def __init__(self, message: str, step: int | None) -> None:
        super().__init__(message)
        self.step = step


class ChainReport(NamedTuple):
    """The outcome of :func:`verify_chain`; ``steps`` is how many are right from the start on."""

    ok: bool
    steps: int
    reason: str = ""
    first_bad: int | None = None


def verified_records(journal: Journal, genesis: bytes) -> Iterator[tuple[str, str]]:
    """(action, state) of every step, each checked against the hash chain before it is given.

    Raises ChainError at the first gap or altered row, and at the end when the totals do not fit
    the steps.
    """
    before, previous = journal.totals(), genesis
    steps, votes, flagged, surplus = 0, 0, 0, 0
    try:
        for row, digest in journal.rows():
            previous = _link(journal, previous, steps + 1, row, digest)
            steps, votes = steps + 1, votes + row.votes
            flagged, surplus = flagged + row.flagged, surplus + row.surplus
            yield row.action, row.state
    except ChainError:
        raise
    except UsageError as error:  # a damaged page or text that is no UTF-8
        raise ChainError(str(error), steps + 1) from None
    _check_totals(journal, before, (steps, votes, flagged, surplus))


def verify_chain(journal: Journal, genesis: bytes) -> ChainReport:
    """Check a whole journal: steps from 1 without a gap, the hash chain, the totals."""
    steps = 0

    def count() -> Iterator[None]:
        nonlocal steps
        for _ in verified_records(journal, genesis):
            steps += 1
            yield

    try:
        deque(count(), maxlen=0)
    except ChainError as error:
        return ChainReport(False, steps, str(error), error.step)
    return ChainReport(True, steps)


def _link(journal: Journal, previous: bytes, expected: int, row: StepRow, digest: bytes) -> bytes:
    if row.step != expected:
        raise ChainError(
            f"{journal.place}: step {expected} is missing (found {row.step}); restore a copy",
            expected,
        )
    if not _typed(row) or chain(previous, row.step, row.action, row.state) != digest:
        raise ChainError(
            f"{journal.place}: step {expected} was altered after its commit; restore a copy",
            expected,
        )
    return digest


def _typed(row: StepRow) -> bool:
    """Whether the columns have their types: SQLite would store anything anywhere."""
    texts = isinstance(row.action, str) and isinstance(row.state, str)
    return texts and all(isinstance(n, int) for n in (row.votes, row.flagged, row.surplus))


def _check_totals(journal: Journal, before: Totals, sums: tuple[int, int, int, int]) -> None:
    after = journal.totals()
    if sums[0] < before.steps:
        raise ChainError(
            f"{journal.place}: {before.steps} steps were committed, the last ones are missing; "
            "restore a copy",
            sums[0] + 1,
        )
    if any(counted > total for counted, total in zip(sums, after[:4], strict=True)):
        raise ChainError(
            f"{journal.place}: its steps come to more than its totals; restore a copy", None
        )
