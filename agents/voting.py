"""The vote on one step: first-to-ahead-by-k and first-to-k (MAKER section 3.2, Algorithm 2).

A race is pure and synchronous. It is fed votes in a fixed order, the order in which they were
asked for, and says whether it is decided; so its result cannot depend on which answer came back
first, and a race can be tested without any model.

``needed`` is the least number of further votes that can decide the race. Asking for exactly that
many in each round draws every vote that a one-at-a-time vote would have drawn and not one more.

Models of different skill vote by likelihood: each vote counts the log-odds ln(p/(1-p)) of its
voter, and the race ends when the sums of the leader and of the runner-up are far enough apart for
the wanted posterior odds: Wald's sequential test, with the closest rival as the alternative.
Among equal models that is ahead-by-k to the letter.
"""

from collections.abc import Hashable, Sequence
from math import ceil
from typing import Literal, TypeAlias

Rule: TypeAlias = Literal["ahead-by-k", "first-to-k", "likelihood"]


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

    def add(self, key: Hashable, voter: int = 0) -> bool:
        """Count one vote, whoever cast it; returns whether the race is decided now."""
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


class LikelihoodRace:
    """Weighs votes until the evidence for one candidate suffices.

    Args:
        weights: log-odds of each voter, in nats; votes of a voter at 0 count for nothing.
        threshold: the difference of sums that decides.
    """

    __slots__ = ("_class_of", "_weights", "counts", "leader", "threshold", "votes")

    def __init__(self, weights: Sequence[float], threshold: float) -> None:
        if max(weights) <= 0:
            raise ValueError("no voter is better than a coin")
        # Votes of equal weight are counted together before they are weighed, so that rounding
        # cannot tell who cast them.
        self._weights = sorted(set(weights))
        self._class_of = [self._weights.index(weight) for weight in weights]
        self.threshold = threshold
        self.counts: dict[Hashable, list[int]] = {}
        self.leader: Hashable = None
        self.votes = 0

    def add(self, key: Hashable, voter: int = 0) -> bool:
        """Count one vote of ``voter``; returns whether the race is decided now."""
        counts = self.counts.setdefault(key, [0] * len(self._weights))
        counts[self._class_of[voter]] += 1
        self.votes += 1
        if self.leader is None or self._apart(counts, self.counts[self.leader]) > 0:
            self.leader = key
        return self.decided

    def _apart(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Evidence for one candidate over another."""
        pairs = zip(self._weights, one, other, strict=True)
        return sum(weight * (mine - yours) for weight, mine, yours in pairs)

    @property
    def score(self) -> float:
        """Evidence for the leader over the closest rival, or over nothing."""
        if self.leader is None:
            return 0.0
        lead, nothing = self.counts[self.leader], [0] * len(self._weights)
        rivals = [counts for key, counts in self.counts.items() if key != self.leader]
        return min(self._apart(lead, rival) for rival in [*rivals, nothing])

    @property
    def decided(self) -> bool:
        """Whether the evidence suffices."""
        return self.score >= self.threshold

    @property
    def needed(self) -> int:
        """The least number of further votes that can decide the race."""
        return max(0, ceil((self.threshold - self.score) / self._weights[-1] - 1e-9))

    def tally(self) -> tuple[int, ...]:
        """Votes per candidate, the leader's first, then falling."""
        if self.leader is None:
            return ()
        rest = [sum(counts) for key, counts in self.counts.items() if key != self.leader]
        return (sum(self.counts[self.leader]), *sorted(rest, reverse=True))
