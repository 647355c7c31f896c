"""Runs against SIGKILL: whatever the instant, the finished journal is that of an untouched run."""

import random
import signal
import subprocess
from pathlib import Path

import pytest

from runs.journal import Journal, StepRow
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
    ["inside-create", "before-begin:1", "before-begin:40", "inside-commit:41", "after-commit:99"],
)
def test_a_run_killed_at_a_named_point_ends_like_an_untouched_one(
    point: str, untouched: list[tuple[StepRow, bytes]]
) -> None:
    killed_at(point)
    kept = steps(Path("run")) if point != "inside-create" else []
    assert kept == untouched[: len(kept)]
    assert reason(*COMMAND).code == 0
    assert steps(Path("run")) == untouched


def test_many_random_kills_lose_repeat_and_change_nothing(
    untouched: list[tuple[StepRow, bytes]],
) -> None:
    rng, kills, tokens = random.Random(5), 0, 0
    while True:
        child = start(COMMAND)
        try:
            child.wait(timeout=rng.uniform(1.0, 1.7))
        except subprocess.TimeoutExpired:
            child.kill()
            kills += 1
        child.communicate()
        if not (Path("run") / "journal.sqlite").exists():
            continue
        kept = steps(Path("run"))
        assert kept == untouched[: len(kept)]
        with Journal(Path("run/journal.sqlite"), readonly=True) as journal:
            totals = journal.totals()
        assert totals.prompt_tokens >= tokens
        tokens = totals.prompt_tokens
        if child.returncode == 0:
            break
        assert kills < 40
    assert steps(Path("run")) == untouched
    assert reason("runs", "verify", "run").code == 0
