import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from reason.errors import StorageError
from runs.journal import Head, Journal, SampleRow, StepRow, UsageDelta, chain
from runs.sqlite import SqliteStorage
from runs.verify import verify_chain
from tests.runs.material import GENESIS, row, usage, write
from tests.runs.places import Places


@pytest.fixture
def journal(places: Places) -> Iterator[Journal]:
    with Journal(places.fresh(), GENESIS) as opened:
        yield opened


def test_an_empty_journal_stands_at_the_genesis(journal: Journal) -> None:
    assert journal.head() == Head(0, "", "", GENESIS)
    assert not any(journal.totals())
    assert list(journal.rows()) == []


def test_rows_come_back_as_they_were_written(journal: Journal) -> None:
    write(journal, 20)
    assert [found for found, _ in journal.rows()] == [row(n) for n in range(1, 21)]
    assert [found.step for found, _ in journal.rows(5, 7)] == [5, 6, 7]
    assert journal.head()[:3] == row(20)[:3]


def test_any_split_into_batches_gives_the_same_chain_and_totals(places: Places) -> None:
    @given(st.lists(st.integers(1, 7), min_size=1, max_size=12))
    @settings(max_examples=places.examples, deadline=None)
    def check(sizes: list[int]) -> None:
        end = sum(sizes)
        with Journal(places.fresh(), GENESIS) as one:
            write(one, end)
            expected = one.head(), one.totals(), one.usage(), list(one.rows())
        with Journal(places.fresh(), GENESIS) as many:
            for size in sizes:
                write(many, many.head().step + size, batch=size)
            assert (many.head(), many.totals()) == expected[:2]
            assert list(many.rows()) == expected[3]
            [mine], [theirs] = many.usage(), expected[2]
            assert mine[:4] == theirs[:4]
            assert mine.cost_usd == pytest.approx(theirs.cost_usd)

    check()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(texts, texts, texts, texts)
def test_no_two_steps_are_hashed_alike(a: str, b: str, c: str, d: str) -> None:
    same = chain(GENESIS, 1, a, b) == chain(GENESIS, 1, c, d)
    assert same == ((a, b) == (c, d))


def test_any_text_survives(places: Places) -> None:
    @given(st.lists(st.tuples(texts, texts), max_size=5))
    @settings(max_examples=places.examples, deadline=None)
    @example([("\\", "\0"), ("\\0\0\\", "a\\\n"), ("%s", "?")])
    def check(records: list[tuple[str, str]]) -> None:
        place = places.fresh()
        with Journal(place, GENESIS) as journal:
            for n, (action, state) in enumerate(records, 1):
                journal.append([row(n)._replace(action=action, state=state)], [], 0)
        with Journal(place, GENESIS, readonly=True) as journal:
            assert [(found.action, found.state) for found, _ in journal.rows()] == records
            assert verify_chain(journal, GENESIS).ok

    check()


@pytest.mark.parametrize("steps", [[2], [0], [1, 3], [1, 1], [1, 2, 2]])
def test_a_step_out_of_order_is_refused_and_nothing_is_written(
    journal: Journal, steps: list[int]
) -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        journal.append([row(n) for n in steps], [usage(1)], 1.0)
    assert journal.head().step == 0
    assert not any(journal.totals())


def test_totals_include_spending_without_a_step(journal: Journal) -> None:
    journal.append([row(1)], [usage(1)], 2.0, collisions=1)
    journal.charge([UsageDelta("micro", 10, 5, 2, 0.5)], 1.0, flagged=2, surplus=3, collisions=4)
    assert journal.totals() == (1, 4, 3, 4, 130, 95, 3.0, 5)
    assert journal.usage() == [UsageDelta("micro", 130, 95, 7, 0.501)]


def test_time_that_runs_backwards_does_not_lower_the_totals(journal: Journal) -> None:
    journal.charge([], 5.0)
    journal.charge([], -3.0)
    assert journal.totals().seconds == 5.0


