"""What the actors of a cluster do: chunks of steps, whole questions, rollouts of a training.

Each kind of work has an *employ*, plain data that travels to a node and opens the worker there,
with engines of its own. ``127.0.0.1`` in a model spec is therefore each node's own server.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from agents.budget import Budget, Limits
from agents.chunks import Chunk, Worked, work
from agents.microagent import Microagent
from agents.questions.answering import Answered
from agents.spending import Spending
from cluster.crew import Crew
from engines.base import Engine
from reason.asking import AskOptions, Panel, open_panel
from reason.errors import ReasonError
from reason.run_config import RunConfig, engine_options, model_specs
from reason.seats import open_engines, seats, step_pipeline
from runs.journal import UsageDelta
from tasks.base import Task
from tasks.questions.base import Question

CHUNKS_EACH = 2  # one in hand, one to go on with at once


@dataclass(frozen=True)
class StepWork:
    """Chunks of a run's steps; ``config`` is the run's own, as it is saved."""

    config: dict[str, Any]

    async def open(self) -> "StepWorker":
        """Open the run's engines."""
        config = RunConfig.from_dict(self.config)
        task, stack = config.build_task(), AsyncExitStack()
        retried: list[str] = []
        how = replace(engine_options(task, config.options), retried=retried.append)
        opened = open_engines(model_specs(config.options), how)
        return StepWorker(config, task, await stack.enter_async_context(opened), stack, retried)


@dataclass(frozen=True)
class StepWorker:
    """Does chunks side by side, each with its own account; the engines live as long as it."""

    config: RunConfig
    task: Task
    engines: list[Engine]
    stack: AsyncExitStack
    retried: list[str]

    async def do(self, item: Chunk) -> Worked:
        """Do a chunk."""
        options = self.config.options
        voters, escalation, drafters = seats(options, self.engines)
        spending = Spending(self.engines)
        try:
            check = Budget(item.limits, spending).check
        except ReasonError as error:
            return Worked([], [], error=error)
        agent = Microagent(self.task, voters, item.policy, spending, check, escalation)
        agent.first_draw = item.first_draw
        worked = await work(item, step_pipeline(agent, options, drafters))
        told = tuple(self.retried)  # of chunks beside this one too: each is told once
        self.retried.clear()
        return worked._replace(retried=told)


def step_crew(config: RunConfig) -> Crew:
    """Actors for the steps of a run."""
    return Crew(StepWork(config.to_dict()), CHUNKS_EACH)


class Asked(NamedTuple):
    """A question to answer within what is left of the budgets."""

    question: Question
    limits: Limits


class Told(NamedTuple):
    """The answer, what was spent, and why there is none."""

    answered: Answered | None
    usage: list[UsageDelta]
    error: ReasonError | None = None


@dataclass(frozen=True)
class QuestionWork:
    """Whole questions."""

    options: AskOptions

    async def open(self) -> "QuestionWorker":
        """Open the models of the strategy."""
        self.options.check()
        stack = AsyncExitStack()
        panel = await stack.enter_async_context(open_panel(self.options))
        return QuestionWorker(panel, stack)


@dataclass(frozen=True)
class QuestionWorker:
    """Answers questions side by side; the models live as long as it."""

    panel: Panel
    stack: AsyncExitStack

    async def do(self, item: Asked) -> Told:
        """Answer a question."""
        total = self.panel.account()
        try:
            answered = await self.panel.answer(item.question, total, Budget(item.limits, total))
        except ReasonError as error:
            return Told(None, total.take(), error)
        return Told(answered, total.take())


async def answer_over_cluster(
    questions: Sequence[Question], options: AskOptions, done: Callable[[Answered], None]
) -> None:
    """Like :func:`reason.asking.answer_all`, on every node so many questions at a time."""
    total = Spending([])
    budget = Budget(Limits(options.budget_tokens, options.budget_usd), total)

    def asked() -> Iterator[Asked]:
        for question in questions:
            budget.check()
            yield Asked(question, budget.left())

    async with Crew(QuestionWork(options), options.questions) as crew:
        async for told in crew.do_all(asked()):
            total.absorb(told.usage)
            if told.error is not None:
                raise told.error
            done(told.answered)
