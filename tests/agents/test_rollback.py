"""Dead ends: taking steps back, within bounds, and going on as if they had never been."""

from pathlib import Path

import pytest

from agents.budget import Budget, Limits
from agents.executor import ROLLBACKS, Executor
from agents.microagent import Microagent
from agents.pipeline import Pipeline, TaskDraft
from agents.policy import VotePolicy
from agents.spending import Spending
from agents.status import RunStatus
from engines.base import Request, Sample
from reason.errors import NoConvergence
from runs.journal import Journal
from runs.verify import verified_records
from tasks.base import Record
from tasks.hanoi.rehearsal import rehearse
from tasks.hanoi.rules import optimal_pegs
from tasks.hanoi.task import Hanoi, State
from tests.runs.material import GENESIS

TASK = Hanoi(4)
ON_PATH = {optimal_pegs(step, 4) for step in range(16)}


class Trap:
    """Errs at one state, legally, until a step's draws number ``escape``; lost off the path."""

    spec = model = "trap"
    price: tuple[float, float] | None = (0.0, 0.0)

    def __init__(self, fork: int, escape: int) -> None:
        self._fork_pegs, self._escape = optimal_pegs(fork, 4), escape

    async def sample(self, request: Request) -> list[Sample]:
        asked = rehearse(request.prompt)
        if asked._pegs not in ON_PATH:
            text = "nothing comes to mind"
        elif asked._pegs == self._fork_pegs and request.first < self._escape:
            text = next(wrong for wrong in asked.wrong if self._leads_astray(wrong, asked._pegs))
        else:
            text = asked.right
        return [Sample(text, "stop", 1, 1, self.model) for _ in request.temperatures]

    def _leads_astray(self, text: str, pegs: object) -> bool:
        state, step = State(pegs, None), TASK.parse(text)  # type: ignore[arg-type]
        return not TASK.objection(state, step) and step.pegs not in ON_PATH

    async def close(self) -> None: ...


def executor(journal: Journal, engine: Trap, rollback: int, window: int) -> Executor:
    spending = Spending([engine])
    policy = VotePolicy(max_tokens=80, max_votes=20, check_transitions=True)
    agent = Microagent(TASK, [engine], policy, spending)
    pipeline = Pipeline(agent, window, TaskDraft(TASK) if window > 1 else None)
    return Executor(
        TASK, pipeline, journal, Budget(Limits(), spending), RunStatus(), rollback=rollback
    )


@pytest.mark.parametrize("window", [1, 4])
async def test_a_dead_end_is_left_by_the_way_it_was_entered(window: int, tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", GENESIS) as journal:
        work = executor(journal, Trap(fork=6, escape=20), 2, window)
        assert await work.run_chunk(100, 60)
        assert int(journal.get_meta("rolled_back") or 0) >= 1
        totals = journal.totals()
        assert totals.steps == journal.head().step == 15
        assert totals.votes > 15 * 3
        records = (Record(*record) for record in verified_records(journal, GENESIS))
        assert TASK.check(records).ok


async def test_without_rollback_the_run_stops_there(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", GENESIS) as journal:
        with pytest.raises(NoConvergence):
            await executor(journal, Trap(fork=6, escape=20), 0, 1).run_chunk(100, 60)
        assert journal.head().step == 7


async def test_attempts_are_bounded(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", GENESIS) as journal:
        work = executor(journal, Trap(fork=6, escape=10**9), 1, 1)
        with pytest.raises(NoConvergence):
            await work.run_chunk(1000, 60)
        assert work.pipeline.agent.first_draw == ROLLBACKS * 20
        again = executor(journal, Trap(fork=6, escape=10**9), 1, 1)
        assert again.pipeline.agent.first_draw == ROLLBACKS * 20  # it repeats no vote
        records = list(verified_records(journal, GENESIS))
        assert len(records) == journal.head().step


async def test_a_later_dead_end_has_all_attempts_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", GENESIS) as journal:
        work = executor(journal, Trap(fork=6, escape=20), 2, 1)
        work._tries, work._furthest = ROLLBACKS, 2  # all were needed once, further back
        assert await work.run_chunk(100, 60)
