"""The service behind the routes: takes a question on, works on it, counts what that took.

Engines are opened once, by whoever makes the service, and shared by all questions. A question is
checked before it is taken on (:meth:`Service.take`), so that whatever is wrong with it can be said
by an HTTP status before a stream of progress begins.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, get_args

from agents.budget import Budget, Limits
from agents.questions.answering import Answered, answer
from agents.questions.desk import Call, Desk, Manner, Role, Watch
from agents.questions.prompting import Prompts
from agents.questions.strategies import ROLES, Strategy
from agents.spending import Spending
from engines.base import Engine
from reason.errors import BudgetReached, EngineError, UsageError
from serving.errors import ApiError
from serving.gate import Gate
from serving.keys import Keys
from serving.metrics import Metrics
from serving.options import ReasonOptions
from tasks.questions.base import Kind, Question

PREFIX = "reason-"

MODELS: dict[str, Strategy] = {f"{PREFIX}{name}": name for name in get_args(Strategy)}
"""The models that the server offers, and the strategy of each."""


@dataclass(frozen=True)
class Terms:
    """What the server was started with; requests may set their own within it.

    Attributes:
        manner: how questions are worked on; its ``max_calls`` is the most a request may ask for.
        limits: of one question, likewise.
        kind: of answers.
        max_body: bytes of a request.
        body_seconds: for a request to come in.
        check: raises UsageError for a question that the models cannot understand.
    """

    manner: Manner = field(default_factory=Manner)
    limits: Limits = field(default_factory=Limits)
    kind: Kind = "text"
    max_body: int = 2**20
    body_seconds: float = 30.0
    check: Callable[[str], None] = lambda text: None


class Job(NamedTuple):
    """A question that was found to be in order."""

    question: Question
    strategy: Strategy
    manner: Manner
    limits: Limits


class Service:
    """See the module's text.

    Attributes:
        models: the models on offer: those whose roles there are engines for.
        stopping: set when the server gives up what is under way; streams of any kind end then.
    """

    def __init__(
        self,
        engines: Mapping[Role, Engine],
        prompts: dict[Role, Prompts],
        *,
        gate: Gate,
        metrics: Metrics,
        terms: Terms | None = None,
        keys: Keys | None = None,
    ) -> None:
        self.engines, self.prompts = dict(engines), prompts
        self.models = {name: MODELS[name] for name in MODELS if self._serves(MODELS[name])}
        self.gate, self.metrics = gate, metrics
        self.terms, self.keys = terms or Terms(), keys or Keys()
        self.stopping = asyncio.Event()
        self._jobs: set[asyncio.Task[Any]] = set()

    def _serves(self, strategy: Strategy) -> bool:
        return set(ROLES[strategy]) <= set(self.engines)

    def take(self, model: str, text: str, options: ReasonOptions) -> Job:
        """The job that a request asks for. Raises ApiError."""
        if model not in self.models:
            known = ", ".join(self.models)
            raise ApiError(
                404,
                f"the model {model!r} does not exist; there are {known}",
                param="model",
                code="model_not_found",
            )
        try:
            self.terms.check(text)
        except UsageError as error:
            raise ApiError(400, str(error), param="messages") from None
        question = Question(uuid.uuid4().hex, text, options.kind or self.terms.kind)
        return Job(question, MODELS[model], self._manner(options), self._limits(options))

    def _manner(self, options: ReasonOptions) -> Manner:
        ours = self.terms.manner
        _within("max_calls", options.max_calls, ours.max_calls)
        fields = options.model_dump(exclude_none=True)
        manner = replace(ours, **{key: fields[key] for key in fields if hasattr(ours, key)})
        return replace(manner, max_votes=_votes(manner, options.max_votes))

    def _limits(self, options: ReasonOptions) -> Limits:
        ours = self.terms.limits
        _within("budget_tokens", options.budget_tokens, ours.tokens)
        _within("budget_usd", options.budget_usd, ours.usd)
        _within("budget_seconds", options.budget_seconds, ours.seconds)
        if options.budget_usd and not Spending(self.engines.values()).is_priced:
            raise ApiError(
                400,
                "a budget in dollars cannot be kept: the price of a model is unknown",
                param="reason.budget_usd",
            )
        return Limits(
            options.budget_tokens or ours.tokens,
            options.budget_usd or ours.usd,
            options.budget_seconds or ours.seconds,
        )

    async def work(self, job: Job, watch: Watch = lambda call: None) -> Answered:
        """Work on a job once there is a place, in a task of its own that :meth:`stop` may cancel.

        ``watch`` is told of every call. Cancelling the task cancels every call in flight. Raises
        BudgetReached, EngineError, and ApiError (503) when the server stops.
        """
        task = asyncio.current_task()
        assert task is not None
        self._jobs.add(task)
        try:
            return await self._work(job, watch)
        except asyncio.CancelledError:
            if self.stopping.is_set():
                raise _stopped() from None
            raise
        finally:
            self._jobs.discard(task)

    def stop(self) -> None:
        """Give up all jobs; those who wait for them are told so."""
        self.stopping.set()
        for task in self._jobs:
            task.cancel()

    async def _work(self, job: Job, watch: Watch) -> Answered:
        if self.stopping.is_set():
            raise _stopped()
        async with self.gate.place():
            ended = "error"
            try:
                answered = await self._answer(job, watch)
                ended = _outcome(answered)
                self.metrics.answered(job.strategy, answered)
                return answered
            except BudgetReached:
                ended = "budget"
                raise
            except EngineError:
                ended = "engine_error"
                raise
            except asyncio.CancelledError:
                ended = "cancelled"
                raise
            finally:
                self.metrics.questions.labels(job.strategy, ended).inc()

    async def _answer(self, job: Job, watch: Watch) -> Answered:
        spending = Spending(self.engines.values())
        budget = Budget(job.limits, spending)

        def seen(call: Call) -> None:
            self.metrics.charge(self.engines[call.role], call.samples)
            watch(call)

        desk = Desk(self.engines, job.manner, self.prompts, spending, budget.check, seen)
        try:
            async with asyncio.timeout(job.limits.seconds) as clock:
                return await answer(job.question, job.strategy, desk)
        except TimeoutError:
            if not clock.expired():
                raise
            raise BudgetReached(f"time budget reached: {job.limits.seconds:g} s") from None


def _stopped() -> ApiError:
    return ApiError(503, "the server is stopping", kind="overloaded_error", code="stopping")


def _votes(manner: Manner, asked: int | None) -> int:
    """Answers of one vote: the server's default is raised to what can decide, never a request's."""
    least = max(manner.k, manner.sub_k)
    if asked is not None and asked < least:
        raise ApiError(
            400,
            f"reason.max_votes {asked} cannot decide a vote with k {least}, which this server has",
            param="reason.max_votes",
        )
    return max(least, manner.max_votes)


def _within(name: str, asked: float | None, most: float | None) -> None:
    if asked is not None and most is not None and asked > most:
        raise ApiError(
            400, f"reason.{name} may be at most {most:g} on this server", param=f"reason.{name}"
        )


def _outcome(answered: Answered) -> str:
    if answered.outcome.answer is None:
        return "no_answer"
    return "answered" if answered.outcome.decided else "undecided"
