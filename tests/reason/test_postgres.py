"""Whole runs with their journal and checkpoints in PostgreSQL, by nothing but a URL."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import reason as api
from reason import cli
from reason.errors import StorageError
from reason.summary import Summary
from runs.journal import StepRow
from runs.storage import Server
from runs.store import open_run
from tests.postgres import GUARDED, PASSWORD, PostgresServer
from tests.reason.command import Outcome, start

pytestmark = pytest.mark.postgres

MODEL = "sim:error=0.1,flag=0.05,seed=4"
SLOW = MODEL + ",latency_ms=3"
TASK = {"name": "hanoi", "disks": 8, "start": 0, "goal": 2}
COMMAND = ["solve", "hanoi", "-n", "8", "--run-dir", "run", "--quiet", "-m"]

Command = Callable[..., Outcome]
Rows = list[tuple[StepRow, bytes]]


@pytest.fixture
def reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process; only what is to be killed has to have one of its own."""

    def run(*arguments: str, **env: str) -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", ["reason", *arguments])
            for name, value in env.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        out, err = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), out, err)

    return run


def steps(run: Path) -> Rows:
    with open_run(run).journal(readonly=True) as journal:
        return [(row._replace(), digest) for row, digest in journal.rows()]


def server_of(run: Path) -> Server:
    server = open_run(run).server
    assert server is not None
    return server


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The rows of a run in SQLite that nobody disturbed."""
    run = tmp_path_factory.mktemp("untouched") / "run"
    asyncio.run(api.solve(TASK, run, model=[MODEL]))
    return steps(run)


def test_one_url_moves_journal_and_checkpoints_and_every_command_finds_them(
    postgres: PostgresServer, untouched: Rows, reason: Command
) -> None:
    Path("reason.toml").write_text(f'journal_url = "{postgres.url}"\n', encoding="utf-8")
    assert reason(*COMMAND, MODEL, "--budget-tokens", "6000").code == 3
    Path("reason.toml").unlink()
    assert sorted(file.name for file in Path("run").iterdir()) == [
        "run.json",
        "run.lock",
        "summary.json",
    ]
    kept = steps(Path("run"))
    assert 0 < len(kept) < len(untouched)
    assert reason("runs", "resume", "run", "--budget-tokens", "10000000", "-q").code == 0
    assert steps(Path("run")) == untouched
    shown = reason("runs", "show", "run", "--json").data
    assert shown["journal"] == str(server_of(Path("run")))
    assert (shown["step"], shown["totals"]["steps"]) == (255, 255)
    assert reason("runs", "verify", "run", "--json").data["ok"]
    assert reason("eval", "hanoi", *COMMAND[2:], MODEL).code == 0
    report = json.loads(Path("run/report.json").read_text(encoding="utf-8"))
    assert report["steps"] == 255
    assert checkpoints(postgres, Path("run")) > 0
    assert reason("runs", "prune", "run").code == 0
    assert checkpoints(postgres, Path("run")) == 0
    assert steps(Path("run")) == untouched


def checkpoints(postgres: PostgresServer, run: Path) -> int:
    with psycopg.connect(postgres.url) as db:
        sql = "SELECT count(*) FROM reason.checkpoints WHERE thread_id = %s"
        row = db.execute(sql, (server_of(run).schema,)).fetchone()
    assert row is not None
    return int(row[0])


def test_another_url_than_the_runs_is_refused(postgres: PostgresServer, reason: Command) -> None:
    url = ["--journal-url", postgres.url]
    assert reason(*COMMAND, MODEL, *url, "--budget-tokens", "500").code == 3
    assert reason(*COMMAND, MODEL, *url, "--budget-tokens", "500").code == 3
    other = ["--journal-url", postgres.url_of(database="other")]
    assert "--journal-url differs from the run's" in reason(*COMMAND, MODEL, *other).complaint


@pytest.mark.parametrize("point", ["inside-create", "inside-commit:41", "after-commit:99"])
def test_a_run_killed_at_a_named_point_ends_like_an_untouched_one(
    postgres: PostgresServer, untouched: Rows, reason: Command, point: str
) -> None:
    command = [*COMMAND, MODEL, "--journal-url", postgres.url]
    child = start(command, env={"REASON_KILL_AT": point})
    child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL
    assert reason(*command).code == 0
    assert steps(Path("run")) == untouched


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["none", "draft"])
def test_kills_at_random_lose_repeat_and_change_nothing(
    postgres: PostgresServer, untouched: Rows, reason: Command, mode: str
) -> None:
    rng, kills, patience = random.Random(mode), 0, 0.6
    command = [*COMMAND, SLOW, "--journal-url", postgres.url, "--speculate", mode, "--window", "8"]
    while kills < 6:  # the first of them before a quick machine has begun
        child = start(command)
        try:
            child.communicate(timeout=patience * rng.uniform(0.8, 1.6))
            assert child.returncode == 0
            break
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        kills, patience = kills + 1, patience * 1.2
    assert kills
    assert reason(*command).code == 0
    assert [(row[:7], digest) for row, digest in steps(Path("run"))] == [
        (row[:7], digest) for row, digest in untouched
    ]


async def step_of(run: Path) -> int:
    """How far a run has come, read as any other process would; 0 while that cannot be told."""
    try:
        with open_run(run).journal(readonly=True) as journal:
            return journal.head().step
    except Exception:
        return 0


async def solve(postgres: PostgresServer, model: str, run: str = "run") -> Summary:
    return await api.solve(TASK, run, model=[model], journal_url=postgres.url)


async def until_under_way(work: "asyncio.Task[Any]") -> None:
    while await step_of(Path("run")) < 20:
        assert not work.done(), work.exception()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", ["kill", "restart"])
async def test_a_server_that_breaks_down_for_a_moment_is_waited_for(
    postgres: PostgresServer, untouched: Rows, fault: str
) -> None:
    work = asyncio.create_task(solve(postgres, SLOW))
    await until_under_way(work)
    if fault == "kill":
        for pid in postgres.backends():
            os.kill(pid, signal.SIGKILL)
    else:
        await asyncio.to_thread(postgres.restart)
    # A checkpoint that was on its way is not sent twice: then the run is to be resumed.
    with contextlib.suppress(StorageError):
        await work
    postgres.await_ready()
    assert (await solve(postgres, SLOW)).status == "solved"
    assert [(row[:7], h) for row, h in steps(Path("run"))] == [(row[:7], h) for row, h in untouched]


async def test_a_server_that_stays_away_ends_the_run_resumably(
    postgres: PostgresServer, untouched: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runs.postgres.RETRY_SECONDS", 0.5)
    monkeypatch.setattr("reason.checkpoints.PATIENCE_SECONDS", 3.0)
    work = asyncio.create_task(solve(postgres, SLOW))
    await until_under_way(work)
    await asyncio.to_thread(postgres.stop)
    try:
        with pytest.raises(StorageError, match="reason runs resume run") as caught:
            await work
        assert "\n" not in str(caught.value)
        with pytest.raises(StorageError, match="cannot reach"):
            await solve(postgres, SLOW)
    finally:
        postgres.start()
    assert (await solve(postgres, SLOW)).status == "solved"
    assert [(row[:7], h) for row, h in steps(Path("run"))] == [(row[:7], h) for row, h in untouched]


def test_what_is_wrong_with_a_url_is_said_before_a_run_is_made(
    postgres: PostgresServer, reason: Command
) -> None:
    def refused(url: str, **env: str) -> Outcome:
        done = reason(*COMMAND, "sim:", "--journal-url", url, **env)
        assert not Path("run").exists()
        assert done.complaint.isprintable()
        return done

    unreachable = refused("postgresql://somebody@127.0.0.1:1/db")
    assert unreachable.code == 4
    assert "cannot reach postgresql://somebody@127.0.0.1:1/db" in unreachable.complaint
    for url, text in (
        (postgres.url_of(database="nowhere"), 'database "nowhere" does not exist'),
        (postgres.url_of("nobody"), 'role "nobody" does not exist'),
        (postgres.url_of(GUARDED), "set PGPASSWORD"),
        (postgres.url + "?colour=red", "is no PostgreSQL URL"),
        ("mysql://me@host/db", "must be a URL such as postgresql://"),
    ):
        done = refused(url)
        assert (done.code, text in done.complaint) == (2, True), done.complaint
    assert "set PGPASSWORD" in refused(postgres.url_of(GUARDED), PGPASSWORD="wrong").complaint


@pytest.mark.parametrize("where", ["user:{}@127.0.0.1/db", "127.0.0.1/db?user=me&password={}"])
def test_a_password_in_a_url_is_refused_and_never_repeated(where: str, reason: Command) -> None:
    url = "postgresql://" + where.format("s3cr3t")
    done = reason(*COMMAND, "sim:", "--journal-url", url)
    assert done.code == 2
    assert "must hold no password" in done.complaint
    from_environment = reason("config", "show", REASON_JOURNAL_URL=url)
    assert from_environment.code == 2
    assert "s3cr3t" not in done.err + done.out + from_environment.err + from_environment.out


def test_a_password_is_taken_from_the_environment_and_saved_nowhere(
    postgres: PostgresServer, reason: Command
) -> None:
    postgres.sql(f"CREATE DATABASE vault OWNER {GUARDED}")
    url = postgres.url_of(GUARDED, "vault")
    secret = {"PGPASSWORD": PASSWORD, "REASON_JOURNAL_URL": url}
    assert reason(*COMMAND, MODEL, **secret).code == 0
    for file in Path("run").iterdir():
        assert PASSWORD not in file.read_text(encoding="utf-8")
    assert reason("runs", "show", "run", PGPASSWORD=PASSWORD).code == 0
    assert "set PGPASSWORD" in reason("runs", "show", "run").complaint


def test_a_journal_of_a_newer_version_is_refused(postgres: PostgresServer, reason: Command) -> None:
    command = [*COMMAND, MODEL, "--journal-url", postgres.url]
    assert reason(*command, "--budget-tokens", "500").code == 3
    schema = server_of(Path("run")).schema
    postgres.sql(f"UPDATE {schema}.meta SET value = '99' WHERE key = 'format'")
    for again in (command, ["runs", "verify", "run"]):
        done = reason(*again)
        assert done.code == 2
        assert "another format (99): open it with the version" in done.complaint


def test_without_the_extra_one_line_says_what_to_install() -> None:
    script = "import sys; sys.modules['psycopg'] = None; from reason.cli import main; main()"
    url = ["--journal-url", "postgresql://me@127.0.0.1/db"]
    done = subprocess.run(
        [sys.executable, "-c", script, *COMMAND, "sim:", *url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'reason[postgres]'" in done.stderr
    assert done.stderr.count("\n") == 1
