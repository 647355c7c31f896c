"""The vote on one step: first-to-ahead-by-k and first-to-k (MAKER section 3.2, Algorithm 2).

A race is pure and synchronous. It is fed votes in a fixed order, the order in which they were
asked for, and says whether it is decided; so its result cannot depend on which answer came back
first, and a race can be tested without any model.

``needed`` is the least number of further votes that can decide the race. Asking for exactly that
many in each round draws every vote that a one-at-a-time vote would have drawn and not one more.
"""

from collections.abc import Hashable
from typing import Literal, TypeAlias

Rule: TypeAlias = Literal["ahead-by-k", "first-to-k"]


class Race:
    """Counts votes until one candidate wins.

    Args:
        k: the margin (``ahead-by-k``) or the count (``first-to-k``) that wins; at least 1.
        rule: which of the two.
    """

    __slots__ = ("_lead_by", "counts", "k", "leader", "votes")

    def __init__(self, k: int, rule: Rule = "ahead-by-k") -> None:
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        self.k = k
        self.counts: dict[Hashable, int] = {}
        self.leader: Hashable = None
        self.votes = 0
        self._lead_by = rule == "ahead-by-k"

    def add(self, key: Hashable) -> bool:
        """Count one vote; returns whether the race is decided now."""
        counts = self.counts
        count = counts.get(key, 0) + 1
        counts[key] = count
        self.votes += 1
        # Ties stay with the candidate that led first, so the leader is a function of the order.
        if count > counts.get(self.leader, 0):
            self.leader = key
        return self.decided

    @property
    def margin(self) -> int:
        """Votes of the leader less those of the runner-up (0 before the first vote)."""
        if not self.counts:
            return 0
        lead = self.counts[self.leader]
        if len(self.counts) == 1:
            return lead
        return lead - max(n for key, n in self.counts.items() if key != self.leader)

    @property
    def score(self) -> int:
        """What the rule compares with k: the margin, or the leader's count."""
        return self.margin if self._lead_by else self.counts.get(self.leader, 0)

    @property
    def decided(self) -> bool:
        """Whether a candidate has won."""
        return self.score >= self.k

    @property
    def needed(self) -> int:
        """The least number of further votes that can decide the race."""
        return max(0, self.k - self.score)

    def tally(self) -> tuple[int, ...]:
        """Votes per candidate, the leader's first, then falling."""
        if not self.counts:
            return ()
        rest = sorted((n for key, n in self.counts.items() if key != self.leader), reverse=True)
        return (self.counts[self.leader], *rest)
