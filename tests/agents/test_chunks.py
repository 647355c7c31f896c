"""Chunks done by others commit what one step at a time commits, whoever is lost on the way."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.budget import Budget, Limits
from agents.chunks import Chunk, ChunkPipeline, Worked, work
from agents.executor import Executor
from agents.microagent import Microagent
from agents.pipeline import Pipeline, TaskDraft
from agents.policy import VotePolicy
from agents.spending import Spending
from agents.status import RunStatus
from engines.simulated import SimulatedModel
from reason.errors import EngineError, NoConvergence, ReasonError
from runs.journal import Journal
from tasks.base import Task
from tasks.catalog import build_task

TASK: dict[str, Any] = {"name": "hanoi", "disks": 6}


class Errand:
    """A chunk done in this process, late; some are lost and done again, some fail."""

    def __init__(self, crew: "Crew", chunk: Chunk) -> None:
        self.crew, self.chunk = crew, chunk
        self._work: asyncio.Task[Worked] | None = None
        self._stopped = False
        self.reply: asyncio.Future[Worked | None] = asyncio.ensure_future(self._run())

    async def _run(self) -> Worked | None:
        rng = self.crew.rng
        for _ in range(rng.randrange(5)):
            await asyncio.sleep(0)
        if self._stopped:
            return None
        if rng.random() < self.crew.lost:
            await self.crew.do(self.chunk)  # whoever did it is lost with all that came of it
        if rng.random() < self.crew.failing:
            return Worked([], [], error=EngineError("this machine's server is down"))
        self._work = asyncio.ensure_future(self.crew.do(self.chunk))
        return await self._work

    def stop(self) -> None:
        self._stopped = True
        if self._work is not None:
            self._work.cancel()


class Crew:
    """See :class:`Errand`."""

    width = 5

    def __init__(
        self, task: Task, model: SimulatedModel, seed: int, lost: float, failing: float = 0.0
    ) -> None:
        self.task, self.model, self.rng = task, model, random.Random(seed)
        self.lost, self.failing = lost, failing

    async def do(self, chunk: Chunk) -> Worked:
        spending = Spending([self.model])
        check = Budget(chunk.limits, spending).check
        agent = Microagent(self.task, [self.model], chunk.policy, spending, check)
        agent.first_draw = chunk.first_draw
        return await work(chunk, Pipeline(agent, 4, TaskDraft(self.task)))

    def send(self, item: Chunk) -> Errand:
        return Errand(self, item)


def rows(journal: Journal) -> list[Any]:
    return [(*row[:7], digest) for row, digest in journal.rows()]


async def run(
    folder: Path, model: SimulatedModel, crew: Crew | None, steps: int | None, **how: Any
) -> tuple[list[Any], ReasonError | None, Executor]:
    """A run to its end, however it ends."""
    task = build_task(TASK, "compact")
    spending = Spending([model])
    budget = Budget(how.pop("limits", Limits()), spending)
    rollback = how.pop("rollback", 0)
    agent = Microagent(task, [model], VotePolicy(**how), spending, budget.check)
    pipeline = Pipeline(agent) if crew is None else ChunkPipeline(agent, crew, budget, steps)
    with Journal(folder / "journal.sqlite", bytes(32)) as journal:
        executor = Executor(task, pipeline, journal, budget, RunStatus(), rollback)
        error = None
        try:
            while not await executor.run_chunk(17, 60):
                pass
        except ReasonError as failure:
            error = failure
        if isinstance(pipeline, ChunkPipeline):
            await pipeline.close()
            executor.charge()
        return rows(journal), error, executor


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    error=st.sampled_from([0.0, 0.05, 0.3]),
    lost=st.sampled_from([0.0, 0.3]),
    steps=st.sampled_from([None, 1, 3, 8, 100]),
    k=st.integers(1, 4),
    most=st.sampled_from([5, 100]),
    rollback=st.sampled_from([0, 2]),
)
def test_chunks_commit_what_the_plain_loop_commits(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    error: float,
    lost: float,
    steps: int | None,
    k: int,
    most: int,
    rollback: int,
) -> None:
    """Deterministic votes: the journals must be equal, wrong and undecided runs included."""
    folder = tmp_path_factory.mktemp("chunks")
    (folder / "plain").mkdir()
    (folder / "spread").mkdir()
    task = build_task(TASK, "compact")
    model = SimulatedModel(f"sim:seed={seed}", task.rehearse, error=error, flag=0.1, seed=seed)
    how = {"k": k, "max_votes": most, "rollback": rollback}
    plain, failure, *_ = asyncio.run(run(folder / "plain", model, None, None, **how))
    crew = Crew(task, model, seed, lost)
    spread, other, *_ = asyncio.run(run(folder / "spread", model, crew, steps, **how))
    assert spread == plain
    assert type(other) is type(failure)
    assert failure is None or isinstance(failure, NoConvergence)


def test_every_vote_is_accounted_for(tmp_path: Path) -> None:
    """Samples charged are the votes and flags of steps, and those thrown away."""
    task = build_task(TASK, "compact")
    model = SimulatedModel("sim:", task.rehearse, error=0.3, flag=0.1, seed=5)

    async def both() -> None:
        crew = Crew(task, model, 5, 0.0)
        await run(tmp_path, model, crew, 3, k=2)
        with Journal(tmp_path / "journal.sqlite", readonly=True) as journal:
            totals, usage = journal.totals(), journal.usage()
        assert sum(used.samples for used in usage) == totals.votes + totals.flagged + totals.surplus
        assert totals.surplus > 0

    asyncio.run(both())


def test_what_an_engine_failed_is_tried_elsewhere_and_not_for_ever(tmp_path: Path) -> None:
    task = build_task(TASK, "compact")
    model = SimulatedModel("sim:", task.rehearse, error=0.1, seed=5)
    for name in ("plain", "some", "all"):
        (tmp_path / name).mkdir()
    plain, *_ = asyncio.run(run(tmp_path / "plain", model, None, None))
    some = Crew(task, model, 7, 0.0, failing=0.2)
    assert asyncio.run(run(tmp_path / "some", model, some, 8))[:2] == (plain, None)
    every = Crew(task, model, 7, 0.0, failing=1.0)
    kept, error, *_ = asyncio.run(run(tmp_path / "all", model, every, 8))
    assert (kept, str(error)) == ([], "this machine's server is down")


def test_a_budget_holds_for_the_work_of_others(tmp_path: Path) -> None:
    task = build_task(TASK, "compact")
    model = SimulatedModel("sim:", task.rehearse, seed=5)
    crew = Crew(task, model, 5, 0.0)
    limits = Limits(tokens=900)
    kept, error, executor = asyncio.run(run(tmp_path, model, crew, 4, limits=limits))
    assert error is not None
    assert error.status == "budget"
    assert 0 < len(kept) < 63
    assert executor.spending.tokens < 900 + 5 * 4 * 100  # what five chunks may have in flight


def test_a_chunk_ends_by_its_clock() -> None:
    task = build_task(TASK, "compact")
    model = SimulatedModel("sim:", task.rehearse, seed=5)
    chunk = Chunk(task.initial(), 63, VotePolicy(), 0, Limits(), seconds=0.0)
    assert asyncio.run(Crew(task, model, 5, 0.0).do(chunk)) == Worked([], [])
