import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs.journal import Journal
from runs.verify import ChainError, ChainReport, verified_records, verify_chain
from tests.runs.material import GENESIS, row, write

STEPS = 30


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "journal.sqlite"
    with Journal(path, GENESIS) as journal:
        write(journal, STEPS)
    return path


def report_after(good: Path, sql: str, *values: object) -> ChainReport:
    path = good.with_name("tampered.sqlite")
    shutil.copy(good, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert db.execute(sql, values).rowcount == 1
    with Journal(path, readonly=True) as journal:
        return verify_chain(journal, GENESIS)


def test_a_good_journal_passes_and_gives_its_records(good: Path) -> None:
    with Journal(good, GENESIS, readonly=True) as journal:
        assert verify_chain(journal, GENESIS) == (True, STEPS, "", None)
        expected = [(row(n).action, row(n).state) for n in range(1, STEPS + 1)]
        assert list(verified_records(journal, GENESIS)) == expected


def test_another_genesis_fails_at_once(good: Path) -> None:
    with Journal(good, readonly=True) as journal:
        assert verify_chain(journal, bytes(32)).first_bad == 1


@given(
    step=st.integers(1, STEPS),
    column=st.sampled_from(["action", "state", "hash"]),
    position=st.integers(0, 1000),
    flip=st.integers(1, 255),
)
@settings(max_examples=60, deadline=None)
def test_any_altered_byte_is_found(
    good: Path, step: int, column: str, position: int, flip: int
) -> None:
    with closing(sqlite3.connect(good)) as db:
        sql = f"SELECT CAST({column} AS BLOB) FROM steps WHERE step = ?"
        content = bytearray(db.execute(sql, (step,)).fetchone()[0])
    content[position % len(content)] ^= flip
    kind = "BLOB" if column == "hash" else "TEXT"
    sql = f"UPDATE steps SET {column} = CAST(? AS {kind}) WHERE step = ?"
    report = report_after(good, sql, bytes(content), step)
    assert (report.ok, report.first_bad, report.steps) == (False, step, step - 1)
    assert "\n" not in report.reason


@pytest.mark.parametrize("step", [1, 15, STEPS])
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM steps WHERE step = ?",
        "UPDATE steps SET step = step + 1000 WHERE step = ?",
        "UPDATE steps SET state = CAST(state AS BLOB) WHERE step = ?",
        "UPDATE steps SET votes = 'many' WHERE step = ?",
    ],
)
def test_an_altered_row_is_found(good: Path, sql: str, step: int) -> None:
    report = report_after(good, sql, step)
    assert (report.ok, report.first_bad) == (False, step)


@pytest.mark.parametrize("source", [1, 15, STEPS])
def test_a_duplicated_row_is_found(good: Path, source: int) -> None:
    sql = """INSERT INTO steps SELECT ?, action, state, hash, votes, flagged, rounds, tally,
        prompt_tokens, completion_tokens, surplus FROM steps WHERE step = ?"""
    report = report_after(good, sql, STEPS + 1, source)
    assert (report.ok, report.first_bad) == (False, STEPS + 1)


@pytest.mark.parametrize("column", ["steps", "votes", "flagged", "surplus"])
def test_totals_below_the_steps_are_found(good: Path, column: str) -> None:
    report = report_after(good, f"UPDATE totals SET {column} = 1")
    assert (report.ok, report.steps, report.first_bad) == (False, STEPS, None)


def test_steps_are_given_only_after_they_were_checked(good: Path) -> None:
    report_after(good, "UPDATE steps SET state = 'elsewhere' WHERE step = 4")
    with Journal(good.with_name("tampered.sqlite"), readonly=True) as journal:
        records = verified_records(journal, GENESIS)
        assert [next(records)[0] for _ in range(3)] == [row(n).action for n in (1, 2, 3)]
        with pytest.raises(ChainError, match="step 4 was altered"):
            next(records)


def test_it_may_run_beside_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, GENESIS) as writer, Journal(path, GENESIS, readonly=True) as reader:
        write(writer, 1500)
        records = verified_records(reader, GENESIS)
        for _ in range(10):
            next(records)
        write(writer, 1600)
        assert sum(1 for _ in records) in (1490, 1590)
