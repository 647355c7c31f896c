"""A journal in PostgreSQL: a schema of its own for every run, one writing session at a time.

*One writer.* A session that writes holds an advisory lock, which the server frees when the
connection ends, however its holder died; keepalives see to it that a vanished machine is noticed
within seconds. The lock says who may write; the *fence* makes sure of it: every transaction
advances a count of commits from the value that its writer knows, and fails where another has moved
it, so a writer that lost its lock without noticing can change nothing.

*A lost connection.* Work is tried again on a new connection for a bounded time. Whether a commit
took hold before the connection broke, its sender cannot know; the fence tells, which has the last
writer's mark beside the count, and it is read before anything is written again, so nothing is done
twice.

A commit is one round trip: its statements go out together (pipeline mode) and are prepared once.
"""

import hashlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Identifier

from reason.errors import ReasonError, StorageError, UsageError
from runs import killpoints, schema
from runs.postgres_link import KEEPALIVE, Connection, dial, fetch, one_line, to_sql
from runs.storage import MissingJournal, Server, Values, Work

LOCK_SECONDS = 5.0  # how long the session of a process just killed may take to go
RETRY_SECONDS = 20.0  # how long a server that went away is waited for
PAUSE_SECONDS = 0.1
COMMITS = 5  # attempts at one commit, each on a new connection

# Where the count is another one, this sets it to NULL, which the table does not allow.
ADVANCE = "UPDATE fence SET writer = ?, commits = CASE commits WHEN ? THEN commits + 1 END"

FENCE = "SELECT commits, writer FROM fence"

CHECKPOINT_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
CHECKPOINT_SCHEMA = "reason"

HOLDER = """SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND ((l.classid::bigint << 32) | l.objid::bigint) = ?"""

T = TypeVar("T")


