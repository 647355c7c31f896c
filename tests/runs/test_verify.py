from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runs.journal import Journal
from runs.verify import ChainError, ChainReport, verified_records, verify_chain
from tests.runs.material import GENESIS, row, write
from tests.runs.places import Files, Places

STEPS = 30


class Good:
    """A good journal, which every tampering starts from."""

    def __init__(self, places: Places) -> None:
        self.places, self.place = places, places.fresh()
        with Journal(self.place, GENESIS) as journal:
            write(journal, STEPS)
        for table in ("steps", "totals"):
            places.sql(self.place, f"CREATE TABLE good_{table} AS SELECT * FROM {table}")

    def tamper(self, sql: str, *values: object) -> ChainReport:
        for table in ("steps", "totals"):
            self.places.sql(self.place, f"DELETE FROM {table}")
            self.places.sql(self.place, f"INSERT INTO {table} SELECT * FROM good_{table}")
        self.places.sql(self.place, sql, *values)
        with Journal(self.place, readonly=True) as journal:
            return verify_chain(journal, GENESIS)


@pytest.fixture(scope="module")
def good(places: Places) -> Good:
    return Good(places)


def test_a_good_journal_passes_and_gives_its_records(places: Places) -> None:
    with Journal(places.fresh(), GENESIS) as journal:
        write(journal, STEPS)
        assert verify_chain(journal, GENESIS) == (True, STEPS, "", None)
        expected = [(row(n).action, row(n).state) for n in range(1, STEPS + 1)]
        assert list(verified_records(journal, GENESIS)) == expected


def test_another_genesis_fails_at_once(good: Good) -> None:
    with Journal(good.place, readonly=True) as journal:
        assert verify_chain(journal, bytes(32)).first_bad == 1


def test_any_altered_byte_is_found(good: Good) -> None:
    @given(
        step=st.integers(1, STEPS),
        column=st.sampled_from(["action", "state", "hash"]),
        position=st.integers(0, 1000),
        flip=st.integers(1, 255),
    )
    @settings(max_examples=3 * good.places.examples, deadline=None)
    def check(step: int, column: str, position: int, flip: int) -> None:
        sql = f"SELECT {column} FROM good_steps WHERE step = ?"
        value = good.places.sql(good.place, sql, step)[0][0]
        content = bytearray(value if column == "hash" else value.encode())
        content[position % len(content)] ^= flip
        new: object = bytes(content)
        if column != "hash":
            assume(good.places.url is None or (content.isascii() and 0 not in content))
            new = content.decode(errors="surrogateescape")
        report = good.tamper(*_set(column, new), step)
        assert (report.ok, report.first_bad, report.steps) == (False, step, step - 1)
        assert "\n" not in report.reason

    check()


def _set(column: str, value: object) -> tuple[str, object]:
    """An update of a column; SQLite holds any bytes as a text, PostgreSQL none but UTF-8."""
    if isinstance(value, str) and not value.isascii():
        raw = value.encode(errors="surrogateescape")
        return f"UPDATE steps SET {column} = CAST(? AS TEXT) WHERE step = ?", raw
    return f"UPDATE steps SET {column} = ? WHERE step = ?", value


@pytest.mark.parametrize("step", [1, 15, STEPS])
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM steps WHERE step = ?",
        "UPDATE steps SET step = step + 1000 WHERE step = ?",
        "UPDATE steps SET action = '' WHERE step = ?",
    ],
)
def test_an_altered_row_is_found(good: Good, sql: str, step: int) -> None:
    report = good.tamper(sql, step)
    assert (report.ok, report.first_bad) == (False, step)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE steps SET state = CAST(state AS BLOB) WHERE step = ?",
        "UPDATE steps SET votes = 'many' WHERE step = ?",
    ],
)
def test_a_value_of_another_type_is_found(tmp_path: Path, sql: str) -> None:
    """SQLite would store anything anywhere; PostgreSQL refuses it."""
    report = Good(Files(tmp_path)).tamper(sql, 15)
    assert (report.ok, report.first_bad) == (False, 15)


@pytest.mark.parametrize("source", [1, 15, STEPS])
def test_a_duplicated_row_is_found(good: Good, source: int) -> None:
    sql = """INSERT INTO steps SELECT CAST(? AS INTEGER), action, state, hash, votes, flagged,
        rounds, tally, prompt_tokens, completion_tokens, surplus FROM steps WHERE step = ?"""
    report = good.tamper(sql, STEPS + 1, source)
    assert (report.ok, report.first_bad) == (False, STEPS + 1)


@pytest.mark.parametrize("column", ["steps", "votes", "flagged", "surplus"])
def test_totals_below_the_steps_are_found(good: Good, column: str) -> None:
    report = good.tamper(f"UPDATE totals SET {column} = 1")
    assert (report.ok, report.steps, report.first_bad) == (False, STEPS, None)


def test_steps_are_given_only_after_they_were_checked(good: Good) -> None:
    good.tamper("UPDATE steps SET state = 'elsewhere' WHERE step = 4")
    with Journal(good.place, readonly=True) as journal:
        records = verified_records(journal, GENESIS)
        assert [next(records)[0] for _ in range(3)] == [row(n).action for n in (1, 2, 3)]
        with pytest.raises(ChainError, match="step 4 was altered"):
            next(records)


def test_it_may_run_beside_a_writer(places: Places) -> None:
    place = places.fresh()
    with Journal(place, GENESIS) as writer, Journal(place, GENESIS, readonly=True) as reader:
        write(writer, 1500)
        records = verified_records(reader, GENESIS)
        for _ in range(10):
            next(records)
        write(writer, 1600)
        assert sum(1 for _ in records) in (1490, 1590)
