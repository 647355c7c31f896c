"""Places for journals of either storage, and a way to look and reach in behind a journal's back."""

import itertools
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

from runs.storage import Place, Server
from tests.postgres import PostgresServer


class Places(Protocol):
    """One kind of storage.

    Attributes:
        url: what a run is created with to use it.
        examples: how many examples a property is worth here; a server takes more time for each.
    """

    url: str | None
    examples: int

    def fresh(self) -> Place:
        """A place where nothing is yet."""

    def sql(self, place: Place, sql: str, *values: object) -> list[Any]:
        """Carry out a statement behind the journal's back; the rows it gives."""

    def size(self, place: Place) -> int:
        """Bytes on the disk."""

    def settle(self) -> None:
        """Wait until nothing that a killed process asked for is still under way."""


class Files:
    """SQLite."""

    examples = 20

    def __init__(self, directory: Path) -> None:
        self.url: str | None = None
        self._names = (directory / f"journal-{n}.sqlite" for n in itertools.count())

    def fresh(self) -> Path:
        return next(self._names)

    def sql(self, place: Place, sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(str(place), isolation_level=None)) as db:
            return db.execute(sql, values).fetchall()

    def size(self, place: Place) -> int:
        assert isinstance(place, Path)
        return sum(file.stat().st_size for file in place.parent.glob(f"{place.name}*"))

    def settle(self) -> None:
        """A killed process takes SQLite with it."""


class Schemas:
    """PostgreSQL."""

    examples = 5

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.url: str | None = server.url
        self._numbers = itertools.count(time.time_ns())

    def fresh(self) -> Server:
        return Server(self.server.url, f"reason_test_{next(self._numbers)}", Path("run"))

    def sql(self, place: Place, sql: str, *values: object) -> list[Any]:
        assert isinstance(place, Server)
        with psycopg.connect(self.server.url, autocommit=True) as db:
            db.execute(f"SET search_path = {place.schema}".encode())
            done = db.execute(sql.replace("?", "%s").encode(), values)
            return done.fetchall() if done.description else []

    def size(self, place: Place) -> int:
        assert isinstance(place, Server)
        sizes = """SELECT sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)))
            FROM pg_tables WHERE schemaname = ?"""
        return int(self.sql(place, sizes.replace("%I", "%%I"), place.schema)[0][0])

    def settle(self) -> None:
        end = time.monotonic() + 30
        while self.server.backends():
            assert time.monotonic() < end, "a backend stays"
            time.sleep(0.02)
