"""The promise of voting, measured: what k buys on an unreliable simulated model."""

import json
from pathlib import Path
from typing import Any

import pytest

import reason
from agents.theory import expected_votes, k_min
from engines.base import Request, Sample
from engines.simulated import SimulatedModel
from reason.errors import EngineError
from runs.store import open_run


async def test_auto_k_meets_its_target_over_a_hundred_runs_at_the_price_of_theory(
    tmp_path: Path,
) -> None:
    task = {"name": "hanoi", "disks": 10}
    wins = votes = 0
    for seed in range(100):
        model = [f"sim:error=0.15,seed={seed}"]
        path = tmp_path / str(seed)
        summary = await reason.solve(task, path, model=model, k="auto", target=0.99)
        wins += summary.verified
        votes += summary.votes
    assert wins >= 97  # 99 expected at least; three standard deviations are three runs
    k = k_min(0.85, 1023, 0.99)
    assert k is not None
    assert votes / 100 <= 1.1 * 1023 * expected_votes(0.85, k)


async def test_a_stopped_run_keeps_what_its_pilot_knew(tmp_path: Path) -> None:
    task, path = {"name": "hanoi", "disks": 10}, tmp_path / "run"
    options: dict[str, Any] = {"model": ["sim:error=0.15"], "k": "auto"}
    stopped = await reason.solve(task, path, **options, budget_tokens=50_000)
    assert stopped.status == "budget"
    run = open_run(path)
    with run.journal(readonly=True) as journal:
        before = json.loads(journal.get_meta("pilot") or "")
    run.write_config({**run.config, "options": {**run.config["options"], "budget_tokens": None}})
    assert (await reason.solve(task, path)).status == "solved"
    with run.journal(readonly=True) as journal:
        after = json.loads(journal.get_meta("pilot") or "")
    assert after["changes"][: len(before["changes"])] == before["changes"]
    assert after["right"] > before["right"]


async def test_a_run_stopped_often_steers_as_an_untouched_one(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 8}
    options: dict[str, Any] = {"model": ["sim:error=0.15,seed=3"], "k": "auto"}
    whole = await reason.solve(task, tmp_path / "whole", **options)
    limit, path = 15_000, tmp_path / "run"
    summary = await reason.solve(task, path, **options, budget_tokens=limit)
    stops = 0
    while summary.status == "budget":
        limit, stops, run = limit + 1500, stops + 1, open_run(path)
        saved = {**run.config["options"], "budget_tokens": limit}
        run.write_config({**run.config, "options": saved})
        summary = await reason.solve(task, path)
    assert stops > 3
    changes = []
    for folder in ("whole", "run"):
        with open_run(tmp_path / folder).journal(readonly=True) as journal:
            changes.append(json.loads(journal.get_meta("pilot") or "")["changes"])
    assert changes[0] == changes[1]
    assert (summary.votes, summary.hash) == (whole.votes, whole.hash)


MEASURED_FIRST = [
    {"model": ["sim:error=0.1"], "k": "auto"},
    {"model": ["sim:error=0.1", "sim:error=0.1,seed=2"], "vote": "likelihood"},
]


@pytest.mark.parametrize("options", MEASURED_FIRST)
async def test_measuring_keeps_to_the_budget_and_is_paid_for_once(
    options: dict[str, Any], tmp_path: Path
) -> None:
    task, path = {"name": "hanoi", "disks": 8}, tmp_path / "run"
    first = await reason.solve(task, path, **options, budget_tokens=1000)
    again = await reason.solve(task, path)
    assert first.status == again.status == "budget"
    assert 1000 <= first.tokens.prompt + first.tokens.completion < 6000  # 64 answers in flight
    assert again.tokens == first.tokens


@pytest.mark.parametrize("options", MEASURED_FIRST)
async def test_a_measurement_that_fails_is_charged_all_the_same(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, answers, spent = SimulatedModel.sample, 0, 0

    async def failing(self: SimulatedModel, request: Request) -> list[Sample]:
        nonlocal answers, spent
        if answers == 300:
            raise EngineError("down")
        drawn = await answer(self, request)
        answers += 1
        spent += sum(sample.prompt_tokens + sample.completion_tokens for sample in drawn)
        return drawn

    monkeypatch.setattr(SimulatedModel, "sample", failing)
    summary = await reason.solve({"name": "hanoi", "disks": 8}, tmp_path / "run", **options)
    assert summary.status == "engine_error"
    assert summary.tokens.prompt + summary.tokens.completion == spent > 0


async def test_one_vote_usually_fails(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 10}
    outcomes = [
        await reason.solve(task, tmp_path / str(seed), model=[f"sim:error=0.1,seed={seed}"], k=1)
        for seed in range(10)
    ]
    assert [summary.status for summary in outcomes] == ["wrong"] * 10


async def test_equal_solutions_end_in_equal_hashes(tmp_path: Path) -> None:
    task = {"name": "hanoi", "disks": 7}
    first = await reason.solve(task, tmp_path / "a", model=["sim:error=0.1"], k=6)
    second = await reason.solve(task, tmp_path / "b", model=["sim"], k=1, vote="first-to-k")
    assert first.status == second.status == "solved"
    assert first.hash == second.hash
