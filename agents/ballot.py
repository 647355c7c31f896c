"""The rounds of one race: drawing votes, flagging answers, counting.

A first round asks for as many votes as could decide the race, in parallel; further rounds top up
by the least number that still could. Red-flagged answers are discarded and drawn again, never
repaired. Votes count in the order asked for. Several models share the draws in turn.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.policy import VotePolicy
from agents.voting import LikelihoodRace, Race
from engines.base import Engine, Request, Sample
from engines.concurrency import in_order
from reason.prompt import Prompt
from tasks.base import RedFlag, Variant

if TYPE_CHECKING:
    from agents.microagent import Microagent


class Draw(NamedTuple):
    """One sample worth keeping for a person to read: ``flag`` is empty for a valid vote."""

    number: int
    sample: Sample
    flag: str


class Ballot:
    """One race on one step.

    Args:
        agent: whose task, policy and account are used.
        engines: the models that vote, in the turns of the policy's schedule.
        state: the state that the step starts from.
        on_first: told the first valid vote as soon as it is there, before the others.
        variants: the ways of asking that votes take by turns; the agent's own unless given.
        reserve: whether the engines are not those whose votes were weighed: they vote by margin.

    Attributes:
        race: the votes so far.
        asked, flagged, rounds: samples asked for, answers red-flagged, rounds of sampling.
        draws: all samples, in order.
    """

    def __init__(
        self,
        agent: "Microagent",
        engines: tuple[Engine, ...],
        state: Any,
        on_first: Callable[[Any], None] | None = None,
        variants: Sequence[Variant] = (),
        *,
        reserve: bool = False,
    ) -> None:
        self.agent, self.engines, self.state, self.on_first = agent, engines, state, on_first
        self.variants = variants or agent.variants
        self.race = _race(agent.policy, reserve=reserve)
        self._turns = _turns(agent.policy, len(engines))
        self._single = len(engines) == len(self.variants) == 1
        self._prompts: dict[int, Prompt] = {}
        self.flagged = 0
        self.rounds = 0
        self.asked = 0
        self.draws: list[Draw] = []
        self._first: list[Hashable] = []
        self._steps: dict[Hashable, Any] = {}
        self._read: dict[tuple[int, str], Hashable | RedFlag] = {}

    @property
    def winner(self) -> Any:
        """The leading step."""
        return self._steps[self.race.leader]

    @property
    def collision(self) -> bool:
        """Whether the first two valid votes both lost."""
        return len(self._first) == 2 and self.race.leader not in self._first

    async def run(self) -> bool:
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
            await self._round(len(self.draws), count)
        return True

    async def _round(self, first: int, count: int) -> None:
        """Draw ``count`` votes at once and count them in the order asked for."""
        temperatures = self.agent.policy.temperatures(first, count)
        if not self._single:
            parts = [(at, temperatures[at : at + 1]) for at in range(count)]
        elif self.on_first is not None and count > 1:  # the first vote must not wait for the rest
            parts = [(0, temperatures[:1]), (1, temperatures[1:])]
        else:
            parts = [(0, temperatures)]
        await in_order((self._ask(first + at, part) for at, part in parts), self._tally)

    async def _ask(
        self, first: int, temperatures: tuple[float, ...]
    ) -> tuple[int, int, list[Sample]]:
        """One request; the turns of its model and its variant, and its samples."""
        agent, voter = self.agent, self._turns[first % len(self._turns)]
        variant = self._asked_before(first, voter) % len(self.variants)
        if variant not in self._prompts:
            self._prompts[variant] = self.variants[variant].prompt(self.state)
        cap, stop = agent.policy.max_tokens, agent.task.stop
        number = agent.first_draw + first
        request = Request(self._prompts[variant], cap, temperatures, number, stop)
        samples = await self.engines[voter].sample(request)
        for sample in samples:  # at once: what comes before them in order may fail
            agent.spending.add(self.engines[voter].model, sample)
        return voter, variant, samples

    def _asked_before(self, first: int, voter: int) -> int:
        """How many of the draws before ``first`` were this model's."""
        whole, rest = divmod(first, len(self._turns))
        return whole * self._turns.count(voter) + self._turns[:rest].count(voter)

    def _tally(self, answer: tuple[int, int, list[Sample]]) -> None:
        voter, variant, samples = answer
        for sample in samples:
            self._count(voter, variant, sample)

    def _count(self, voter: int, variant: int, sample: Sample) -> None:
        """Count a sample's vote, or its red flag."""
        vote = self._vote(variant, sample)
        if isinstance(vote, RedFlag):
            self.flagged += 1
            self.draws.append(Draw(len(self.draws), sample, vote.reason))
            return
        self.race.add(vote, voter)
        self.draws.append(Draw(len(self.draws), sample, ""))
        if len(self._first) < 2:
            self._first.append(vote)
            if self.on_first is not None and len(self._first) == 1:
                self.on_first(self._steps[vote])

    def _vote(self, variant: int, sample: Sample) -> Hashable | RedFlag:
        if sample.finish == "length":
            return RedFlag("length")
        heard = (variant, sample.text)
        if heard not in self._read:  # votes of one step are mostly equal to the letter
            self._read[heard] = self._parse(*heard)
        return self._read[heard]

    def _parse(self, variant: int, text: str) -> Hashable | RedFlag:
        agent = self.agent
        if any(pattern.search(text) for pattern in agent.policy.red_flags):
            return RedFlag("predicate")
        try:
            step = self.variants[variant].parse(text)
        except RedFlag as flag:
            return flag
        if agent.policy.check_transitions and (fault := agent.task.objection(self.state, step)):
            return RedFlag(fault)
        key = agent.task.key(step)
        self._steps.setdefault(key, step)
        return key


def _turns(policy: VotePolicy, voters: int) -> tuple[int, ...]:
    """Whose turn each draw is."""
    if voters > 1 and policy.schedule:
        return policy.schedule
    return tuple(range(voters))


def _race(policy: VotePolicy, *, reserve: bool) -> Race | LikelihoodRace:
    """The race that the policy asks for; a model in reserve votes by margin."""
    if policy.evidence is not None and not reserve:
        return LikelihoodRace(*policy.evidence)
    return Race(policy.k, "first-to-k" if policy.rule == "first-to-k" else "ahead-by-k")
