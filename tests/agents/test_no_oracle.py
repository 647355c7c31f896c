"""While a run is being solved nobody may ask what is right: neither ``check`` nor ``trials``."""

import asyncio
from pathlib import Path
from typing import Any, Literal

import pytest

from agents.budget import Budget, Limits
from agents.executor import Executor
from agents.microagent import Microagent
from agents.pipeline import Pipeline, TaskDraft
from agents.policy import VotePolicy
from agents.spending import Spending
from agents.status import RunStatus
from engines.simulated import SimulatedModel
from runs.journal import Journal
from tasks.base import Record
from tasks.catalog import build_task

PROBLEMS: list[dict[str, Any]] = [
    {"name": "hanoi", "disks": 5},
    {"name": "multiplication", "a": 9876, "b": 543},
    {"name": "sorting", "numbers": "9,8,7,1,2,3"},
    {"name": "arithmetic", "length": 30},
]


class Blindfold:
    """A task whose ground truth is out of reach."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        if name in ("check", "trials"):
            raise AssertionError(f"{name} was asked for while solving")
        return getattr(self._task, name)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem["name"])
@pytest.mark.parametrize("mode", ["none", "self", "draft"])
async def test_a_run_is_solved_without_its_oracle(
    problem: dict[str, Any], mode: Literal["none", "self", "draft"], tmp_path: Path
) -> None:
    real = build_task(problem, "paper")
    task: Any = Blindfold(real)
    engine = SimulatedModel("sim", real.rehearse, error=0.05, flag=0.05)
    spending = Spending([engine])
    policy = VotePolicy(k=5, check_transitions=True, max_tokens=300)
    agent = Microagent(task, [engine], policy, spending)
    drafts = {"none": Pipeline(agent), "self": Pipeline(agent, 8)}
    pipeline = drafts.get(mode) or Pipeline(agent, 8, TaskDraft(task))
    with Journal(tmp_path / "journal.sqlite", bytes(32)) as journal:
        budget = Budget(Limits(), spending)
        executor = Executor(task, pipeline, journal, budget, RunStatus(), rollback=2)
        async with asyncio.timeout(60):
            while not await executor.run_chunk(1000, 60):
                pass
        records = [Record(row.action, row.state) for row, _ in journal.rows()]
    assert real.check(records).ok
