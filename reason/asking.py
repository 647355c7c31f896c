"""Answering questions: engines by role, questions side by side, each with its own account."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agents.budget import Budget, Limits
from agents.questions.answering import Answered, answer
from agents.questions.desk import Desk, Manner, Role
from agents.questions.prompting import MICRO, Prompts, load_prompts
from agents.questions.strategies import ROLES, Strategy
from agents.spending import Spending
from cluster.connection import need_ray
from engines.base import Engine
from engines.concurrency import together
from engines.options import EngineOptions
from engines.spec import check_spec, is_micro
from reason.errors import UsageError
from reason.seats import open_engines
from tasks.chains.micro import DECOMPOSER, EXAMPLE, SOLVER, is_understood
from tasks.questions.base import Question
from tasks.questions.rehearsal import rehearse

EMBEDDED = "embedded"
MICRO_STRATEGIES = ("direct", "vote", "daslam")


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
        engine_cluster: ``ray`` answers on the nodes of a cluster, ``questions`` at once on each.
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
    engine_cluster: Literal["none", "ray"] = "none"

    @property
    def specs(self) -> dict[Role, str]:
        """The model of each role."""
        helper = self.decomposer or self.solver
        return {"solver": self.solver, "decomposer": helper, "judge": self.judge or helper}

    @property
    def opened(self) -> dict[Role, str]:
        """The models that the strategy uses; ``embedded`` told as the file that it stands for."""
        return {role: opened_as(role, self.specs[role]) for role in ROLES[self.strategy]}

    @property
    def asked(self) -> dict[str, str]:
        """The models that the strategy uses, as the user wrote them."""
        return {role: self.specs[role] for role in ROLES[self.strategy]}

    def words(self) -> dict[Role, Prompts]:
        """The prompts of each role: micro models know none but those they were trained on."""
        return {
            role: load_prompts(self.prompts or (MICRO if is_micro(spec) else None))
            for role, spec in self.opened.items()
        }

    def check(self) -> None:
        """Raise UsageError for what can be known to be wrong before anything is asked."""
        if EMBEDDED in self.specs.values() and self.strategy not in MICRO_STRATEGIES:
            raise UsageError(
                f"the embedded micro models know the strategies {', '.join(MICRO_STRATEGIES)}, not "
                f"{self.strategy}: name a general model with --model (`reason models get "
                "smollm2` fetches a small one)"
            )
        if self.engine_cluster == "ray":
            need_ray()
        for spec in self.opened.values():
            check_spec(spec, self.engine)
        self.words()

    def check_question(self, text: str) -> None:
        """Raise UsageError for a question in words that the embedded models do not know."""
        if EMBEDDED in self.specs.values() and not is_understood(text):
            raise UsageError(
                f"the embedded micro models know chain arithmetic alone, as in {EXAMPLE!r}: name a "
                "general model with --model (`reason models get smollm2` fetches a small one)"
            )


def opened_as(role: Role, spec: str) -> str:
    """A spec, ``embedded`` told as the file that it stands for in a role."""
    if spec != EMBEDDED:
        return spec
    return f"gguf:{SOLVER if role == 'solver' else DECOMPOSER}"


async def answer_all(
    questions: Sequence[Question], options: AskOptions, done: Callable[[Answered], None]
) -> None:
    """Answer questions, several at a time; ``done`` gets each as soon as it is answered.

    Raises UsageError, EngineError, BudgetReached; questions then under way are given up.
    """
    options.check()
    for question in questions:
        options.check_question(question.text)
    if options.engine_cluster == "ray":
        from reason.spread import answer_over_cluster

        await answer_over_cluster(questions, options, done)
        return
    at_once = asyncio.Semaphore(options.questions)
    async with open_panel(options) as panel:
        total = panel.account()
        budget = Budget(Limits(options.budget_tokens, options.budget_usd), total)

        async def one(question: Question) -> None:
            async with at_once:
                done(await panel.answer(question, total, budget))

        await together(one(question) for question in questions)


@dataclass(frozen=True)
class Panel:
    """The models that answer questions, opened, each with its words."""

    options: AskOptions
    engines: dict[Role, Engine]
    words: dict[Role, Prompts]

    def account(self) -> Spending:
        """A new account of what these models cost."""
        return Spending(self.engines.values())

    async def answer(self, question: Question, total: Spending, budget: Budget) -> Answered:
        """Answer one question at a desk of its own, charged to ``total`` too.

        Raises EngineError, BudgetReached.
        """
        spending = Spending(self.engines.values(), within=total)
        desk = Desk(self.engines, self.options.manner, self.words, spending, budget.check)
        return await answer(question, self.options.strategy, desk)


@asynccontextmanager
async def open_panel(options: AskOptions) -> AsyncIterator[Panel]:
    """The models of the strategy's roles, closed at the end. Raises UsageError, EngineError."""
    words, roles = options.words(), list(options.opened)
    async with open_engines(list(options.opened.values()), options.engine) as opened:
        yield Panel(options, dict(zip(roles, opened, strict=True)), words)


def ask_engine_options(concurrency: int, *, lean: bool, prices: Any) -> EngineOptions:
    """How engines are opened for questions."""
    return EngineOptions(concurrency=concurrency, lean=lean, rehearse=rehearse, prices=prices)
