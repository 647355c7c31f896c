"""LangGraph's checkpointer of a run: SQLite in its directory, or PostgreSQL beside its journal.

On a server the checkpointer's tables stand in one schema, ``reason``, for all runs; they are made
once, by whoever comes first. A run's thread there has the name of the run's own schema, since two
machines may well have runs of one name.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from reason.errors import StorageError, UsageError
from runs.storage import NO_EXTRA, Server
from runs.store import RunDir

SETUP_SECONDS = 30.0  # how long another run may take to make the tables
PATIENCE_SECONDS = 10.0  # how long a server that went away is waited for
SETUP_LOCK = 7_236_837_501  # known to nobody else, we hope


def thread_of(run: RunDir) -> RunnableConfig:
    """The thread that a run's checkpoints belong to."""
    name = run.server.schema if run.server else run.run_id
    return {"configurable": {"thread_id": name}}


@asynccontextmanager
async def open_saver(run: RunDir) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """The checkpointer of a run. Raises StorageError, inside the block too."""
    if run.server is None:
        async with AsyncSqliteSaver.from_conn_string(str(run.checkpoints_path)) as saver:
            yield saver
    else:
        async with _postgres_saver(run.server) as saver:
            yield saver


@asynccontextmanager
async def _postgres_saver(server: Server) -> AsyncIterator[BaseCheckpointSaver[str]]:
    try:
        import psycopg
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool

        from runs.postgres import CHECKPOINT_SCHEMA
        from runs.postgres_link import connect_options
    except ImportError:
        raise UsageError(NO_EXTRA) from None

    async def at_home(db: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        await db.execute("SELECT set_config('search_path', %s, false)", (CHECKPOINT_SCHEMA,))

    pool: AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
        kwargs={**connect_options(server.url), "row_factory": dict_row},
        min_size=1,
        max_size=1,
        open=False,
        configure=at_home,
        check=AsyncConnectionPool.check_connection,  # a connection lost meanwhile is replaced
        timeout=PATIENCE_SECONDS,
    )
    try:
        async with pool:
            saver = AsyncPostgresSaver(pool)
            async with pool.connection() as db:
                await _make_tables_once(db, AsyncPostgresSaver(db), CHECKPOINT_SCHEMA)
            yield saver
    except psycopg.Error as error:
        text = " ".join(str(error).split())[:200]
        raise StorageError(
            f"cannot keep checkpoints in {server.url}: {text}; once that is mended, "
            f"`reason runs resume {server.run}`"
        ) from None


async def _make_tables_once(db: Any, saver: Any, schema: str) -> None:
    """Let the checkpointer set up its tables, while no other run does.

    The lock is asked for again and again: a session that waited inside the server would be waited
    for in turn by the building of an index.
    """
    newest = len(saver.MIGRATIONS) - 1
    if await _version(db, schema) >= newest:
        return
    end = time.monotonic() + SETUP_SECONDS
    while not (await _one(db, "SELECT pg_try_advisory_lock(%s)", SETUP_LOCK)):
        if time.monotonic() >= end:
            raise StorageError("another run has been making the checkpointer's tables for too long")
        await asyncio.sleep(0.1)
    try:
        await db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        await saver.setup()
    finally:
        await _one(db, "SELECT pg_advisory_unlock(%s)", SETUP_LOCK)


async def _version(db: Any, schema: str) -> int:
    if await _one(db, "SELECT to_regclass(%s)", f"{schema}.checkpoint_migrations") is None:
        return -1
    found = await _one(db, f"SELECT max(v) FROM {schema}.checkpoint_migrations WHERE v < %s", 10**6)
    return -1 if found is None else int(found)


async def _one(db: Any, sql: str, *values: object) -> Any:
    """The one value that a query gives."""
    row = await (await db.execute(sql, values)).fetchone()
    return next(iter(row.values()))
