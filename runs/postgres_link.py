r"""Connections to PostgreSQL: how they are opened, what their errors mean, how text travels.

Text is stored with ``\`` doubled and NUL, which PostgreSQL's text cannot hold, as ``\0``.
"""

import logging
import os
import re
import socket
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown, TextLoader

from reason.errors import ReasonError, StorageError, UsageError
from runs.storage import Values

# A client that vanished is noticed, and its lock freed, before it has waited in vain to come back;
# so is a server that vanished. What the URL says of these goes before.
KEEPALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
PSYCOPG = {"autocommit": True, "prepare_threshold": 0}

# Errors come back as exceptions; what psycopg logs beside them would only be a second voice.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

Connection = psycopg.Connection[Any]


def connect_options(url: str) -> dict[str, Any]:
    """What every connection is opened with. Raises UsageError for what is no URL."""
    try:
        options = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise UsageError(f"{url} is no PostgreSQL URL: {one_line(error)}") from None
    who = f"reason pid {os.getpid()} on {_host()}"[:63]
    return {**LIBPQ, "fallback_application_name": who, **options, **PSYCOPG}


def connect_fault(error: psycopg.Error, url: str) -> ReasonError:
    """The error for a connection that cannot be opened; the server gives no code, only words."""
    text = one_line(error).removeprefix("connection failed: ")
    if re.search(r"password|pg_hba|authentication", text):
        return UsageError(f"{url}: {text}; set PGPASSWORD or put the password into ~/.pgpass")
    if re.search(r'(database|role) "[^"]*" does not exist', text):
        return UsageError(f"{url}: {text}; make it first (createdb, createuser), or mend the URL")
    return StorageError(f"cannot reach {url}: {text}; start the server or mend the URL")


def dial(url: str) -> Connection:
    """A new connection. Raises UsageError, StorageError."""
    options = connect_options(url)
    try:
        db: Connection = psycopg.connect(**options)
    except psycopg.Error as error:
        raise connect_fault(error, url) from None
    db.adapters.register_dumper(str, _Text)
    db.adapters.register_loader("text", _TextLoader)
    db.adapters.register_dumper(int, Int8Dumper)  # one type for all, so one prepared statement
    return db


def fetch(db: Connection, sql: str, values: Values = ()) -> list[Any]:
    """All rows of a statement that has ``?`` where a value goes."""
    return db.execute(to_sql(sql), values).fetchall()


def to_sql(sql: str) -> bytes:
    """A statement as psycopg wants it."""
    return sql.replace("?", "%s").encode()


def one_line(error: psycopg.Error) -> str:
    """An error in one line: a server adds details and hints on lines of their own."""
    return " ".join(str(error).strip().split("\n")[0].split())[:200]


def _host() -> str:
    return socket.gethostname().partition(".")[0]


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        if "\\" in obj or "\0" in obj:
            obj = obj.replace("\\", "\\\\").replace("\0", "\\0")
        return super().dump(obj)


class _TextLoader(TextLoader):
    def load(self, data: Buffer) -> bytes | str:
        text = super().load(data)
        if isinstance(text, str) and "\\" in text:
            return re.sub(r"\\(.)", lambda found: "\0" if found[1] == "0" else found[1], text)
        return text
