"""Counts of runs: what ``/metrics`` says of real runs is what their journals hold."""

import asyncio
import json
import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runs.store import RunDir, open_run
from serving.gate import Gate
from serving.metrics import LONGEST, MODELS, OTHERS, VOTES, Metrics
from tasks.hanoi.rehearsal import rehearse
from tests.engines.fault_server import serving as fault_serving
from tests.postgres import PostgresServer
from tests.reason.command import reason
from tests.serving.material import process, samples

Counts = dict[str, float]


def ask(url: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(sent, timeout=60) as response:
        return json.load(response)


def read_counts(url: str) -> Counts:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as response:
        return samples(response.read().decode())


def wait(url: str, met: Callable[[Counts], bool]) -> Counts:
    """The counts, once they are as they should be."""
    end = time.monotonic() + 60
    while not met(counts := read_counts(url)):
        assert time.monotonic() < end, counts
        time.sleep(0.05)
    return counts


def ended(url: str, status: str, times: int = 1) -> Counts:
    name = f'reason_runs_total{{status="{status}",task="hanoi"}}'
    return wait(url, lambda counts: counts.get(name) == times)


def start(url: str, disks: int, **options: Any) -> None:
    task = {"name": "hanoi", "disks": disks}
    ask(url, "/api/runs", {"task": task, "options": options, "name": "mine"})


def run_count(counts: Counts, name: str) -> float:
    return counts[f'reason_run_{name}{{task="hanoi"}}']


def agrees(counts: Counts, run: RunDir, past: int = 0) -> None:
    """Hold the counts to all steps after ``past`` of a run that was not there before."""
    with run.journal(readonly=True) as journal:
        rows, totals = [row for row, _ in journal.rows(past + 1)], journal.totals()
        (usage,) = journal.usage()
    assert run_count(counts, "steps_total") == len(rows) > 0
    assert run_count(counts, "votes_per_step_count") == len(rows)
    assert run_count(counts, "votes_per_step_sum") == sum(row.votes for row in rows)
    for bound in VOTES:
        bucket = f'reason_run_votes_per_step_bucket{{le="{bound:.1f}",task="hanoi"}}'
        assert counts[bucket] == sum(row.votes <= bound for row in rows)
    if past:
        return
    for name in ("votes", "surplus_votes", "red_flags", "working_seconds"):
        field = {"surplus_votes": "surplus", "red_flags": "flagged", "working_seconds": "seconds"}
        kept = getattr(totals, field.get(name, name))
        assert run_count(counts, f"{name}_total") == pytest.approx(kept)
    model = f'model="{usage.model}"'
    for way, kept in (("prompt", usage.prompt_tokens), ("completion", usage.completion_tokens)):
        assert counts[f'reason_tokens_total{{direction="{way}",{model}}}'] == kept
    assert counts[f"reason_cost_usd_total{{{model}}}"] == pytest.approx(usage.cost_usd)


@pytest.mark.parametrize("storage", ["file", "server"])
def test_counts_are_the_journals_over_a_cancelled_and_resumed_run(
    storage: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if storage == "server":
        server: PostgresServer = request.getfixturevalue("postgres")
        monkeypatch.setenv("REASON_JOURNAL_URL", server.url)
    with process("--model", "sim") as (url, _):
        start(
            url,
            6,
            model=["sim:error=0.2,flag=0.1,latency_ms=15,seed=5"],
            k=3,
            max_votes=4,
            on_no_convergence="plurality",
        )
        assert wait(url, lambda counts: counts["reason_runs_in_flight"] == 1)
        while ask(url, "/api/runs/mine")["item"]["steps"] < 5:
            time.sleep(0.02)
        ask(url, "/api/runs/mine/cancel", {})
        counts = ended(url, "interrupted")
        run = open_run(Path("reason-runs/mine"))
        agrees(counts, run)
        assert run_count(counts, "steps_total") < 63
        wait(url, lambda counts: counts["reason_runs_in_flight"] == 0)
        ask(url, "/api/runs/mine/resume", {})
        counts = wait(url, lambda counts: sum(ends(counts).values()) == 2)
    agrees(counts, run)
    assert run_count(counts, "steps_total") == 63
    with run.journal(readonly=True) as journal:
        marks = Counter(row.tally[0] for row, _ in journal.rows())
    undecided = counts['reason_run_undecided_steps_total{outcome="plurality",task="hanoi"}']
    assert undecided == marks["p"] > 0


def ends(counts: Counts) -> Counts:
    return {name: value for name, value in counts.items() if name.startswith("reason_runs_total")}


def test_what_a_run_had_done_before_is_not_counted() -> None:
    command = ("solve", "hanoi", "-n", "6", "-m", "sim", "--budget-tokens", "1500", "--quiet")
    assert reason(*command, "--run-dir", "reason-runs/mine").code == 3
    run = open_run(Path("reason-runs/mine"))
    with run.journal(readonly=True) as journal:
        past = journal.head().step
    assert past > 0
    with process("--model", "sim") as (url, _):
        ask(url, "/api/runs/mine/resume", {"budget_tokens": 10**6})
        agrees(ended(url, "solved"), run, past)


def test_what_a_killed_process_had_committed_is_counted() -> None:
    with process("--model", "sim") as (url, child):
        start(url, 10, model=["sim:latency_ms=15"])
        while ask(url, "/api/runs/mine")["item"]["steps"] < 5:
            time.sleep(0.02)
        os.kill(int(Path("reason-runs/mine/run.pid").read_text().split()[0]), signal.SIGKILL)
        agrees(ended(url, "failed"), open_run(Path("reason-runs/mine")))
        assert child.poll() is None


async def test_retries_and_dollars_of_a_run() -> None:

    def work(url: str, model: str) -> Counts:
        start(url, 3, model=[model], style="compact", k=2, prices={"m": [1.0, 2.0]})
        return ended(url, "solved")

    faults = ("503", "429=after:0", "", "503")
    async with fault_serving(lambda prompt: rehearse(prompt).right, *faults) as server:
        with process("--model", "sim") as (url, _):
            counts = await asyncio.to_thread(work, url, f"{server.url}#m")
    agrees(counts, open_run(Path("reason-runs/mine")))
    assert counts['reason_retries_total{model="m"}'] == 3
    assert counts['reason_cost_usd_total{model="m"}'] > 0


def test_models_without_end_get_no_labels_without_end() -> None:
    metrics = Metrics(Gate(1, 1))
    for number in range(3 * MODELS):
        metrics.spent(f"model {number} {'x' * 10**4}", 1, 1, 0.5)
        metrics.retried(f"model {number} {'x' * 10**4}")
    families = {family.name: family.samples for family in metrics.registry.collect()}
    for name in ("reason_tokens", "reason_cost_usd", "reason_retries"):
        found = {sample.labels["model"] for sample in families[name]}
        assert len(found) == MODELS + 1
        assert OTHERS in found
        assert max(map(len, found)) <= LONGEST
    (dollars,) = [
        sample.value
        for sample in families["reason_cost_usd"]
        if sample.labels["model"] == OTHERS and sample.name.endswith("_total")
    ]
    assert dollars == MODELS  # two hundred of the three
