"""The chain of steps: decide, commit, advance (MAKER Algorithm 1), in chunks.

The next state is the voted one, never a simulator's. Each step is committed to the journal before
the next is asked for, so a crash at any instant costs at most the votes in flight.
"""

import asyncio
import time
from typing import Any

from agents.budget import Budget
from agents.microagent import Decision, Microagent
from agents.status import RunStatus
from reason.errors import Interrupted
from runs.journal import Journal, SampleRow, StepRow
from tasks.base import Record, Task

YIELD_SECONDS = 0.02  # how long a run of instant answers may keep signals and displays waiting


class Executor:
    """Runs steps from the journal's head on.

    Args:
        task: the task being solved.
        agent: decides single steps.
        journal: the truth; its head is where execution starts.
        budget: checked before every step.
        status: kept up to date for displays.
    """

    def __init__(
        self, task: Task, agent: Microagent, journal: Journal, budget: Budget, status: RunStatus
    ) -> None:
        self.task, self.agent, self.journal = task, agent, journal
        self.budget, self.status = budget, status
        self.spending = agent.spending
        self._seconds = budget.seconds
        head = journal.head()
        self.step = head.step
        record = Record(head.action, head.state)
        self.state: Any = task.restore(record) if head.step else task.initial()

    @property
    def finished(self) -> bool:
        """Whether no step is left to do."""
        total = self.task.steps()
        return (total is not None and self.step >= total) or self.task.done(self.state)

    async def run_chunk(self, steps: int, seconds: float) -> bool:
        """Do up to ``steps`` steps within about ``seconds``; returns whether the task is finished.

        Raises BudgetReached, NoConvergence, EngineError, StorageError and CancelledError; spending
        on the undecided step is charged to the journal before any of them leaves.
        """
        end = time.monotonic() + seconds
        breath = time.monotonic() + YIELD_SECONDS
        try:
            for _ in range(steps):
                if self.finished:
                    return True
                self.budget.check()
                self._commit(await self.agent.decide(self.state))
                now = time.monotonic()
                if now >= end:
                    break
                if now >= breath:
                    await asyncio.sleep(0)
                    breath = time.monotonic() + YIELD_SECONDS
        finally:
            self.charge()
        return self.finished

    def charge(self, *, surplus: bool = True) -> None:
        """Write spending that led to no step to the journal's totals.

        ``surplus`` says that its samples were votes, thrown away with their undecided step.
        """
        bill = self.spending.take()
        if bill.usage:
            wasted, flagged = (bill.valid, bill.flagged) if surplus else (0, 0)
            self.status.surplus += wasted
            self.status.flagged += flagged
            self.journal.charge(bill.usage, self._lap(), flagged=flagged, surplus=wasted)

    def _commit(self, decision: Decision) -> None:
        number = self.step + 1
        state = self.task.advance(self.state, decision.step)
        action, text = self.task.record(decision.step)
        usage = self.spending.take().usage
        row = StepRow(
            step=number,
            action=action,
            state=text,
            votes=sum(decision.tally),
            flagged=decision.flagged,
            rounds=decision.rounds,
            tally=_tally(decision),
            prompt_tokens=sum(part.prompt_tokens for part in usage),
            completion_tokens=sum(part.completion_tokens for part in usage),
            surplus=decision.surplus,
        )
        samples = _samples(number, decision)
        collisions = int(decision.collision)
        self.journal.append([row], usage, self._lap(), samples, collisions=collisions)
        self.step, self.state = number, state
        self._show(row, decision)

    def _show(self, row: StepRow, decision: Decision) -> None:
        status = self.status
        status.steps, status.state = self.step, self.state
        status.votes += row.votes
        status.flagged += row.flagged
        status.surplus += row.surplus
        status.tokens, status.usd = self.spending.tokens, self.spending.usd
        if decision.how != "voted":
            status.note = f"step {row.step} was decided by {decision.how} ({row.tally})"

    def _lap(self) -> float:
        now = self.budget.seconds
        lap, self._seconds = now - self._seconds, now
        return lap


def _tally(decision: Decision) -> str:
    """``3`` or ``4:1``; a leading ``p`` or ``e`` marks plurality and escalation."""
    mark = "" if decision.how == "voted" else decision.how[0]
    return mark + ":".join(map(str, decision.tally))


def _samples(step: int, decision: Decision) -> list[SampleRow]:
    return [
        SampleRow(step, draw.number, sample.text, sample.finish, draw.flag, sample.model)
        for draw in decision.draws
        for sample in (draw.sample,)
    ]


def interrupted(steps: int) -> Interrupted:
    """The error of a run stopped on request after ``steps`` committed steps."""
    return Interrupted(f"interrupted after step {steps:,}")
