"""What a committed step costs in each storage: time, bytes, and the opening of a journal.

    python -m evals.storage --journal-url postgresql://user@host/database [--steps 6400]

The steps are those of Towers of Hanoi with 20 disks, committed one by one and then in batches of 64
as speculation does; no model is asked. The storages take turns, so that a busy neighbour slows down
all of them, and the median counts. The schemas made on the server are dropped again.
"""

import argparse
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runs.journal import Journal, StepRow, UsageDelta
from runs.storage import Place, Server
from tasks.hanoi.task import Hanoi

GENESIS = bytes(32)
BATCH = 64
DISKS = 20


def hanoi_steps(count: int) -> list[StepRow]:
    """The first steps of the shortest solution, each with three votes."""
    task, rows = Hanoi(DISKS), []
    state = task.initial()
    for number in range(1, count + 1):
        step = task.parse(task.rehearse(task.prompt(state)).right)
        state = task.advance(state, step)
        action, text = task.record(step, state)
        rows.append(StepRow(number, action, text, 3, 0, 1, "3", 120, 90, 0))
    return rows


def commit(journal: Journal, rows: Sequence[StepRow]) -> float:
    """Microseconds a step of one commit."""
    votes = 3 * len(rows)
    usage = [UsageDelta("model", 120 * votes, 90 * votes, votes, 0.0)]
    start = time.perf_counter()
    journal.append(rows, usage, 0.1)
    return (time.perf_counter() - start) / len(rows) * 1e6


def race(journals: Sequence[Journal], rows: Sequence[StepRow], batch: int) -> list[float]:
    """The median cost of a step in each journal, which take turns."""
    laps: list[list[float]] = [[] for _ in journals]
    for at in range(0, len(rows), batch):
        for journal, mine in zip(journals, laps, strict=True):
            mine.append(commit(journal, rows[at : at + batch]))
    return [statistics.median(mine) for mine in laps]


def opening(place: Place) -> float:
    """Milliseconds to open a journal and know its head; the middle one of nine."""
    laps = []
    for _ in range(9):
        start = time.perf_counter()
        with Journal(place, GENESIS) as journal:
            journal.head()
            laps.append((time.perf_counter() - start) * 1e3)
    return statistics.median(laps)


def size(place: Place) -> int:
    """Bytes of a closed journal, wherever they are."""
    if isinstance(place, Path):
        return place.stat().st_size
    with Journal(place, readonly=True) as journal:
        return journal.size()


@contextmanager
def fresh_places(url: str | None) -> Iterator[dict[str, Place]]:
    """An empty place of each storage, cleared away at the end."""
    with tempfile.TemporaryDirectory() as folder:
        places: dict[str, Place] = {"SQLite": Path(folder) / "journal.sqlite"}
        if url is None:
            yield places
            return
        server = Server(url, f"reason_bench_{secrets.token_hex(4)}", Path(folder))
        try:
            yield {**places, "PostgreSQL": server}
        finally:
            from runs.postgres import drop_schema

            drop_schema(server)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a committed step costs in each storage.")
    parser.add_argument("--journal-url")
    parser.add_argument("--steps", type=int, default=6400)
    options = parser.parse_args()
    rows, first = hanoi_steps(options.steps), options.steps // 10
    table = Table("storage", "us/step, single", f"us/step, batches of {BATCH}", "bytes/step")
    table.add_column("opening, ms")
    with fresh_places(options.journal_url) as places:
        journals = [Journal(place, GENESIS) for place in places.values()]
        single = race(journals, rows[:first], 1)
        batched = race(journals, rows[first:], BATCH)
        for journal in journals:
            journal.close()
        sizes = [size(place) / len(rows) for place in places.values()]
        openings = [opening(place) for place in places.values()]
        for name, *costs in zip(places, single, batched, sizes, openings, strict=True):
            table.add_row(name, *(f"{cost:,.1f}" for cost in costs))
    Console().print(table)


if __name__ == "__main__":
    main()