class PostgresStorage:
    """A session on a run's schema; see :class:`runs.storage.Storage`."""

    def __init__(self, server: Server, meta: dict[str, str] | None, *, readonly: bool) -> None:
        self._server, self._readonly = server, readonly
        self._mark, self._commits = secrets.token_hex(8), 0
        self._patience = RETRY_SECONDS
        self._db = self._session()
        try:
            self._find_or_create(meta)
        except BaseException:
            self._db.close()
            raise

    def _session(self) -> Connection:
        """A new connection, which holds the lock if it is to write."""
        db = dial(self._server.url)
        try:
            options = {"search_path": self._server.schema}
            if self._readonly:
                options["default_transaction_read_only"] = "on"
            else:
                options |= KEEPALIVE
            calls = ", ".join(["set_config(%s, %s, false)"] * len(options))
            db.execute(f"SELECT {calls}".encode(), [*itertools.chain(*options.items())])
            if not self._readonly:
                self._lock(db)
        except psycopg.Error as error:
            db.close()
            raise self._read_fault(error) from None
        except BaseException:
            db.close()
            raise
        return db

    def _lock(self, db: Connection) -> None:
        key = _lock_key(self._server.schema)
        end = time.monotonic() + LOCK_SECONDS
        while not fetch(db, "SELECT pg_try_advisory_lock(?)", (key,))[0][0]:
            if time.monotonic() >= end:
                holders = ", ".join(str(name) for (name,) in fetch(db, HOLDER, (key,)))
                raise UsageError(
                    f"{self._server} is being written by another process ({holders or 'unknown'}): "
                    "wait until it ends, or stop it"
                )
            time.sleep(PAUSE_SECONDS)

    def _find_or_create(self, meta: dict[str, str] | None) -> None:
        name = f"{self._server.schema}.meta"
        if self.query("SELECT to_regclass(?)", (name,))[0][0] is not None:
            return
        if self._readonly or meta is None:
            raise MissingJournal(self._server)
        if self._db.info.parameter_status("server_encoding") != "UTF8":
            raise UsageError(
                f"{self._server.url} does not keep UTF-8: make it with ENCODING 'UTF8'"
            )
        try:
            with self._db.transaction():  # tables and all, or nothing
                home = SQL("CREATE SCHEMA {}").format(Identifier(self._server.schema))
                self._db.execute(home)
                self._db.execute(schema.POSTGRES.encode(), prepare=False)
                self._db.cursor().executemany(to_sql(schema.SET_META), meta.items())
                killpoints.reach("inside-create")
        except psycopg.Error as error:
            raise self._write_fault(error) from None

    def begin_writing(self, *, durable: bool) -> None:
        """Learn the count of commits. A commit is as durable as the server's settings make it."""
        self._commits = int(self.query(FENCE)[0][0])

    def query(self, sql: str, values: Values = ()) -> list[Any]:
        """All rows of a query."""
        try:
            return self._persist(lambda: fetch(self._db, sql, values))
        except psycopg.Error as error:
            raise self._read_fault(error) from None

    def stream(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """The rows of a query, over a connection of their own, so that nothing disturbs them."""
        try:
            with dial(self._server.url) as db:
                db.execute("SELECT set_config('search_path', %s, false)", (self._server.schema,))
                yield from db.cursor().stream(to_sql(sql), values)
        except psycopg.Error as error:
            raise self._read_fault(error) from None

    def commit(self, work: Work, point: str) -> None:
        """Carry out statements in one transaction, exactly once, over lost connections too."""
        fenced = [(ADVANCE, [(self._mark, self._commits)]), *work]
        for _ in range(COMMITS):
            try:
                self._send(fenced, point)
                self._commits += 1
                return
            except psycopg.Error as error:
                if not self._db.broken:
                    raise self._write_fault(error) from None
                self._reconnect(error)
            if self.query(FENCE) == [(self._commits + 1, self._mark)]:  # it had taken hold
                self._commits += 1
                return
        raise StorageError(f"{self._server} drops every connection: mend it, then {self._resume}")

    def _send(self, work: Work, point: str) -> None:
        try:
            with self._db.pipeline():
                self._db.execute("BEGIN")
                for sql, rows in work:
                    self._db.cursor().executemany(to_sql(sql), rows)
                killpoints.reach(point)
                self._db.execute("COMMIT")
        except BaseException:
            with suppress(psycopg.Error):  # the first error is the one to report
                if self._db.info.transaction_status != TransactionStatus.IDLE:
                    self._db.execute("ROLLBACK")
            raise

    def _persist(self, work: Callable[[], T]) -> T:
        """Do work that may be done twice, once more on a new connection where one was lost."""
        try:
            return work()
        except psycopg.Error as error:
            if not self._db.broken:
                raise
            self._reconnect(error)
        return work()

    def _reconnect(self, loss: psycopg.Error) -> None:
        """Open a new session. Raises StorageError when the server stays away."""
        self._db.close()
        end = time.monotonic() + self._patience
        while True:
            try:
                self._db = self._session()
                return
            except ReasonError as error:
                if time.monotonic() >= end:
                    self._give_up(loss, error)
            time.sleep(PAUSE_SECONDS)

    def _give_up(self, loss: psycopg.Error, error: ReasonError) -> NoReturn:
        self._patience = 0.0  # whoever asks next, to charge or to sum up, need not wait again
        raise StorageError(
            f"lost the connection to {self._server.url} ({one_line(loss)}) and cannot get it back: "
            f"{error}; once that is mended, {self._resume}"
        ) from None

    def empty_samples(self) -> None:
        """Drop the raw samples and give their space back."""
        self.commit([("TRUNCATE samples", [()])], "inside-commit")

    def size(self) -> int:
        """Bytes of the run's schema, indexes included."""
        sql = """SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
            WHERE relnamespace = ?::text::regnamespace AND relkind = 'r'"""
        return int(self.query(sql, (self._server.schema,))[0][0])

    def close(self) -> None:
        """End the session, and with it the lock."""
        self._db.close()

    @property
    def _resume(self) -> str:
        return f"`reason runs resume {self._server.run}`"

    def _read_fault(self, error: psycopg.Error) -> ReasonError:
        text = one_line(error)
        if isinstance(error, psycopg.OperationalError | psycopg.errors.InsufficientPrivilege):
            return StorageError(f"cannot read {self._server}: {text}; mend that, then try again")
        return UsageError(f"{self._server} is not an intact reason journal ({text}): restore it")

    def _write_fault(self, error: psycopg.Error) -> StorageError:
        if isinstance(error, psycopg.errors.NotNullViolation) and error.diag.table_name == "fence":
            return StorageError(
                f"{self._server} was written by another process meanwhile: {self._resume} goes on "
                "from there"
            )
        if isinstance(error, psycopg.errors.DiskFull):
            return StorageError(
                f"disk full while writing {self._server}: free some space, then {self._resume}"
            )
        return StorageError(
            f"cannot write {self._server}: {one_line(error)}; once that is mended, {self._resume}"
        )


def check(url: str) -> None:
    """Open a connection and close it. Raises UsageError or StorageError, as a journal would."""
    dial(url).close()


def drop_checkpoints(server: Server) -> None:
    """Drop what LangGraph's checkpointer keeps under the run's schema name. Raises StorageError."""
    try:
        with dial(server.url) as db:
            for table in CHECKPOINT_TABLES:
                name = f"{CHECKPOINT_SCHEMA}.{table}"
                if fetch(db, "SELECT to_regclass(?)", (name,))[0][0] is not None:
                    where = Identifier(CHECKPOINT_SCHEMA, table)
                    delete = SQL("DELETE FROM {} WHERE thread_id = %s").format(where)
                    db.execute(delete, (server.schema,))
    except psycopg.Error as error:
        raise StorageError(f"cannot drop checkpoints in {server.url}: {one_line(error)}") from None


def drop_schema(server: Server) -> None:
    """Drop a journal for good."""
    with dial(server.url) as db:
        db.execute(SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(server.schema)))


def _lock_key(name: str) -> int:
    """63 bits of the schema's name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
