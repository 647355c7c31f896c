"""A chain of steps worked on in chunks, by others and elsewhere; what is committed stays the same.

A chunk is a state and a number of steps to do from it. Whoever does it, on whatever machine, runs
the ordinary pipeline over them and sends back the decided steps with the account of all that was
spent. The driver opens chunks ahead by the task's own rule, as the pipeline opens slots, and
settles them strictly in order: a chunk counts only if it started from the state that the chunk
before it ended in. At the first that did not, it and all later ones are given up and their votes
counted as surplus. Nothing but the driver writes to the journal, so a chunk that is lost with its
machine has merely to be done again.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from agents.budget import Budget, Limits
from agents.microagent import Microagent
from agents.pipeline import Pipeline, Settled, wasted
from agents.policy import VotePolicy
from reason.errors import EngineError, ReasonError
from runs.journal import UsageDelta
from tasks.base import Task

TRIES = 3  # of a step whose chunks an engine failed
LAST_ACCOUNTS = 5.0  # seconds that the accounts of given-up chunks are waited for at the end
LONE_STEPS, LONE_SECONDS = 4096, 5.0  # of a chunk where no other can be worked on beside it
LOOK_AGAIN = 1.0  # seconds after which a crew that has grown is given more


class Chunk(NamedTuple):
    """Steps to do.

    Attributes:
        state: the state that the first of them starts from.
        steps: how many, unless the task is done before.
        policy, first_draw: how they are voted on.
        limits: what is left of the run's budgets.
        seconds: after which no further step is begun.
    """

    state: Any
    steps: int
    policy: VotePolicy
    first_draw: int
    limits: Limits
    seconds: float = math.inf


class Worked(NamedTuple):
    """What came of a chunk.

    Attributes:
        settled: the decided steps, in order.
        usage: everything spent, thrown-away votes included.
        surplus, flagged: thrown-away votes, and red-flagged answers of the same steps.
        retried: the models that were tried again after a passing fault, each as often.
        error: why there are fewer steps than were asked for.
    """

    settled: list[Settled]
    usage: list[UsageDelta]
    surplus: int = 0
    flagged: int = 0
    retried: tuple[str, ...] = ()
    error: ReasonError | None = None


class Errand(Protocol):
    """A chunk on its way."""

    @property
    def reply(self) -> "asyncio.Future[Worked | None]":
        """What comes of it; None where it was stopped before anyone did a step."""
        ...

    def stop(self) -> None:
        """Nobody wants it any more; the reply then is the account of what was done."""
        ...


class Crew(Protocol):
    """Whoever does chunks."""

    @property
    def width(self) -> int:
        """Chunks that it can have in hand at once, as things stand."""
        ...

    def send(self, item: Chunk) -> Errand:
        """Have a chunk done; it is done again elsewhere if who did it is lost."""
        ...


async def work(chunk: Chunk, pipeline: Pipeline) -> Worked:
    """Do a chunk. Whatever ends it early, what was done and spent is told; so is a cancellation."""
    agent, settled, error = pipeline.agent, list[Settled](), None
    state, task, end = chunk.state, agent.task, time.monotonic() + chunk.seconds
    try:
        while len(settled) < chunk.steps and not task.done(state) and time.monotonic() < end:
            agent.check()
            settled += await pipeline.settle(state, chunk.steps - len(settled))
            state = settled[-1].state
    except ReasonError as failure:
        error = failure
    except asyncio.CancelledError:
        pass  # the driver gave the chunk up, and wants to know what it has cost
    pipeline.discard()
    usage = agent.spending.take()
    return Worked(settled, usage, pipeline.surplus, pipeline.flagged, error=error)


class _Span(NamedTuple):
    state: Any
    steps: int
    errand: Errand


class ChunkPipeline:
    """Settles steps like :class:`agents.pipeline.Pipeline`, chunk by chunk.

    Args:
        agent: how steps are voted on, and the account that everything is charged to.
        crew: does the chunks.
        budget: of the run.
        steps: of a chunk where the task's rule foretells the start of the next; without a number
            one chunk is done at a time, and ends by the clock.
        retried: told the model's name at every further attempt that was made on the nodes.

    Attributes:
        surplus, flagged: votes thrown away so far, and red-flagged answers of the same steps.
    """

    def __init__(
        self,
        agent: Microagent,
        crew: Crew,
        budget: Budget,
        steps: int | None = None,
        retried: Callable[[str], None] = lambda model: None,
    ) -> None:
        self.agent, self.crew, self.budget, self.retried = agent, crew, budget, retried
        self.ahead = steps is not None
        self.steps = steps or LONE_STEPS
        self.surplus = self.flagged = 0
        self._spans: deque[_Span] = deque()
        self._given_up: list[Errand] = []
        self._failure: ReasonError | None = None
        self._tries = 0

    async def settle(self, state: Any, left: int) -> list[Settled]:
        """The next decided steps from ``state`` on: what is left of a chunk, or all of it.

        Raises what deciding the first of them raises. The failure of a later step is kept, and
        raised once that step is the first. What an engine failed at is tried again, for another
        machine may have a better one.
        """
        while True:
            self._collect()
            if self._failure is not None:
                raise self._failure
            worked = await self._first(state, left)
            self._charge(worked)
            self._judge(worked)
            self._extend(left - len(worked.settled))
            if worked.settled:
                return worked.settled

    async def _first(self, state: Any, left: int) -> Worked:
        """The reply to the first chunk; the window is kept full meanwhile."""
        if not self._spans:
            self._open(state, min(self.steps, left))
        reply = self._spans[0].errand.reply
        while not reply.done():
            self._extend(left)
            await asyncio.wait({reply}, timeout=LOOK_AGAIN)
        worked = reply.result()
        self._spans.popleft()
        if worked is None:
            raise EngineError("the cluster gave a chunk of steps back undone")
        return worked

    def _judge(self, worked: Worked) -> None:
        """Keep a failure; give later chunks up where they cannot follow."""
        self._tries = 0 if worked.settled else self._tries
        if worked.error is None:
            ends = [settled.state for settled in worked.settled[-1:]]
            if self._spans and [self._spans[0].state] != ends:
                self._give_up()
            return
        self._give_up()
        self._tries += 1
        if not isinstance(worked.error, EngineError) or self._tries >= TRIES:
            self._failure = worked.error

    def _extend(self, left: int) -> None:
        """Open chunks as far as the rule foretells their starts and the crew has hands."""
        left -= sum(span.steps for span in self._spans)
        while self.ahead and self._spans and left > 0 and len(self._spans) < self.crew.width:
            state = foretell(self.agent.task, self._spans[-1].state, self._spans[-1].steps)
            if state is None or self.agent.task.done(state):
                return
            self._open(state, min(self.steps, left))
            left -= self._spans[-1].steps

    def _open(self, state: Any, steps: int) -> None:
        agent = self.agent
        seconds = math.inf if self.ahead else LONE_SECONDS
        limits = self.budget.left()
        chunk = Chunk(state, steps, agent.policy, agent.first_draw, limits, seconds)
        self._spans.append(_Span(state, steps, self.crew.send(chunk)))

    def discard(self) -> None:
        """Give all chunks up and forget a kept failure; accounts that are there are counted."""
        self._failure, self._tries = None, 0
        self._give_up()
        self._collect()

    def _give_up(self) -> None:
        while self._spans:
            errand = self._spans.pop().errand
            errand.stop()
            self._given_up.append(errand)

    async def close(self) -> None:
        """Wait a moment for the accounts of given-up chunks."""
        if self._given_up:
            replies = [errand.reply for errand in self._given_up]
            await asyncio.wait(replies, timeout=LAST_ACCOUNTS)
        self._collect()

    def _collect(self) -> None:
        """Charge given-up chunks whose accounts have come in."""
        waiting = []
        for errand in self._given_up:
            if not errand.reply.done():
                waiting.append(errand)
            elif not errand.reply.cancelled() and not errand.reply.exception():
                self._waste(errand.reply.result())
        self._given_up = waiting

    def _waste(self, worked: Worked | None) -> None:
        if worked is None:
            return
        self._charge(worked)
        surplus, flagged = wasted(worked.settled)
        self.surplus += surplus
        self.flagged += flagged

    def _charge(self, worked: Worked) -> None:
        self.agent.spending.absorb(worked.usage)
        self.surplus += worked.surplus
        self.flagged += worked.flagged
        for model in worked.retried:
            self.retried(model)


def foretell(task: Task, state: Any, steps: int) -> Any:
    """The state that the task's rule expects ``steps`` steps on; None where it does not say."""
    for _ in range(steps):
        if state is None or task.done(state):
            return None
        state = task.draft(state)
    return state
