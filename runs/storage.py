"""What a journal asks of the database that keeps it; SQLite and PostgreSQL are the two answers.

The journal knows rows, hashes and totals. A storage knows how to reach its database, how to put a
list of statements into one transaction, and how to say in the project's own errors what went wrong.
Statements are written once (:mod:`runs.schema`), with ``?`` where a value goes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from reason.errors import UsageError

NO_EXTRA = "a journal in PostgreSQL needs an extra: pip install 'reason[postgres]'"

Values = Sequence[object]
Work = Sequence[tuple[str, Sequence[Values]]]
"""Statements of one transaction, each with the rows of values that it is carried out for."""


@dataclass(frozen=True)
class Server:
    """A journal in PostgreSQL: every run has a schema of its own, made and dropped as a whole.

    Attributes:
        url: the database, without a password.
        schema: the run's schema in it.
        run: the run's directory, named when something goes wrong.
    """

    url: str
    schema: str
    run: Path

    def __str__(self) -> str:
        return f"{self.url} (schema {self.schema})"


Place = Path | Server


class MissingJournal(UsageError):
    """There is no journal in the place; reading makes none."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"{place} is missing: the run has no journal, so it has no steps yet")


class Storage(Protocol):
    """An open database that keeps one journal.

    Reading raises StorageError where a later attempt may succeed, UsageError for what is no intact
    journal; writing raises StorageError.
    """

    def begin_writing(self, *, durable: bool) -> None:
        """Get ready to write, once the journal is known to be the right one."""

    def query(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query."""

    def stream(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """The rows of a query, one after another, in constant memory."""

    def commit(self, work: Work, point: str) -> None:
        """Carry out statements, all or none; ``point`` is reached just before they take hold."""

    def empty_samples(self) -> None:
        """Drop the raw samples and give their space back."""

    def size(self) -> int:
        """Bytes that it takes outside of the run's directory."""

    def close(self) -> None:
        """Close the connection."""


def open_storage(place: Place, meta: dict[str, str] | None, *, readonly: bool) -> Storage:
    """Open the database of a journal; one that is missing is made, with ``meta`` in it.

    Raises MissingJournal if nothing may be made, other errors as :class:`Storage` does.
    """
    if isinstance(place, Path):
        from runs.sqlite import SqliteStorage

        return SqliteStorage(place, meta, readonly=readonly)
    storage: Storage = _postgres().PostgresStorage(place, meta, readonly=readonly)
    return storage


def check_server(url: str) -> None:
    """Raise the error that a journal on this server would meet: UsageError or StorageError."""
    _postgres().check(url)


def drop_checkpoints(server: Server) -> None:
    """Drop what LangGraph's checkpointer keeps of a run. Raises StorageError."""
    _postgres().drop_checkpoints(server)


def _postgres() -> Any:
    try:
        from runs import postgres
    except ImportError:
        raise UsageError(NO_EXTRA) from None
    return postgres
