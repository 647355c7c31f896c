"""The chain of steps: decide, commit, advance (MAKER Algorithm 1), in chunks.

The next state is the voted one, never a simulator's. Without speculation each step is committed
before the next is asked for; with it, the steps that the pipeline settles together are committed
together, in one transaction. A crash at any instant costs votes in flight and nothing else.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from agents.budget import Budget
from agents.chunks import ChunkPipeline
from agents.microagent import Decision
from agents.pilot import Pilot
from agents.pipeline import Pipeline, Settled, wasted
from agents.status import RunStatus
from reason.errors import Interrupted, NoConvergence, StorageError
from runs.journal import Journal, SampleRow, StepRow
from tasks.base import Record, Task

FIRST_DRAW = "first_draw"  # under which the journal keeps the number of the next vote of all
ROLLBACKS = 8  # in a row, each taking back more than the last
YIELD_SECONDS = 0.02  # how long a run of instant answers may keep signals and displays waiting


class Executor:
    """Runs steps from the journal's head on.

    Args:
        task: the task being solved.
        pipeline: decides steps, speculating or not.
        journal: the truth; its head is where execution starts.
        budget: checked before every step.
        status: kept up to date for displays.
        rollback: steps to take back and do anew when one does not converge.

    Attributes:
        pilot: chooses the margin as the run goes on, where that was asked for.
    """

    def __init__(
        self,
        task: Task,
        pipeline: Pipeline | ChunkPipeline,
        journal: Journal,
        budget: Budget,
        status: RunStatus,
        rollback: int = 0,
    ) -> None:
        self.task, self.pipeline, self.journal = task, pipeline, journal
        self.budget, self.status = budget, status
        self.spending = pipeline.agent.spending
        self._seconds = budget.seconds
        self.pilot: Pilot | None = None
        self._rollback, self._tries, self._furthest = rollback, 0, 0
        pipeline.agent.first_draw = int(journal.get_meta(FIRST_DRAW) or 0)
        self.step = 0
        self.state: Any = None
        self._to_head()

    def _to_head(self) -> None:
        head = self.journal.head()
        self.step = head.step
        record = Record(head.action, head.state)
        try:
            self.state = self.task.restore(record) if head.step else self.task.initial()
        except (ValueError, KeyError, IndexError) as error:
            raise StorageError(
                f"step {head.step:,} of the journal cannot be read ({error!r}): it is damaged"
            ) from None

    @property
    def finished(self) -> bool:
        """Whether no step is left to do."""
        total = self.task.steps()
        return (total is not None and self.step >= total) or self.task.done(self.state)

    async def run_chunk(self, steps: int, seconds: float) -> bool:
        """Do about ``steps`` steps or ``seconds`` seconds; returns whether the task is finished.

        Raises BudgetReached, NoConvergence, EngineError, StorageError and CancelledError; whatever
        was spent without committing a step is charged to the journal before any of them leaves.
        """
        last, end = self.step + steps, time.monotonic() + seconds
        breath = time.monotonic() + YIELD_SECONDS
        try:
            while not self.finished and self.step < last:
                self.budget.check()
                await self._advance()
                now = time.monotonic()
                if now >= end:
                    break
                if now >= breath:
                    await asyncio.sleep(0)
                    breath = time.monotonic() + YIELD_SECONDS
        except BaseException:
            self.pipeline.discard()
            self.charge()
            raise
        return self.finished

    async def _advance(self) -> None:
        """Settle and commit the next steps, or take steps back from a dead end."""
        try:
            settled = await self.pipeline.settle(self.state, self._left)
        except NoConvergence:
            if self.step > self._furthest:
                self._tries = 0
            if self._tries >= ROLLBACKS or not self._rollback or not self.step:
                raise
            self._take_back()
        else:
            self._commit(settled)

    def _take_back(self) -> None:
        """Undo the last steps: what led into a dead end may itself be wrong.

        The same votes would lead there again, so the next attempt draws others. Attempts are
        bounded until the run gets further than it ever was.
        """
        self.pipeline.discard()
        self.charge()
        self._tries += 1
        self._furthest = max(self._furthest, self.step)
        back = max(0, self.step - self._rollback * self._tries)
        self.status.note = f"step {self.step + 1:,} met a dead end: back to step {back:,}"
        # Kept first: a kill in between wastes some numbers of votes, and repeats none.
        self.pipeline.agent.first_draw += self.pipeline.agent.policy.max_votes
        self.journal.set_meta(FIRST_DRAW, str(self.pipeline.agent.first_draw))
        self.journal.rollback(back)
        if self.pilot is not None:
            self.pilot.go_back(back)
            self.journal.set_meta("pilot", self.pilot.dump())
        self._to_head()
        self.status.steps, self.status.state = self.step, self.state

    @property
    def _left(self) -> int:
        total = self.task.steps()
        return 2**63 if total is None else total - self.step

    def charge(self) -> None:
        """Write spending that led to no step to the journal's totals."""
        usage = self.spending.take()
        surplus, flagged = self._thrown_away()
        if usage or surplus or flagged:
            self.journal.charge(usage, self._lap(), flagged=flagged, surplus=surplus)
            self.status.flagged += flagged
            self.status.surplus += surplus

    def _commit(self, settled: Sequence[Settled]) -> None:
        rows, samples, news = [], [], False
        if self.pilot is not None:
            settled, news = self._steer(self.pilot, settled)
        for number, (decision, state) in enumerate(settled, self.step + 1):
            rows.append(_row(self.task, number, decision, state))
            if decision.draws:
                samples += _samples(number, decision)
        collisions = sum([decision.collision for decision, _ in settled])
        self.journal.append(rows, self.spending.take(), self._lap(), samples, collisions=collisions)
        self.step, self.state = rows[-1].step, settled[-1].state
        self._show(rows, settled)
        if self.pilot is not None and news:
            self.journal.set_meta("pilot", self.pilot.dump())
        if self.pipeline.surplus or self.pipeline.flagged:
            self.charge()

    def _steer(self, pilot: Pilot, settled: Sequence[Settled]) -> tuple[Sequence[Settled], bool]:
        """Let the pilot see the votes of one step after another, as without speculation.

        Returns the steps that stand, and whether the margin was thought over.
        """
        news = False
        for number, (decision, _) in enumerate(settled, self.step + 1):
            if not pilot.see(number, decision.tally):
                continue
            news = True
            if pilot.reconsider(number):
                kept = number - self.step
                self._change_margin(pilot.k, settled[kept:])
                return settled[:kept], news
        return settled, news

    def _change_margin(self, k: int, later: Sequence[Settled]) -> None:
        """Vote by another margin from now on; what was decided or begun by the old one is waste."""
        self.pipeline.agent.set_k(k)
        self.status.k = k
        self.pipeline.discard()
        surplus, flagged = wasted(later)
        self.pipeline.surplus += surplus
        self.pipeline.flagged += flagged

    def _thrown_away(self) -> tuple[int, int]:
        pipeline = self.pipeline
        counts = pipeline.surplus, pipeline.flagged
        pipeline.surplus = pipeline.flagged = 0
        return counts

    def _show(self, rows: Sequence[StepRow], settled: Sequence[Settled]) -> None:
        status = self.status
        status.steps, status.state = self.step, self.state
        status.tokens, status.usd = self.spending.tokens, self.spending.usd
        for row, (decision, _) in zip(rows, settled, strict=True):
            status.votes += row.votes
            status.flagged += row.flagged
            status.surplus += row.surplus
            if decision.how != "voted":
                status.note = f"step {row.step} was decided by {decision.how} ({row.tally})"

    def _lap(self) -> float:
        now = self.budget.seconds
        lap, self._seconds = now - self._seconds, now
        return lap


def _row(task: Task, number: int, decision: Decision, after: Any) -> StepRow:
    action, state = task.record(decision.step, after)
    return StepRow(
        number,
        action,
        state,
        sum(decision.tally),
        decision.flagged,
        decision.rounds,
        _tally(decision),
        decision.prompt_tokens,
        decision.completion_tokens,
        decision.surplus,
    )


def _tally(decision: Decision) -> str:
    """``3`` or ``4:1``; a leading letter marks a step decided otherwise (plurality, ...)."""
    mark = "" if decision.how == "voted" else decision.how[0]
    return mark + ":".join(map(str, decision.tally))


def _samples(step: int, decision: Decision) -> list[SampleRow]:
    return [
        SampleRow(step, number, sample.text, sample.finish, flag, sample.model)
        for number, sample, flag in decision.draws
    ]


def interrupted(steps: int) -> Interrupted:
    """The error of a run stopped on request after ``steps`` committed steps."""
    return Interrupted(f"interrupted after step {steps:,}")
