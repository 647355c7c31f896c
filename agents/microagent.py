"""One microagent: the vote on a single step (MAKER Algorithms 2 and 3).

A first round asks for as many votes as could decide the race, in parallel; further rounds top up
by the least number that still could. Red-flagged answers are discarded and drawn again, never
repaired. Votes count in the order asked for.

Several models share the draws in turn. A step that spends ``max_votes`` undecided is handled by
the policy, always visibly: it raises NoConvergence, or is decided by plurality, or is voted on
afresh by the escalation model; the decision says which.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agents.policy import VotePolicy
from agents.spending import Spending
from agents.voting import Race
from engines.base import Engine, Request, Sample
from engines.concurrency import in_order
from reason.errors import NoConvergence
from reason.prompt import Prompt
from tasks.base import RedFlag, Task


class Draw(NamedTuple):
    """One sample worth keeping for a person to read: ``flag`` is empty for a valid vote."""

    number: int
    sample: Sample
    flag: str


class Decision(NamedTuple):
    """The outcome of a step's vote.

    Attributes:
        step: the winning step, as the task parsed it.
        tally: votes per candidate, the winner's first.
        flagged: answers that were red-flagged.
        rounds: rounds of sampling.
        how: ``voted``, ``plurality`` or ``escalated``.
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
        engines: the models that vote; draw ``i`` goes to engine ``i`` modulo their number.
        policy: the settings of the vote.
        spending: where every sample is charged, whatever becomes of it.
        check: called between rounds; raises when a budget is spent.
        escalation: the model that votes on steps which the others leave undecided.
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
        self._ballots = [_Ballot(agent, agent.engines, on_first)]

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
        agent, prompt, (ballot,) = self.agent, self.agent.task.prompt(self.state), self._ballots
        if await ballot.run(prompt):
            return self._decision(ballot, "voted")
        policy = agent.policy.on_no_convergence
        if policy == "plurality" and ballot.race.votes:
            return self._decision(ballot, "plurality")
        if policy == "escalate" and agent.escalation is not None:
            second = _Ballot(agent, (agent.escalation,))
            self._ballots.append(second)
            if await second.run(prompt):
                return self._decision(second, "escalated")
        raise NoConvergence(
            f"no answer was decided within {agent.policy.max_votes} samples (tally "
            f"{ballot.race.tally() or 'empty'}, {ballot.flagged} red-flagged); raise --max-votes, "
            "or choose --on-no-convergence plurality or escalate"
        )

    def _decision(self, last: "_Ballot", how: str) -> Decision:
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


class _Ballot:
    """The rounds of one race on one prompt."""

    def __init__(
        self,
        agent: Microagent,
        engines: tuple[Engine, ...],
        on_first: Callable[[Any], None] | None = None,
    ) -> None:
        self.agent, self.engines, self.on_first = agent, engines, on_first
        self.race = Race(agent.policy.k, agent.policy.rule)
        self.flagged = 0
        self.rounds = 0
        self.asked = 0
        self.draws: list[Draw] = []
        self._first: list[Hashable] = []
        self._steps: dict[Hashable, Any] = {}
        self._read: dict[str, Hashable | RedFlag] = {}

    @property
    def winner(self) -> Any:
        """The leading step."""
        return self._steps[self.race.leader]

    @property
    def collision(self) -> bool:
        """Whether the first two valid votes both lost."""
        return len(self._first) == 2 and self.race.leader not in self._first

    async def run(self, prompt: Prompt) -> bool:
        """Draw rounds until the race is decided (True) or the votes are spent (False)."""
        race, limit = self.race, self.agent.policy.max_votes
        while not race.decided:
            count = min(race.needed, limit - len(self.draws))
            if count <= 0:
                return False
            if self.rounds:
                self.agent.check()
            self.rounds += 1
            self.asked += count
            await self._round(prompt, len(self.draws), count)
        return True

    async def _round(self, prompt: Prompt, first: int, count: int) -> None:
        """Draw ``count`` votes at once and count them in the order asked for."""
        policy, engines = self.agent.policy, self.engines
        temperatures = policy.temperatures(first, count)
        if len(engines) > 1:
            parts = [(at, temperatures[at : at + 1]) for at in range(count)]
        elif self.on_first is not None and count > 1:  # the first vote must not wait for the rest
            parts = [(0, temperatures[:1]), (1, temperatures[1:])]
        else:
            parts = [(0, temperatures)]
        await in_order((self._ask(prompt, first + at, part) for at, part in parts), self._tally)

    async def _ask(
        self, prompt: Prompt, first: int, temperatures: tuple[float, ...]
    ) -> tuple[str, list[Sample]]:
        """One request; the model that is charged, and its samples."""
        engine = self.engines[first % len(self.engines)]
        cap, stop = self.agent.policy.max_tokens, self.agent.task.stop
        samples = await engine.sample(Request(prompt, cap, temperatures, first, stop))
        return engine.model, samples

    def _tally(self, answer: tuple[str, list[Sample]]) -> None:
        model, samples = answer
        for sample in samples:
            self._count(model, sample)

    def _count(self, model: str, sample: Sample) -> None:
        """Charge a sample and count its vote, or its red flag."""
        self.agent.spending.add(model, sample)
        vote = self._vote(sample)
        if isinstance(vote, RedFlag):
            self.flagged += 1
            self.draws.append(Draw(len(self.draws), sample, vote.reason))
            return
        self.race.add(vote)
        self.draws.append(Draw(len(self.draws), sample, ""))
        if len(self._first) < 2:
            self._first.append(vote)
            if self.on_first is not None and len(self._first) == 1:
                self.on_first(self._steps[vote])

    def _vote(self, sample: Sample) -> Hashable | RedFlag:
        if sample.finish == "length":
            return RedFlag("length")
        text = sample.text
        if text not in self._read:  # votes of one step are mostly equal to the letter
            self._read[text] = self._parse(text)
        return self._read[text]

    def _parse(self, text: str) -> Hashable | RedFlag:
        if any(pattern.search(text) for pattern in self.agent.policy.red_flags):
            return RedFlag("predicate")
        try:
            step = self.agent.task.parse(text)
        except RedFlag as flag:
            return flag
        key = self.agent.task.key(step)
        self._steps.setdefault(key, step)
        return key
