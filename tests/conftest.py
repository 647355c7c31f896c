"""Shared fixtures: every test has its own directory and an environment without settings."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, private_server, programs
from tests.small_model import NO_MODEL

NO_SERVER = "no PostgreSQL server is installed here (Debian: apt-get install postgresql)"
LOUD = {"THE JOURNAL ON POSTGRESQL": NO_SERVER, "TRAINING A REAL SMALL MODEL": NO_MODEL}


@pytest.fixture(autouse=True)
def _clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a REASON_ or PG variable, a key or a reason.toml of the machine it runs on."""
    for name in os.environ:
        if name.startswith(("REASON_", "PG")) or name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, private to these tests."""
    found = programs()
    if found is None:
        pytest.skip(NO_SERVER)
    with private_server(found) as server:
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested for want of a server or a model."""
    skipped = terminalreporter.getreports("skipped")
    for what, why in LOUD.items():
        if count := sum(why in str(report.longrepr) for report in skipped):
            line = f"{count} TESTS OF {what} DID NOT RUN: {why}"
            terminalreporter.write_line(line, red=True, bold=True)
