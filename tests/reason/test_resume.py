"""Runs against SIGKILL: whatever the instant, the finished journal is that of an untouched run."""

import asyncio
import random
import signal
import subprocess
from pathlib import Path

import pytest

from runs.journal import Journal, StepRow
from tasks.hanoi.rehearsal import rehearse
from tests.engines.fault_server import serving
from tests.reason.command import reason, start

MODEL = "sim:error=0.1,flag=0.05,seed=4"
COMMAND = ["solve", "hanoi", "-n", "9", "-m", MODEL, "--run-dir", "run", "--quiet"]


def steps(run: Path) -> list[tuple[StepRow, bytes]]:
    with Journal(run / "journal.sqlite", readonly=True) as journal:
        return list(journal.rows())


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[StepRow, bytes]]:
    """The rows of a run that nobody disturbed."""
    run = tmp_path_factory.mktemp("untouched") / "run"
    arguments = ["solve", "hanoi", "-n", "9", "-m", MODEL, "--run-dir", str(run), "--quiet"]
    assert reason(*arguments).code == 0
    return steps(run)


def killed_at(point: str) -> None:
    child = start(COMMAND, env={"REASON_KILL_AT": point})
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "point",
    [
        "inside-create",
        "before-rename",
        "before-begin:1",
        "before-begin:40",
        "inside-commit:41",
        "after-commit:99",
    ],
)
def test_a_run_killed_at_a_named_point_ends_like_an_untouched_one(
    point: str, untouched: list[tuple[StepRow, bytes]]
) -> None:
    killed_at(point)
    kept = steps(Path("run")) if "begin" in point or "commit" in point else []
    assert kept == untouched[: len(kept)]
    assert reason(*COMMAND).code == 0
    assert steps(Path("run")) == untouched


def finish_under_fire(run: Path, command: list[str], rng: random.Random) -> int:
    """Run ``command`` to its end, killing it at random instants and points; returns the kills.

    After every kill: the steps kept are a prefix of the same chain, and totals have not fallen.
    """
    kills, tokens, kept, patience = 0, 0, 0, 1.0
    while True:
        point = rng.choice(
            ["", "", "journal-open", "before-rename", "before-begin:9", "inside-commit:7"]
        )
        child = start(command, env={"REASON_KILL_AT": point} if point else None)
        try:
            child.wait(timeout=patience * rng.uniform(0.8, 1.9))
        except subprocess.TimeoutExpired:
            child.kill()
        child.communicate()
        assert child.returncode in (0, -signal.SIGKILL)
        kills += child.returncode != 0
        if not (run / "journal.sqlite").exists():
            patience *= 1.15
            assert kills < 100, "no session lives to make a journal"
            continue
        with Journal(run / "journal.sqlite", readonly=True) as journal:
            totals, step = journal.totals(), journal.head().step
        assert totals.prompt_tokens >= tokens
        assert totals.steps == step >= kept
        # A session that did not get as far as a step says how slow this machine is just now.
        patience = patience * 1.15 if step == kept else 1.0
        tokens, kept = totals.prompt_tokens, step
        if child.returncode == 0:
            return kills
        assert kills < 100, "the run makes no progress"


KILLS_PER_SHARD = 50


@pytest.mark.parametrize("shard", range(3))
@pytest.mark.timeout(900)
def test_fifty_kills_lose_repeat_and_change_nothing(shard: int, tmp_path: Path) -> None:
    """Runs on a slow simulated model, speculating or not, killed until fifty kills are done."""
    rng, kills, at = random.Random(shard), 0, 0
    mode = ["none", "self", "draft"][shard]
    options = ["--speculate", mode, "--window", "8", "--quiet"]
    base = ["solve", "hanoi", "-n", "8", *options, "--run-dir"]
    plain = tmp_path / "plain"
    assert reason(*base, str(plain), "-m", MODEL).code == 0
    while kills < KILLS_PER_SHARD:
        at += 1
        run = tmp_path / f"run{at}"
        slow = MODEL + ",latency_ms=2"
        kills += finish_under_fire(run, [*base, str(run), "-m", slow], rng)
        assert [(row[:7], h) for row, h in steps(run)] == [(row[:7], h) for row, h in steps(plain)]
    assert reason("runs", "verify", str(run)).code == 0


FAULTS = ["500", "429=after:0.01", "reset", "truncated", "empty", "duplicated", "fewer", "html"]


@pytest.mark.timeout(900)
async def test_fifty_kills_on_a_server_that_fails(tmp_path: Path) -> None:
    """The same against a real server on loopback that fails every twentieth request."""
    rng, kills, at = random.Random(9), 0, 0
    async with serving(lambda prompt: rehearse(prompt).right) as server:
        while kills < KILLS_PER_SHARD:
            at += 1
            run = tmp_path / f"run{at}"
            server.faults = [rng.choice(FAULTS) if rng.random() < 0.05 else "" for _ in range(9999)]
            model = ["-m", f"{server.url}#m", "--style", "compact", "--quiet"]
            command = ["solve", "hanoi", "-n", "9", *model, "--run-dir", str(run)]
            kills += await asyncio.to_thread(finish_under_fire, run, command, rng)
            verdict = await asyncio.to_thread(reason, "runs", "verify", str(run))
            assert verdict.code == 0, verdict.err
