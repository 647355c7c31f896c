"""Lossless speculation: voting on later steps before earlier ones are decided.

A slot is a step being voted on: the state it starts from, the vote, and a *lead*, a guess at the
state that the vote will end in. The next slot starts from the lead. Slots are settled strictly in
order, and a slot's votes count only if the state that they saw is the state finally committed. At
the first slot that started from a wrong guess, it and all later ones are thrown away and their
votes counted as surplus. What is committed is therefore what one step at a time would commit.

Where leads come from is the one difference between the modes: ``self`` takes the step's own first
valid vote, ``draft`` the task's rule or a cheaper model. A lead never votes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from agents.microagent import Decision, Deliberation, Microagent
from engines.base import Engine, Request
from reason.errors import ReasonError
from tasks.base import RedFlag, Task

Speculation: TypeAlias = Literal["none", "self", "draft"]

Lead: TypeAlias = "asyncio.Future[Any]"
"""Resolves to the state guessed to follow, or to None when there is no guess."""

Draft: TypeAlias = Callable[[Any, Lead], None]
"""Starts guessing the state that follows a state; the guess goes into the lead."""


class Settled(NamedTuple):
    """A decided step: what was decided, and the state that it leads to."""

    decision: Decision
    state: Any


def wasted(settled: Iterable[Settled]) -> tuple[int, int]:
    """Valid votes and red-flagged answers of decided steps that are thrown away."""
    decisions = [decision for decision, _ in settled]
    votes = sum(sum(decision.tally) + decision.surplus for decision in decisions)
    return votes, sum(decision.flagged for decision in decisions)


class _Slot(NamedTuple):
    state: Any
    deliberation: Deliberation
    vote: "asyncio.Task[Decision]"
    lead: Lead


class TaskDraft:
    """Drafts by the task's own rule."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __call__(self, state: Any, lead: Lead) -> None:
        """Guess at once."""
        lead.set_result(self._task.draft(state))


class ModelDraft:
    """Drafts by single answers of a cheaper model, charged like any other answer."""

    def __init__(self, agent: Microagent, engine: Engine) -> None:
        self._agent, self._engine = agent, engine
        self._running: set[asyncio.Task[None]] = set()

    def __call__(self, state: Any, lead: Lead) -> None:
        """Ask for one answer; a lead that is cancelled cancels the question."""
        asking = asyncio.get_running_loop().create_task(self._ask(state, lead))
        self._running.add(asking)
        asking.add_done_callback(self._running.discard)
        lead.add_done_callback(lambda _: asking.cancel())

    async def _ask(self, state: Any, lead: Lead) -> None:
        task, guess = self._agent.task, None
        cap = self._agent.policy.max_tokens
        try:
            request = Request(task.prompt(state), cap, (0.0,), stop=task.stop)
            (sample,) = await self._engine.sample(request)
            self._agent.spending.add(self._engine.model, sample)
            guess = task.advance(state, task.parse(sample.text))
        except (RedFlag, ReasonError):  # no guess: the window stays shorter for a moment
            guess = None
        if not lead.done():
            lead.set_result(guess)


class Pipeline:
    """A window of slots that slides along the chain of steps.

    Args:
        agent: decides steps.
        window: slots in flight at most; 1 is no speculation.
        draft: where leads come from; None takes each step's own first valid vote.

    Attributes:
        surplus, flagged: votes asked for and thrown away so far, and red-flagged answers of the
            same steps; votes cancelled in flight count as surplus.
    """

    def __init__(self, agent: Microagent, window: int = 1, draft: Draft | None = None) -> None:
        self.agent, self.window, self.draft = agent, window, draft
        self.surplus = self.flagged = 0
        self._slots: deque[_Slot] = deque()

    async def settle(self, state: Any, left: int) -> list[Settled]:
        """The next decided steps from ``state`` on, at least one and at most ``left``.

        Raises what deciding the first of them raises. The failure of a later step is kept, and
        raised once that step is the first.
        """
        if self.window == 1:
            return [await self._one(state)]
        if not self._slots:
            self._open(state)
        self._extend(left)
        while not self._slots[0].vote.done():
            await self._wait()
            self._extend(left)
        return self._drain(left)

    async def _one(self, state: Any) -> Settled:
        """One step without a task or a lead: the plain loop pays nothing for speculation."""
        deliberation = Deliberation(self.agent, state)
        try:
            decision = await deliberation.decide()
        except BaseException:
            self._waste(deliberation)
            raise
        return Settled(decision, self.agent.task.advance(state, decision.step))

    async def _wait(self) -> None:
        """Until the first vote is decided or, while there is room, the last lead is known."""
        pending: set[asyncio.Future[Any]] = {self._slots[0].vote}
        tail = self._slots[-1].lead
        if len(self._slots) < self.window and not tail.done():
            pending.add(tail)
        await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    def _extend(self, left: int) -> None:
        """Open slots as far as leads are known."""
        room = min(self.window, left)
        while len(self._slots) < room and (lead := self._slots[-1].lead).done():
            guess = lead.result()
            if guess is None or self.agent.task.done(guess):
                return
            self._open(guess)

    def _open(self, state: Any) -> None:
        loop = asyncio.get_running_loop()
        lead: Lead = loop.create_future()
        first = partial(self._guess, state, lead) if self.draft is None else None
        deliberation = Deliberation(self.agent, state, first)
        vote = loop.create_task(deliberation.decide())
        self._slots.append(_Slot(state, deliberation, vote, lead))
        if self.draft is not None:
            self.draft(state, lead)

    def _guess(self, state: Any, lead: Lead, step: Any) -> None:
        if not lead.done():
            lead.set_result(self.agent.task.advance(state, step))

    def _drain(self, left: int) -> list[Settled]:
        """Settle decided slots in order, up to one that fails or that started from a bad guess."""
        settled: list[Settled] = []
        slots, advance = self._slots, self.agent.task.advance
        while slots and len(settled) < left and slots[0].vote.done():
            slot = slots[0]
            if settled and (slot.vote.cancelled() or slot.vote.exception()):
                break
            decision = slot.vote.result()
            slots.popleft()
            slot.lead.cancel()
            settled.append(Settled(decision, advance(slot.state, decision.step)))
            if slots and slots[0].state != settled[-1].state:
                self.discard()
        return settled

    def discard(self) -> None:
        """Throw all slots away, cancel what is in flight, and count what they had drawn."""
        while self._slots:
            slot = self._slots.pop()
            slot.vote.cancel()
            slot.lead.cancel()
            if slot.vote.done() and not slot.vote.cancelled():
                slot.vote.exception()  # seen: a failure that no longer matters
            self._waste(slot.deliberation)

    def _waste(self, deliberation: Deliberation) -> None:
        self.surplus += deliberation.asked - deliberation.flagged
        self.flagged += deliberation.flagged
