"""One microagent: the vote on a single step (MAKER Algorithms 2 and 3).

The rounds of votes are a ballot's business (:mod:`agents.ballot`). A step that spends ``max_votes``
undecided is handled by the policy, always visibly: it raises NoConvergence, or is decided by
plurality, or is voted on afresh, asked in the task's other ways or by the escalation model; the
decision says which.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agents.ballot import Ballot, Draw
from agents.policy import VotePolicy
from agents.spending import Spending
from engines.base import Engine
from reason.errors import NoConvergence
from tasks.base import Task


class Decision(NamedTuple):
    """The outcome of a step's vote.

    Attributes:
        step: the winning step, as the task parsed it.
        tally: votes per candidate, the winner's first.
        flagged: answers that were red-flagged.
        rounds: rounds of sampling.
        how: ``voted``, ``varied``, ``plurality`` or ``escalated``.
        draws: all samples of a step with dissent or flags; empty for a unanimous step.
        prompt_tokens, completion_tokens: of all samples of the step.
        collision: whether the first two valid votes both lost, a sign of correlated errors.
        surplus: valid votes of a ballot that was given up for another model's.
    """

    step: Any
    tally: tuple[int, ...]
    flagged: int
    rounds: int
    how: str
    draws: tuple[Draw, ...]
    prompt_tokens: int
    completion_tokens: int
    collision: bool = False
    surplus: int = 0


class Microagent:
    """Decides steps of one task with one policy.

    Args:
        task: writes prompts and reads answers.
        engines: the models that vote, in the turns of the policy's schedule.
        policy: the settings of the vote.
        spending: where every sample is charged, whatever becomes of it.
        check: called between rounds; raises when a budget is spent.
        escalation: the model that votes on steps which the others leave undecided.

    Attributes:
        variants: the ways of asking in use.
        first_draw: number of a step's first draw; it changes when a step is tried afresh.
    """

    def __init__(
        self,
        task: Task,
        engines: Sequence[Engine],
        policy: VotePolicy,
        spending: Spending,
        check: Callable[[], None] = lambda: None,
        escalation: Engine | None = None,
    ) -> None:
        self.task, self.engines, self.policy = task, tuple(engines), policy
        self.spending, self.check, self.escalation = spending, check, escalation
        self.variants = tuple(task.variants()[: policy.variants])
        self.first_draw = 0

    def set_k(self, k: int) -> None:
        """Change the margin from the next step on."""
        votes = max(self.policy.max_votes, 10 * k)
        self.policy = replace(self.policy, k=k, max_votes=votes)

    async def decide(self, state: Any) -> Decision:
        """Vote on the step that follows ``state``; see :meth:`Deliberation.decide`."""
        return await Deliberation(self, state).decide()


class Deliberation:
    """The vote on one step, from the first draw to the decision.

    Args:
        agent: whose models, policy and account are used.
        state: the state that the step starts from.
        on_first: told the first valid vote as soon as it is there, before the others.
    """

    def __init__(
        self, agent: Microagent, state: Any, on_first: Callable[[Any], None] | None = None
    ) -> None:
        self.agent, self.state = agent, state
        self._ballots = [Ballot(agent, agent.engines, state, on_first)]

    @property
    def asked(self) -> int:
        """Samples asked for so far, those still in flight included."""
        return sum(ballot.asked for ballot in self._ballots)

    @property
    def flagged(self) -> int:
        """Answers red-flagged so far."""
        return sum(ballot.flagged for ballot in self._ballots)

    async def decide(self) -> Decision:
        """Draw votes until the step is decided.

        Raises NoConvergence when the policy is to stop, EngineError, and whatever the agent's
        ``check`` raises.
        """
        agent, (ballot,) = self.agent, self._ballots
        if await ballot.run():
            return self._decision(ballot, "voted")
        policy = agent.policy.on_no_convergence
        if policy == "plurality" and ballot.race.votes:
            return self._decision(ballot, "plurality")
        others = agent.task.variants()[len(agent.variants) :]
        if policy == "vary" and others:
            second = Ballot(agent, agent.engines, self.state, variants=others)
            if await self._afresh(second):
                return self._decision(second, "varied")
        if policy == "escalate" and agent.escalation is not None:
            second = Ballot(agent, (agent.escalation,), self.state, reserve=True)
            if await self._afresh(second):
                return self._decision(second, "escalated")
        raise NoConvergence(
            f"no answer was decided within {agent.policy.max_votes} samples (tally "
            f"{ballot.race.tally() or 'empty'}, {ballot.flagged} red-flagged); raise --max-votes, "
            "ask in other ways (--variants), or choose --on-no-convergence vary, plurality or "
            "escalate"
        )

    async def _afresh(self, ballot: Ballot) -> bool:
        """Hold a second ballot; what was spent on the first stays counted."""
        self._ballots.append(ballot)
        return await ballot.run()

    def _decision(self, last: "Ballot", how: str) -> Decision:
        tally, flagged, ballots = last.race.tally(), self.flagged, self._ballots
        notable = flagged or len(tally) > 1 or how != "voted"
        draws = [draw for ballot in ballots for draw in ballot.draws]
        return Decision(
            step=last.winner,
            tally=tally,
            flagged=flagged,
            rounds=sum(ballot.rounds for ballot in ballots),
            how=how,
            draws=tuple(draws) if notable else (),
            prompt_tokens=sum([draw.sample.prompt_tokens for draw in draws]),
            completion_tokens=sum([draw.sample.completion_tokens for draw in draws]),
            collision=last.collision,
            surplus=sum(ballot.race.votes for ballot in ballots) - last.race.votes,
        )
