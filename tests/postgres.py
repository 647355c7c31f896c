"""A PostgreSQL server of the tests' own: a private cluster in a temporary directory.

It listens on loopback, and belongs to an unprivileged user, because PostgreSQL refuses to run as
root. Flushing to the disk is off: tests kill processes, not the power.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

ADMIN = "reason"
DATABASE = "journals"
GUARDED = "guarded"  # a user who needs a password
PASSWORD = "correct horse"


def programs() -> Path | None:
    """Where the server's programs are, if they are installed."""
    found = shutil.which("pg_ctl")
    if found and Path(found).resolve().with_name("initdb").exists():
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), default=None)


class PostgresServer:
    """A running cluster; its one database belongs to its one administrator.

    Attributes:
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, bin_directory: Path, home: Path) -> None:
        self._bin, self._home, self.port = bin_directory, home, _free_port()

    @property
    def url(self) -> str:
        """The database, opened as its owner without a password."""
        return self.url_of()

    def url_of(self, user: str = ADMIN, database: str = DATABASE) -> str:
        """Another user or database of this server."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create(self) -> None:
        """Make the cluster, start it, make the database and the users."""
        data = self._home / "data"
        options = ["--no-sync", "-A", "trust", "-U", ADMIN, "-E", "UTF8", "--locale=C.UTF-8"]
        self._run("initdb", "-D", str(data), *options)
        rules = f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        (data / "pg_hba.conf").write_text(f"local all all trust\n{rules}", encoding="utf-8")
        lines = [
            f"port = {self.port}",
            "listen_addresses = '127.0.0.1'",
            f"unix_socket_directories = '{self._home}'",
            "fsync = off",
            "full_page_writes = off",
            "max_connections = 50",
            "shared_buffers = 32MB",
        ]
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.start()
        with psycopg.connect(self.url_of(database="postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {DATABASE}")
            db.execute(f"CREATE USER {GUARDED} PASSWORD '{PASSWORD}'")

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._control("start", "-w", "-l", str(self._home / "log"))

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        self._control("stop", "-m", "immediate")

    def restart(self) -> None:
        """Stop the server at once and start it again."""
        self.stop()
        self.start()

    def sql(self, statement: str) -> None:
        """Run a statement as the administrator."""
        with psycopg.connect(self.url, autocommit=True) as db:
            db.execute(statement.encode())

    def backends(self) -> list[int]:
        """The server's processes that serve somebody else than this call."""
        with psycopg.connect(self.url, autocommit=True) as db:
            rows = db.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND pid <> pg_backend_pid() ORDER BY pid"
            ).fetchall()
        return [pid for (pid,) in rows]

    def await_ready(self) -> None:
        """Wait until the server has recovered from a crash."""
        end = time.monotonic() + 60
        while True:
            try:
                return psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, "the server does not come back"
                time.sleep(0.05)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._home / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*as_user, str(self._bin / program), *arguments],
            cwd=self._home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


@contextmanager
def private_server(bin_directory: Path) -> Iterator[PostgresServer]:
    """A fresh server, gone with its data at the end."""
    home = Path(tempfile.mkdtemp(prefix="reason-postgres-"))
    if os.getuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    server = PostgresServer(bin_directory, home)
    try:
        server.create()
        yield server
    finally:
        if (home / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(home)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
