"""What only a server can do to a journal: go away, come back, and be shared by two writers."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reason.errors import StorageError, UsageError
from runs.journal import Journal
from runs.storage import Server
from runs.verify import verify_chain
from tests.postgres import DATABASE, PostgresServer
from tests.runs.material import GENESIS, row, usage, write
from tests.runs.places import Schemas

pytestmark = pytest.mark.postgres


@pytest.fixture
def place(postgres: PostgresServer) -> Server:
    return Schemas(postgres).fresh()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for for long."""
    monkeypatch.setattr("runs.postgres.LOCK_SECONDS", 0.3)
    monkeypatch.setattr("runs.postgres.RETRY_SECONDS", 0.5)


def untouched(postgres: PostgresServer, steps: int) -> object:
    with Journal(Schemas(postgres).fresh(), GENESIS) as journal:
        write(journal, steps)
        return contents(journal)


def contents(journal: Journal) -> object:
    assert verify_chain(journal, GENESIS).ok
    return journal.head(), journal.totals(), journal.usage()[0][:4], list(journal.rows())


@pytest.mark.parametrize("point", ["before-begin", "inside-commit", "after-commit"])
def test_a_session_ended_by_the_server_is_replaced_and_nothing_is_doubled(
    postgres: PostgresServer, place: Server, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    def end(name: str) -> None:
        if name == point and not ended:
            ended.append(name)
            for pid in postgres.backends():
                postgres.sql(f"SELECT pg_terminate_backend({pid})")

    with Journal(place, GENESIS) as journal:
        write(journal, 3)
        with monkeypatch.context() as patch:
            patch.setattr("runs.killpoints.reach", end)
            write(journal, 5)
        write(journal, 7)
        assert ended == [point]
        assert contents(journal) == untouched(postgres, 7)


class DeafProxy:
    """A connection to the server whose answers are lost on command.

    Once ``deaf``, it carries requests on to the server, waits for the answer, throws that away and
    hangs up: the client cannot know what became of its request.
    """

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.deaf = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, server:
            while data := server.recv(65536):
                if self.deaf:
                    if b"COMMIT\0" not in data:
                        continue
                    self.deaf = False
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[DeafProxy]:
    opened = DeafProxy(postgres.port)
    yield opened
    opened.close()


@pytest.mark.parametrize("spend", ["steps", "charge", "meta"])
def test_a_commit_whose_answer_is_lost_is_not_done_twice(
    postgres: PostgresServer, place: Server, proxy: DeafProxy, spend: str
) -> None:
    url = f"postgresql://reason@127.0.0.1:{proxy.port}/{DATABASE}"
    with Journal(Server(url, place.schema, place.run), GENESIS) as journal:
        write(journal, 3)
        proxy.deaf = True
        if spend == "steps":
            journal.append([row(4)], [usage(4)], 0.5)
        elif spend == "charge":
            journal.charge([usage(4)], 0.5, votes=4)
        else:
            journal.set_meta("k", "4")
        assert not proxy.deaf
        added = {"steps": row(4).votes, "charge": 4, "meta": 0}[spend]
        assert journal.totals().votes == sum(row(n).votes for n in range(1, 4)) + added
        assert journal.get_meta("k") == ("4" if spend == "meta" else None)
        if spend == "steps":
            write(journal, 6)
            assert contents(journal) == untouched(postgres, 6)


def test_a_killed_backend_takes_the_server_down_for_a_moment_and_nothing_is_lost(
    postgres: PostgresServer, place: Server
) -> None:
    with Journal(place, GENESIS) as journal:
        write(journal, 5)
        for pid in postgres.backends():
            os.kill(pid, signal.SIGKILL)
        write(journal, 9)
        assert contents(journal) == untouched(postgres, 9)


@pytest.mark.usefixtures("hurried")
def test_a_server_that_stays_away_is_told_and_the_journal_goes_on_after_it(
    postgres: PostgresServer, place: Server
) -> None:
    with Journal(place, GENESIS) as journal:
        write(journal, 5)
        postgres.stop()
        try:
            with pytest.raises(StorageError, match=r"lost the connection.*reason runs resume run"):
                write(journal, 6)
            with pytest.raises(StorageError, match="lost the connection"):
                journal.totals()
            with pytest.raises(StorageError, match="cannot reach"):
                list(journal.rows())
        finally:
            postgres.start()
    with Journal(place, GENESIS) as journal:
        assert journal.head().step == 5
        write(journal, 9)
        assert contents(journal) == untouched(postgres, 9)


@pytest.mark.usefixtures("hurried")
def test_two_machines_cannot_both_write(place: Server) -> None:
    """The file lock of a run directory says nothing to a copy of it on another machine."""
    with Journal(place, GENESIS) as journal:
        write(journal, 2)
        with pytest.raises(UsageError, match=rf"another process \(reason pid {os.getpid()} on "):
            Journal(place, GENESIS)
        with Journal(place, readonly=True) as reader:
            assert reader.head().step == 2
    with Journal(place, GENESIS) as journal:
        write(journal, 3)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("gone", [False, True])
def test_a_writer_that_lost_its_lock_unawares_changes_nothing(
    postgres: PostgresServer, place: Server, gone: bool
) -> None:
    """Another writer came in its absence: it is still there, or it has committed and gone."""
    with Journal(place, GENESIS) as first:
        write(first, 3)
        for pid in postgres.backends():
            postgres.sql(f"SELECT pg_terminate_backend({pid})")
        second = Journal(place, GENESIS)
        second.append([row(4)], [usage(4)], 0.5)
        if gone:
            second.close()
        text = "was written by another process meanwhile" if gone else "is being written by another"
        with pytest.raises(StorageError, match=text):
            first.append([row(4)], [usage(4)], 0.5)
        with Journal(place, readonly=True) as reader:
            assert contents(reader) == untouched(postgres, 4)
        second.close()


def test_a_journal_is_made_whole_or_not_at_all(
    postgres: PostgresServer, place: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("runs.killpoints.reach", interrupt)
        with pytest.raises(KeyboardInterrupt):
            Journal(place, GENESIS)
    schemas = f"SELECT nspname FROM pg_namespace WHERE nspname = '{place.schema}'"
    assert Schemas(postgres).sql(place, schemas) == []
    with Journal(place, GENESIS) as journal:
        write(journal, 2)


def test_a_database_that_cannot_hold_all_text_is_refused(postgres: PostgresServer) -> None:
    postgres.sql("CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    place = Server(postgres.url_of(database="narrow"), "reason_narrow", Path("run"))
    with pytest.raises(UsageError, match="ENCODING 'UTF8'"):
        Journal(place, GENESIS)


def test_a_user_without_rights_is_told(postgres: PostgresServer, place: Server) -> None:
    postgres.sql("CREATE USER guest")
    as_guest = Server(postgres.url_of("guest"), place.schema, place.run)
    with pytest.raises(StorageError, match="permission denied for database"):
        Journal(as_guest, GENESIS)
    Journal(place, GENESIS).close()
    with pytest.raises(StorageError, match="permission denied for"):
        Journal(as_guest, GENESIS, readonly=True)
