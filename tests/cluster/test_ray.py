"""Runs and questions over a real two-node Ray cluster: equal to local ones, whoever dies."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reason as api
from agents.retries import read_retries
from reason.errors import UsageError
from runs.journal import Journal
from tasks.hanoi.rehearsal import rehearse
from tests.cluster.two_nodes import TwoNodes, two_nodes
from tests.engines.fault_server import serving
from tests.reason.command import reason, start

pytest.importorskip("ray", reason="needs the ray extra")

MODEL = "sim:error=0.1,flag=0.05,seed=4"
SLOW = f"{MODEL},latency_ms=150"
DRAFT = ["--speculate", "draft", "--window", "8", "--quiet"]
RAY = ["--engine-cluster", "ray"]


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    with two_nodes() as cluster:
        yield cluster


def solve(run: str, model: str, disks: int = 8) -> list[str]:
    return ["solve", "hanoi", "-n", str(disks), "-m", model, "--run-dir", run, *DRAFT]


def steps(run: str) -> list[Any]:
    """Everything about the steps but their tokens and surplus."""
    with Journal(Path(run) / "journal.sqlite", readonly=True) as journal:
        return [(*row[:7], digest) for row, digest in journal.rows()]


def surplus(run: str) -> int:
    with Journal(Path(run) / "journal.sqlite", readonly=True) as journal:
        return journal.totals().surplus


def committed(run: str) -> int:
    try:
        with Journal(Path(run) / "journal.sqlite", readonly=True) as journal:
            return journal.head().step
    except Exception:  # not there yet
        return 0


def wait_for(what: Callable[[], object]) -> None:
    while not what():
        time.sleep(0.1)


def mid_run(nodes: TwoNodes, child: "subprocess.Popen[str]", step: int = 30) -> None:
    """Wait until both nodes have a part in a run that has come to a step."""
    wait_for(lambda: committed("run") >= step or child.poll() is not None)
    wait_for(lambda: nodes.actors() or child.poll() is not None)
    assert child.poll() is None, child.communicate()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The steps of a run on this machine alone."""
    run = str(tmp_path_factory.mktemp("local") / "run")
    assert reason(*solve(run, MODEL)).code == 0
    return steps(run)


def test_a_node_killed_mid_run_costs_no_step(nodes: TwoNodes, local: list[Any]) -> None:
    child = start([*solve("run", SLOW), *RAY], env=nodes.env)
    mid_run(nodes, child)
    nodes.kill_second()
    _, err = child.communicate(timeout=100)
    nodes.replace_second()
    assert (child.returncode, err) == (0, "")
    assert steps("run") == local
    assert reason("runs", "verify", "run").code == 0


def test_a_driver_killed_mid_run_leaves_a_run_that_goes_on_without_the_cluster(
    nodes: TwoNodes, local: list[Any]
) -> None:
    child = start([*solve("run", SLOW), *RAY], env=nodes.env)
    mid_run(nodes, child)
    child.kill()
    child.communicate()
    kept = steps("run")
    assert 30 <= len(kept) < len(local)
    assert kept == local[: len(kept)]
    assert reason("runs", "resume", "run", "--engine-cluster", "none", "--quiet").code == 0
    assert steps("run") == local
    wait_for(lambda: not nodes.actors())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_run_and_actors_and_charges_what_was_in_flight(
    nodes: TwoNodes, local: list[Any], number: signal.Signals
) -> None:
    child = start([*solve("run", SLOW), *RAY], env=nodes.env)
    mid_run(nodes, child)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert len(err.splitlines()) == 2, err  # that it was interrupted, and the way on
    kept = steps("run")
    assert kept == local[: len(kept)]
    assert surplus("run") > 0  # the chunks that were given up have told what they had asked for
    wait_for(lambda: not nodes.actors())
    assert reason("runs", "resume", "run", "--quiet", env=nodes.env).code == 0
    assert steps("run") == local


def rows(run: str) -> dict[str, Any]:
    found = [json.loads(line) for line in (Path(run) / "vote.jsonl").read_text().splitlines()]
    return {row.pop("id"): {**row, "seconds": 0} for row in found}


