"""The anatomy of a run: what its journal says about votes, rounds, flags and hard steps.

One streaming pass over the journal, in constant memory, after the run; nothing is measured while
steps are being decided. p is estimated by the share of votes that went to the winners. If votes
were independent, the first two of a step would both lose in about (1-p)^2 of the steps; more such
*collisions* than that mean errors that go together, which voting mends badly.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from agents.theory import wilson
from runs.journal import Journal, StepRow

HARDEST = 20

UNUSUAL = {"p": "plurality", "e": "escalated", "v": "varied"}
"""How a step was decided, by the mark on its tally."""


@dataclass
class Anatomy:
    """Counts over the steps of a run.

    Attributes:
        steps, votes, won, flagged: steps, valid votes, votes for the winners, red flags.
        by_votes, by_rounds: steps by votes and by rounds of sampling.
        unusual: steps by how they were decided, if not by votes alone.
        hardest: steps with the most samples.
    """

    steps: int = 0
    votes: int = 0
    won: int = 0
    flagged: int = 0
    by_votes: Counter[int] = field(default_factory=Counter)
    by_rounds: Counter[int] = field(default_factory=Counter)
    unusual: Counter[str] = field(default_factory=Counter)
    hardest: list[StepRow] = field(default_factory=list)

    def add(self, row: StepRow) -> None:
        """Count one step."""
        tally = row.tally.lstrip("".join(UNUSUAL))
        self.steps += 1
        self.votes += row.votes
        self.won += int(tally.partition(":")[0])
        self.flagged += row.flagged
        self.by_votes[row.votes] += 1
        self.by_rounds[row.rounds] += 1
        if tally != row.tally:
            self.unusual[UNUSUAL[row.tally[0]]] += 1

    @property
    def undecided(self) -> list[int]:
        """Steps still undecided after round 0, 1, 2, ... of sampling."""
        left, series = self.steps, [self.steps]
        for rounds in range(1, max(self.by_rounds, default=0) + 1):
            left -= self.by_rounds[rounds]
            series.append(left)
        return series


def dissect(journal: Journal) -> Anatomy:
    """The anatomy of a journal."""
    anatomy = Anatomy()
    hardest: list[tuple[int, int, StepRow]] = []
    for row, _ in journal.rows():
        anatomy.add(row)
        if row.rounds > 1:
            heapq.heappush(hardest, (row.votes + row.flagged, -row.step, row))
            if len(hardest) > HARDEST:
                heapq.heappop(hardest)
    anatomy.hardest = [row for _, _, row in sorted(hardest, reverse=True)]
    return anatomy


def figures(journal: Journal) -> dict[str, Any]:
    """The anatomy and the totals as JSON."""
    anatomy, totals = dissect(journal), journal.totals()
    p = anatomy.won / anatomy.votes if anatomy.votes else 0.0
    valid = anatomy.votes + anatomy.flagged
    return {
        "steps": anatomy.steps,
        "votes": anatomy.votes,
        "p": {"estimate": p, "interval": wilson(anatomy.won, anatomy.votes)},
        "v": {
            "estimate": anatomy.votes / valid if valid else 0.0,
            "interval": wilson(anatomy.votes, valid),
        },
        "flagged": totals.flagged,
        "surplus_votes": totals.surplus,
        "collisions": {"seen": totals.collisions, "expected": (1 - p) ** 2 * anatomy.steps},
        "undecided_by_round": anatomy.undecided,
        "steps_by_votes": dict(sorted(anatomy.by_votes.items())),
        "decided_otherwise": dict(anatomy.unusual),
        "hardest_steps": [
            {"step": row.step, "tally": row.tally, "flagged": row.flagged, "rounds": row.rounds}
            for row in anatomy.hardest
        ],
        "tokens": {"prompt": totals.prompt_tokens, "completion": totals.completion_tokens},
        "seconds": totals.seconds,
        "usage": [usage._asdict() for usage in journal.usage()],
    }