def test_an_unknown_price_makes_the_cost_unknown_for_good(journal: Journal) -> None:
    for cost in (1.0, None, 1.0):
        journal.charge([UsageDelta("m", 1, 1, 1, cost)], 0)
    assert journal.usage() == [UsageDelta("m", 3, 3, 3, None)]


def test_samples_are_kept_apart_and_pruned(journal: Journal) -> None:
    kept = [SampleRow(1, 1, "b", "stop", "", "m"), SampleRow(1, 0, "a" * 9000, "length", "x", "m")]
    journal.append([row(1)], [], 0, kept)
    journal.append([row(2)], [], 0, [SampleRow(2, 0, "half a pair \ud800", "stop", "", "m")])
    assert [sample.draw for sample in journal.samples(1)] == [0, 1]
    assert journal.samples(2)[0].text == "half a pair ?"
    before = journal.head(), journal.totals()
    journal.prune()
    assert journal.samples(1) == []
    assert (journal.head(), journal.totals()) == before
    assert verify_chain(journal, GENESIS).ok
    write(journal, 5)


def test_sums_and_hardest_steps_are_those_of_the_rows(journal: Journal) -> None:
    write(journal, 40, batch=7)
    rows = [row for row, _ in journal.rows(11, 30)]
    sums = journal.sums(11, 30)
    assert sums.steps == 20
    assert sums.votes == sum(row.votes for row in rows)
    assert sums.flagged == sum(row.flagged for row in rows)
    assert sums.most == max(row.votes + row.flagged for row in rows)
    assert journal.sums(41, 50) == (0, 0, 0, 0)
    every = [row for row, _ in journal.rows()]
    hardest = sorted(every, key=lambda row: (-row.votes - row.flagged, row.step))
    assert journal.hardest(9) == hardest[:9]


def test_votes_are_counted_by_how_many_and_how_they_decided(journal: Journal) -> None:
    tallies = ["3", "3", "p2:2", "v3", "4:1", "e3", "3"]
    for step, tally in enumerate(tallies, 1):
        votes = sum(int(part.lstrip("pve")) for part in tally.split(":"))
        row = StepRow(step, "a", "s", votes, 0, 1, tally, 1, 1, 0)
        journal.append([row], [], 0.1)
    assert sorted(journal.votes(2, 7)) == [
        *((3, "", 2), (3, "e", 1), (3, "v", 1), (4, "p", 1), (5, "", 1)),
    ]
    assert journal.votes(8, 9) == []


def test_meta_is_kept(journal: Journal) -> None:
    assert journal.get_meta("k") is None
    journal.set_meta("k", "3")
    journal.set_meta("k", "4")
    with Journal(journal.place, GENESIS, readonly=True) as again:
        assert again.get_meta("k") == "4"


