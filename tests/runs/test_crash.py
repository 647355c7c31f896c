"""Real processes, really killed: whatever the moment, the journal is whole and goes on."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reason.errors import UsageError
from runs.journal import Totals
from runs.killpoints import VARIABLE
from runs.store import RunDir, create
from runs.verify import verify_chain
from tests.runs.material import GENESIS, row, usage, write
from tests.runs.places import Places

ROOT = Path(__file__).parents[2]
ENDLESS = 10_000_000


@pytest.fixture
def run(tmp_path: Path, places: Places) -> RunDir:
    return create(tmp_path, "crashing", {"task": {"name": "hanoi"}}, "hanoi-10", places.url)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(run: RunDir) -> Iterator[Start]:
    """Starts children on the run; none outlives the test."""
    children: list[subprocess.Popen[str]] = []

    def begin(
        until: int, batch: int = 1, *, limit: str = "", kill_at: str = ""
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.runs.child", str(run.path), str(until), str(batch)]
        child = subprocess.Popen(
            [*command, *([limit] if limit else [])],
            cwd=ROOT,
            env={**os.environ, VARIABLE: kill_at},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.kill()
        child.communicate()


def await_ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def examine(run: RunDir, before: Totals | None = None) -> Totals:
    """Check every promise about the journal after a crash; returns its totals."""
    with run.journal(GENESIS, readonly=True) as journal:
        head, totals = journal.head(), journal.totals()
        assert verify_chain(journal, GENESIS) == (True, head.step, "", None)
        assert all(found == row(found.step) for found, _ in journal.rows())
        samples = sum(part.samples for part in journal.usage())
    steps = range(1, head.step + 1)
    assert totals.steps == head.step
    assert totals.votes == sum(row(n).votes for n in steps)
    assert samples == sum(usage(n).samples for n in steps)
    assert totals.seconds == 0.5 * head.step
    assert all(new >= old for new, old in zip(totals, before or totals, strict=True))
    return totals


def finish(child: subprocess.Popen[str]) -> str:
    output, _ = child.communicate(timeout=60)
    return output


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("point", ["before-begin", "inside-commit", "after-commit"])
def test_killed_at_a_named_point(
    run: RunDir, start: Start, places: Places, point: str, count: int
) -> None:
    totals = None
    for batch in (1, 5) if places.url is None else (5,):
        before = totals.steps if totals else 0
        child = start(ENDLESS, batch, kill_at=f"{point}:{count}")
        finish(child)
        assert child.returncode == -signal.SIGKILL
        totals = examine(run, totals)
        commits = count if point == "after-commit" else count - 1
        assert totals.steps - before == commits * batch


@pytest.mark.parametrize("point", ["inside-create", "before-rename"])
def test_killed_while_the_journal_is_made(
    run: RunDir, start: Start, places: Places, point: str
) -> None:
    if places.url and point == "before-rename":
        point = "inside-create:1"  # a server renames nothing
    child = start(ENDLESS, kill_at=point)
    finish(child)
    assert child.returncode == -signal.SIGKILL
    with pytest.raises(UsageError, match="no steps yet"):
        run.journal(GENESIS, readonly=True)
    finish(start(20))
    assert examine(run).steps == 20


def test_killed_at_random_moments_and_finished_in_the_end(
    run: RunDir, start: Start, places: Places
) -> None:
    rng, totals = random.Random(7), None
    for _ in range(places.examples // 2):
        child = start(ENDLESS, batch=rng.choice([1, 1, 7]))
        await_ready(child)
        time.sleep(rng.uniform(0, 0.05))
        child.kill()
        finish(child)
        assert child.returncode == -signal.SIGKILL
        places.settle()
        totals = examine(run, totals)
    assert totals is not None
    end = totals.steps + 10
    assert finish(start(end)) == "ready\n"
    with run.journal(GENESIS, readonly=True) as journal:
        assert journal.head().step == end
    assert examine(run, totals).steps == end


def test_a_second_writer_is_refused_until_the_first_is_dead(run: RunDir, start: Start) -> None:
    child = start(ENDLESS)
    await_ready(child)
    assert run.status() == "running"
    with pytest.raises(UsageError, match=rf"written by another process \(pid {child.pid}\)"):
        run.lease().__enter__()
    child.kill()
    finish(child)
    assert run.status() == "unfinished"
    with run.lease():
        assert run.status() == "running"
        refused = start(1)
        _, message = refused.communicate(timeout=60)
        assert refused.returncode != 0
        assert f"(pid {os.getpid()})" in message
    assert run.status() == "unfinished"


def test_a_reader_beside_a_writing_process(run: RunDir, start: Start) -> None:
    child = start(ENDLESS)
    await_ready(child)
    with run.journal(GENESIS, readonly=True) as journal:
        while journal.head().step < 5:
            time.sleep(0.01)
        reports = [verify_chain(journal, GENESIS) for _ in range(5)]
        time.sleep(0.05)
        reports.append(verify_chain(journal, GENESIS))
    child.kill()
    finish(child)
    assert all(report.ok for report in reports)
    assert reports[0].steps < reports[-1].steps


@pytest.mark.parametrize("places", ["sqlite"], indirect=True)
def test_a_disk_without_room_is_told_and_leaves_a_journal_that_goes_on(
    run: RunDir, start: Start
) -> None:
    output = finish(start(ENDLESS, limit=str(150_000)))
    assert "StorageError: disk full while writing" in output
    assert f"`reason runs resume {run.path}`" in output
    totals = examine(run)
    assert totals.steps > 0
    finish(start(totals.steps + 50))
    assert examine(run, totals).steps == totals.steps + 50


def test_killed_while_taking_steps_back(run: RunDir) -> None:
    with run.journal(GENESIS) as journal:
        write(journal, 20)
    script = (
        "import sys; from pathlib import Path; from runs.store import open_run; "
        "from tests.runs.material import GENESIS; "
        "open_run(Path(sys.argv[1])).journal(GENESIS).rollback(5)"
    )
    environment = {**os.environ, "REASON_KILL_AT": "inside-rollback"}
    command = [sys.executable, "-c", script, str(run.path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert examine(run).steps == 20
