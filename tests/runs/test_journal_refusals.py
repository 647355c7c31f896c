import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reason.errors import StorageError, UsageError
from runs.journal import Journal
from tests.runs.material import GENESIS, write
from tests.runs.places import Places


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name)")


def _newer(path: Path) -> None:
    with Journal(path, GENESIS) as journal:
        journal.set_meta("format", "99")


def _torn(path: Path) -> None:
    with Journal(path, GENESIS) as journal:
        write(journal, 500)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)


def _another_problem(path: Path) -> None:
    Journal(path, bytes(32)).close()


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("not a database" * 99),
        _foreign,
        _newer,
        _torn,
        _another_problem,
    ],
)
def test_a_file_that_is_no_journal_of_this_run_is_refused_unchanged(
    tmp_path: Path, make: Callable[[Path], object], readonly: bool
) -> None:
    path = tmp_path / "journal.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"journal\.sqlite") as caught:
        Journal(path, GENESIS, readonly=readonly)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        ("UPDATE meta SET value = '99' WHERE key = 'format'", r"another format \(99\): open it"),
        ("UPDATE meta SET value = 'other' WHERE key = 'run_id'", r"another run_id \(other\)"),
        ("UPDATE meta SET value = '00' WHERE key = 'genesis'", "records another problem"),
        ("ALTER TABLE meta RENAME COLUMN key TO name", "not an intact reason journal"),
    ],
)
def test_a_journal_that_is_not_this_runs_is_refused(
    places: Places, spoil: str, text: str, readonly: bool
) -> None:
    place = places.fresh()
    with Journal(place, GENESIS, labels={"run_id": "this"}) as journal:
        write(journal, 3)
    places.sql(place, spoil)
    with pytest.raises(UsageError, match=text) as caught:
        Journal(place, GENESIS, readonly=readonly, labels={"run_id": "this"})
    assert "\n" not in str(caught.value)


def test_reading_makes_no_journal(places: Places) -> None:
    place = places.fresh()
    with pytest.raises(UsageError, match="no steps yet"):
        Journal(place, GENESIS, readonly=True)
    with pytest.raises(UsageError, match="no steps yet"):
        Journal(place)
    Journal(place, GENESIS).close()
    with Journal(place, readonly=True) as journal:
        assert journal.head().step == 0


def test_a_missing_journal_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing"):
        Journal(tmp_path / "journal.sqlite", GENESIS, readonly=True)
    with pytest.raises(UsageError, match="missing"):
        Journal(tmp_path / "journal.sqlite")
    with pytest.raises(StorageError, match="cannot write"):
        Journal(tmp_path / "nowhere" / "journal.sqlite", GENESIS)
    assert list(tmp_path.iterdir()) == []
