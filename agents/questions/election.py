"""A vote on free answers: first-to-ahead-by-k over what the answers *mean*.

Answers are read by a function that raises RedFlag for those to discard; two that are equivalent are
votes for the same candidate, whatever their words. The rounds are those of a step's vote: each asks
for the least number of answers that could decide, and answers count in the order asked for.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from agents.questions.desk import Desk, Role
from agents.questions.trace import Node
from agents.voting import Race
from engines.base import Sample
from tasks.base import RedFlag

Read = Callable[[str], str]
"""The candidate that an answer names; raises RedFlag."""

Same = Callable[[str, str], bool]
"""Whether two candidates are one."""

_COMPARING = ThreadPoolExecutor(1, "compare")  # one: expressions are compared one at a time anyway


@dataclass
class Election:
    """One vote.

    Attributes:
        slow: whether ``same`` may take seconds; it is then kept off the event loop.
        race: the votes, by candidate.
        flagged: answers discarded.
        texts: raw answers, in order.
        spoken: for each candidate the first valid answer that named it, in full.
    """

    read: Read
    same: Same
    k: int
    slow: bool = False
    flagged: int = 0
    texts: list[str] = field(default_factory=list)
    spoken: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.race = Race(self.k)

    @property
    def winner(self) -> str | None:
        """The candidate in the lead; None without a valid answer."""
        return str(self.race.leader) if self.race.votes else None

    async def count(self, samples: Sequence[Sample]) -> None:
        """Count answers as votes, or as red flags."""
        for sample in samples:
            self.texts.append(sample.text)
            try:
                if sample.finish == "length":
                    raise RedFlag("length")
                await self._vote(self.read(sample.text), sample.text)
            except RedFlag:
                self.flagged += 1

    async def _vote(self, named: str, text: str) -> None:
        known = await self._known(named)
        self.spoken.setdefault(known, text)
        self.race.add(known)

    async def _known(self, named: str) -> str:
        """The candidate that a name stands for: one there already, or the name itself."""
        if named in self.spoken:
            return named
        for one in self.spoken:
            if await self._is_same(one, named):
                return one
        return named

    async def _is_same(self, one: str, other: str) -> bool:
        if not self.slow:
            return self.same(one, other)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_COMPARING, self.same, one, other)

    def node(self, kind: str, question: str) -> Node:
        """The vote as part of a trace."""
        tally = sorted(self.race.counts.items(), key=lambda item: item[0] != self.race.leader)
        ended: Node = {
            "kind": kind,
            "question": question,
            "answer": self.winner,
            "tally": [(str(key), votes) for key, votes in tally],
            "flagged": self.flagged,
            "texts": self.texts,
        }
        if not self.race.decided:
            ended["note"] = "undecided" if self.race.votes else "no valid answer"
        return ended


async def elect(
    desk: Desk,
    role: Role,
    prompt: str,
    fields: dict[str, str],
    election: Election,
    most: int | None = None,
) -> Election:
    """Draw answers until the election is decided or its votes are spent; returns it.

    A vote may use ``most`` answers, by default as many as any.
    """
    race, most = election.race, most or desk.manner.max_votes
    while not race.decided:
        drawn = len(election.texts)
        count = min(race.needed, most - drawn)
        if count <= 0:
            break
        await election.count(await desk.ask(role, prompt, fields, first=drawn, count=count))
    return election
