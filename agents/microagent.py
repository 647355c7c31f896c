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
from engines.concurrency import together
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
        collision: whether the first two valid votes both lost, a sign of correlated errors.
        surplus: valid votes of a ballot that was given up for another model's.
    """

    step: Any
    tally: tuple[int, ...]
    flagged: int
    rounds: int
    how: str
    draws: tuple[Draw, ...]
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
        """Vote on the step that follows ``state``.

        Raises NoConvergence when the policy is to stop, EngineError, and whatever ``check`` raises.
        """
        prompt = self.task.prompt(state)
        ballot = _Ballot(self, self.engines)
        if await ballot.run(prompt):
            return ballot.decision("voted")
        policy = self.policy.on_no_convergence
        if policy == "plurality" and ballot.race.votes:
            return ballot.decision("plurality")
        if policy == "escalate" and self.escalation is not None:
            second = _Ballot(self, (self.escalation,))
            if await second.run(prompt):
                return second.decision("escalated", before=ballot)
        raise NoConvergence(
            f"no answer was decided within {self.policy.max_votes} samples (tally "
            f"{ballot.race.tally() or 'empty'}, {ballot.flagged} red-flagged); raise --max-votes, "
            "or choose --on-no-convergence plurality or escalate"
        )


class _Ballot:
    """The rounds of one race on one prompt."""

    def __init__(self, agent: Microagent, engines: tuple[Engine, ...]) -> None:
        self.agent, self.engines = agent, engines
        self.race = Race(agent.policy.k, agent.policy.rule)
        self.flagged = 0
        self.rounds = 0
        self.draws: list[Draw] = []
        self._first: list[Hashable] = []
        self._steps: dict[Hashable, Any] = {}
        self._read: dict[str, Hashable | RedFlag] = {}

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
            for model, sample in await self._sample(prompt, len(self.draws), count):
                self._count(model, sample)
        return True

    async def _sample(self, prompt: Prompt, first: int, count: int) -> list[tuple[str, Sample]]:
        """The next ``count`` draws in order, each with the model that is charged for it."""
        policy, task, engines = self.agent.policy, self.agent.task, self.engines
        temperatures = policy.temperatures(first, count)
        if len(engines) == 1:
            request = Request(prompt, policy.max_tokens, temperatures, first, task.stop)
            model = engines[0].model
            return [(model, sample) for sample in await engines[0].sample(request)]
        requests = [
            Request(prompt, policy.max_tokens, (temperature,), first + at, task.stop)
            for at, temperature in enumerate(temperatures)
        ]
        drawn = await together(
            engines[request.first % len(engines)].sample(request) for request in requests
        )
        return [
            (engines[request.first % len(engines)].model, sample)
            for request, samples in zip(requests, drawn, strict=True)
            for sample in samples
        ]

    def _count(self, model: str, sample: Sample) -> None:
        """Charge a sample and count its vote, or its red flag."""
        self.agent.spending.add(model, sample)
        vote = self._vote(sample)
        if isinstance(vote, RedFlag):
            self.flagged += 1
            self.agent.spending.flag()
            self.draws.append(Draw(len(self.draws), sample, vote.reason))
        else:
            self.race.add(vote)
            if len(self._first) < 2:
                self._first.append(vote)
            self.draws.append(Draw(len(self.draws), sample, ""))

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

    def decision(self, how: str, before: "_Ballot | None" = None) -> Decision:
        """The leader as the outcome; ``before`` is the undecided ballot that led to this one."""
        earlier = before or _Ballot(self.agent, ())
        draws = (*earlier.draws, *self.draws)
        flagged = self.flagged + earlier.flagged
        tally, winner = self.race.tally(), self.race.leader
        notable = flagged or len(tally) > 1 or how != "voted"
        return Decision(
            step=self._steps[winner],
            tally=tally,
            flagged=flagged,
            rounds=self.rounds + earlier.rounds,
            how=how,
            draws=draws if notable else (),
            collision=len(self._first) == 2 and winner not in self._first,
            surplus=earlier.race.votes,
        )