async def test_further_attempts_on_the_nodes_are_counted_with_the_run(nodes: TwoNodes) -> None:
    async with serving(lambda prompt: rehearse(prompt).right, *["500"] * 3) as server:
        command = [*solve("run", f"{server.url}#m", 4), "--style", "compact", *RAY]
        done = await asyncio.to_thread(reason, *command, env=nodes.env)
    assert done.code == 0, done.err
    with Journal(Path("run") / "journal.sqlite", readonly=True) as journal:
        assert read_retries(journal) == {"m": 3}


def test_questions_are_answered_as_on_one_machine(nodes: TwoNodes) -> None:
    ask = ["eval", "qa", "--data", "chains", "--limit", "60", "--strategy", "vote", "--quiet"]
    ask += ["-m", "sim:error=0.2,flag=0.1,latency_ms=30,seed=3", "--run-dir"]
    assert reason(*ask, "alone").code == 0
    spread = reason(*ask, "spread", *RAY, env=nodes.env)
    assert (spread.code, spread.err) == (0, "")
    assert rows("spread") == rows("alone")
    assert len(rows("alone")) == 60


def test_a_node_killed_while_it_answers_questions_costs_none(nodes: TwoNodes) -> None:
    ask = ["eval", "qa", "--data", "chains", "--limit", "120", "--strategy", "vote", "--quiet"]
    ask += ["-m", "sim:error=0.2,flag=0.1,latency_ms=200,seed=3", "--run-dir", "run", *RAY]
    answers = Path("run") / "vote.jsonl"
    child = start(ask, env=nodes.env)
    wait_for(lambda: nodes.actors() and answers.is_file() and answers.read_text().count("\n") > 20)
    nodes.kill_second()
    _, err = child.communicate(timeout=100)
    nodes.replace_second()
    assert (child.returncode, err) == (0, "")
    assert answers.read_text().count("\n") == len(rows("run")) == 120


ROLLOUTS = """
import asyncio, dataclasses, json, sys
from agents.questions.desk import Manner
from engines.options import EngineOptions
from reason.rollouts import SpreadRollouts, open_rollouts
from tasks.chains.rehearsal import rehearse
from training.decomposer.rows import numbered
from training.decomposer.sources import chain_rows

async def tried(rollouts):
    rows = [dataclasses.replace(row, first=await rollouts.first(row)) for row in chain_rows(12, 3)]
    runs = [rollouts.run(row, numbered(row.subquestions)) for row in rows]
    done = await asyncio.gather(*runs)
    await rollouts.close()
    return [row.first for row in rows], [dataclasses.asdict(rollout) for rollout in done]

how = "sim:error=0.2,flag=0.1,seed=3", Manner(), EngineOptions(rehearse=rehearse)
alone = asyncio.run(tried(open_rollouts(*how)))
spread = asyncio.run(tried(SpreadRollouts(*how)))
print(json.dumps([len(alone[1]), alone == spread]))
"""


def test_rollouts_of_a_training_are_those_of_one_machine(nodes: TwoNodes) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROLLOUTS],
        env={**os.environ, **nodes.env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[12, true]\n", "")


def test_a_cluster_is_started_on_this_machine() -> None:
    outcome = reason(*solve("run", "sim", disks=5), *RAY, env={"RAY_ADDRESS": "local"})
    assert (outcome.code, outcome.err) == (0, "")
    assert len(steps("run")) == 31


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("127.0.0.1:9", 4, "no Ray cluster answers at RAY_ADDRESS=127.0.0.1:9"),
        ("ray://127.0.0.1:9", 2, "RAY_ADDRESS must be HOST:PORT"),
        ("nonsense", 2, "RAY_ADDRESS must be HOST:PORT"),
    ],
)
def test_a_bad_address_is_one_line(address: str, code: int, told: str) -> None:
    outcome = reason(*solve("run", "sim", disks=5), *RAY, env={"RAY_ADDRESS": address})
    assert outcome.code == code
    assert told in outcome.complaint


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.connection.importlib.util.find_spec", lambda name: None)
    task = {"name": "hanoi", "disks": 3}
    with pytest.raises(UsageError, match=r"pip install 'reason\[ray\]'"):
        asyncio.run(api.solve(task, Path("run"), model=["sim"], engine_cluster="ray"))
    assert not Path("run").exists()
