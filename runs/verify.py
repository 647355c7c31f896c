"""Checking a journal offline, in one pass and constant memory."""

from collections.abc import Iterator

from reason.errors import UsageError
from runs.journal import Journal, chain


def verified_records(journal: Journal, genesis: bytes) -> Iterator[tuple[str, str]]:
    """(action, state) of every step, each checked against the hash chain before it is given.

    Raises UsageError, naming the step, at the first gap or altered row, and at the end when the
    totals hold fewer votes than the steps.
    """
    previous, expected, votes = genesis, 1, 0
    for row, digest in journal.rows():
        if row.step != expected:
            raise UsageError(f"{journal.path}: step {expected} is missing (found {row.step})")
        previous = chain(previous, row.step, row.action, row.state)
        if previous != digest:
            raise UsageError(f"{journal.path}: step {row.step} was altered after it was committed")
        yield row.action, row.state
        expected, votes = expected + 1, votes + row.votes
    if journal.totals().votes < votes:
        raise UsageError(f"{journal.path}: totals hold fewer votes than the steps: it was altered")
