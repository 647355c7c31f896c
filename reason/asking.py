"""Answering questions: engines by role, questions side by side, each with its own account."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.budget import Budget, Limits
from agents.questions.answering import Answered, answer
from agents.questions.desk import Desk, Manner, Role
from agents.questions.prompting import load_prompts
from agents.questions.strategies import Strategy
from agents.spending import Spending
from engines.concurrency import together
from engines.options import EngineOptions
from engines.spec import check_spec, parse_spec
from reason.errors import UsageError
from reason.session import open_engines
from tasks.questions.base import Question
from tasks.questions.rehearsal import rehearse


@dataclass(frozen=True)
class AskOptions:
    """How questions are answered.

    Attributes:
        strategy: which graph.
        solver, decomposer, judge: model specs; the solver stands in for one that is not named.
        manner: votes and limits of one question.
        prompts: folder with prompts of the user's own.
        questions: worked on at once.
        budget_tokens, budget_usd: of all questions together.
        engine: how engines are opened.
    """

    strategy: Strategy
    solver: str
    decomposer: str | None = None
    judge: str | None = None
    manner: Manner = field(default_factory=Manner)
    prompts: Path | None = None
    questions: int = 8
    budget_tokens: int | None = None
    budget_usd: float | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)

    @property
    def specs(self) -> dict[Role, str]:
        """The model of each role."""
        helper = self.decomposer or self.solver
        return {"solver": self.solver, "decomposer": helper, "judge": self.judge or helper}

    def check(self) -> None:
        """Raise UsageError for what can be known to be wrong before anything is asked."""
        for spec in set(self.specs.values()):
            if parse_spec(spec).kind == "embedded":
                raise UsageError(
                    "the embedded micro model solves Towers of Hanoi alone: name a general model "
                    "with --model (`reason models get smollm2` fetches a small one)"
                )
            check_spec(spec, self.engine)
        load_prompts(self.prompts)


async def answer_all(
    questions: Sequence[Question], options: AskOptions, done: Callable[[Answered], None]
) -> None:
    """Answer questions, several at a time; ``done`` gets each as soon as it is answered.

    Raises UsageError, EngineError, BudgetReached; questions then under way are given up.
    """
    options.check()
    prompts = load_prompts(options.prompts)
    at_once = asyncio.Semaphore(options.questions)
    roles = list(options.specs)
    async with open_engines(list(options.specs.values()), options.engine) as opened:
        engines = dict(zip(roles, opened, strict=True))
        total = Spending(engines.values())
        budget = Budget(Limits(options.budget_tokens, options.budget_usd), total)

        async def one(question: Question) -> None:
            async with at_once:
                spending = Spending(engines.values(), within=total)
                desk = Desk(engines, options.manner, prompts, spending, budget.check)
                done(await answer(question, options.strategy, desk))

        await together(one(question) for question in questions)


def ask_engine_options(concurrency: int, *, lean: bool, prices: Any) -> EngineOptions:
    """How engines are opened for questions."""
    return EngineOptions(concurrency=concurrency, lean=lean, rehearse=rehearse, prices=prices)