def test_an_interruption_inside_a_write_leaves_no_trace(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for point, committed in (("inside-commit", 0), ("after-commit", 1)):

        def interrupt(name: str, point: str = point) -> None:
            if name == point:
                raise KeyboardInterrupt

        monkeypatch.setattr("runs.killpoints.reach", interrupt)
        with pytest.raises(KeyboardInterrupt):
            journal.append([row(1)], [usage(1)], 1.0)
        assert (journal.head().step, journal.totals().steps) == (committed, committed)
    monkeypatch.undo()
    write(journal, 3)
    assert verify_chain(journal, GENESIS) == (True, 3, "", None)


def test_a_reader_sees_what_a_writer_commits(journal: Journal) -> None:
    with Journal(journal.place, readonly=True) as reader:
        write(journal, 3)
        assert (reader.head().step, reader.totals().steps) == (3, 3)
        with pytest.raises(StorageError, match="read-only"):
            reader.charge([], 1.0)


def test_a_step_is_small(places: Places) -> None:
    place, steps = places.fresh(), 1000 * places.examples
    with Journal(place, GENESIS) as journal:
        write(journal, steps, batch=100)
        assert verify_chain(journal, GENESIS).steps == steps
    assert places.size(place) < 300 * steps


def test_opening_reads_the_last_row_alone(places: Places) -> None:
    place = places.fresh()
    with Journal(place, GENESIS) as journal:
        write(journal, 50)
    places.sql(place, "UPDATE steps SET action = 'x' WHERE step < 50")
    with Journal(place, GENESIS) as journal:
        assert journal.head()[:3] == row(50)[:3]


def test_power_cut_safety_can_be_asked_for(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", GENESIS, durable=True) as journal:
        write(journal, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["journal.sqlite"]


def _database(journal: Journal) -> sqlite3.Connection:
    storage = journal._storage
    assert isinstance(storage, SqliteStorage)
    return storage._db


def test_a_full_disk_is_told_and_the_journal_goes_on_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, GENESIS) as journal:
        write(journal, 5)
        _database(journal).execute("PRAGMA max_page_count = 12")
        with pytest.raises(StorageError, match=r"disk full while writing .*reason runs resume"):
            write(journal, 1000)
        stopped, totals = journal.head().step, journal.totals()
        assert 5 < stopped < 1000
        assert totals.steps == stopped
        _database(journal).execute("PRAGMA max_page_count = 100000")
        write(journal, 1000)
        assert verify_chain(journal, GENESIS) == (True, 1000, "", None)


class Sessions(RuleBasedStateMachine):
    """Sessions on one journal, in any order, against a model that is a list and a sum."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.journal = Journal(places.fresh(), GENESIS)
        self.rows: list[StepRow] = []
        self.votes = self.flagged = self.tokens = 0

    @rule(count=st.integers(0, 5))
    def append(self, count: int) -> None:
        new = [row(len(self.rows) + n) for n in range(1, count + 1)]
        self.journal.append(new, [usage(found.step) for found in new], 0.1)
        self.rows += new
        self.votes += sum(found.votes for found in new)
        self.flagged += sum(found.flagged for found in new)
        self.tokens += 120 * count

    @rule(flagged=st.integers(0, 5))
    def charge(self, flagged: int) -> None:
        self.journal.charge([UsageDelta("other", 7, 1, 1, None)], 0.1, flagged=flagged)
        self.flagged += flagged
        self.tokens += 7

    @rule()
    def reopen(self) -> None:
        head = self.journal.head()
        self.journal.close()
        self.journal = Journal(self.journal.place, GENESIS)
        assert self.journal.head() == head

    @precondition(lambda self: self.rows)
    @rule()
    def repeat_a_step(self) -> None:
        with pytest.raises(ValueError, match="cannot follow"):
            self.journal.append(self.rows[-1:], [usage(1)], 0.1)

    @rule()
    def prune(self) -> None:
        self.journal.prune()

    @invariant()
    def agrees(self) -> None:
        totals = self.journal.totals()
        assert [found for found, _ in self.journal.rows()] == self.rows
        assert totals[:3] == (len(self.rows), self.votes, self.flagged)
        assert totals.prompt_tokens == self.tokens
        assert verify_chain(self.journal, GENESIS).ok

    def teardown(self) -> None:
        self.journal.close()


def test_sessions_in_any_order_agree_with_a_list_and_a_sum(places: Places) -> None:
    often = settings(max_examples=places.examples, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(lambda: Sessions(places), settings=often)  # type: ignore[arg-type]


def test_steps_taken_back_leave_a_sound_journal(places: Places) -> None:
    place = places.fresh()
    with Journal(place, GENESIS) as journal:
        write(journal, 10)
        before = journal.totals()
        journal.rollback(6)
        assert journal.head().step == journal.totals().steps == 6
        assert journal.totals().votes == before.votes
        write(journal, 9)
        journal.rollback(0)
        write(journal, 12)
        assert journal.get_meta("rolled_back") == "13"
    with Journal(places.fresh(), GENESIS) as plain:
        write(plain, 12)
        with Journal(place, GENESIS) as journal:
            assert [row for row, _ in journal.rows()] == [row for row, _ in plain.rows()]
            assert journal.head() == plain.head()
