"""The rounds of one race: drawing votes, flagging answers, counting.

A first round asks for as many votes as could decide the race, in parallel; further rounds top up
by the least number that still could. Red-flagged answers are discarded and drawn again, never
repaired. Votes count in the order asked for. Several models share the draws in turn.
"""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.voting import Race
from engines.base import Engine, Request, Sample
from engines.concurrency import in_order
from reason.prompt import Prompt
from tasks.base import RedFlag

if TYPE_CHECKING:
    from agents.microagent import Microagent


class Draw(NamedTuple):
    """One sample worth keeping for a person to read: ``flag`` is empty for a valid vote."""

    number: int
    sample: Sample
    flag: str


class Ballot:
    """One race on one prompt.

    Args:
        agent: whose task, policy and account are used.
        engines: the models that vote; draw ``i`` goes to engine ``i`` modulo their number.
        on_first: told the first valid vote as soon as it is there, before the others.

    Attributes:
        race: the votes so far.
        asked, flagged, rounds: samples asked for, answers red-flagged, rounds of sampling.
        draws: all samples, in order.
    """

    def __init__(
        self,
        agent: "Microagent",
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
