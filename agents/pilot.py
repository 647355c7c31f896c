"""Keeping the margin right while a run goes on: the online half of ``--k auto``.

A measurement before the run knows p from some hundred answers; the run itself soon knows it from
thousands. Votes for a step's winner count as right answers and all others as wrong ones, which
errs only where a whole vote went wrong. With a uniform prior that makes a Beta posterior of p, and
its lower credible bound takes p's place in the formulas.

The target leaves -ln(target) of risk to the whole run. Steps already decided have spent theirs (by
today's p, at the margin they had); the margin is the least that keeps what is left to do within
what is left of the risk. It rises when the model proves worse than measured and falls when the
measurement was too cautious; every change is kept in the journal.

What the pilot knows is kept at every reconsideration, and with it the last step it has seen. The
votes of later steps are in the journal's rows, so a resumed run knows what an undisturbed one
would.
"""

import json
import math
from collections.abc import Iterable, Sequence

from agents.theory import k_min, run_success

CREDIBLE = 1.2816  # one-sided 90%
GROWTH = 1.05  # the margin is thought over when this many times as many votes are known
MOST = 1000


class Pilot:
    """Chooses the margin of a run of known length.

    Args:
        target: wanted chance that all steps are right.
        steps: of the whole run.
        right, wrong: votes known so far.
        changes: (step after which a margin holds, margin), in order.
        step: the last step seen; None where that was not kept.
        known: votes known when the margin was last thought over; all of them unless given.
    """

    def __init__(
        self,
        target: float,
        steps: int,
        right: int,
        wrong: int,
        changes: list[tuple[int, int]],
        step: int | None = 0,
        known: int | None = None,
    ) -> None:
        self.target, self.steps = target, steps
        self.right, self.wrong, self.changes, self.step = right, wrong, changes, step
        self._known = right + wrong if known is None else known

    @property
    def k(self) -> int:
        """The margin in force."""
        return self.changes[-1][1]

    @property
    def p(self) -> float:
        """The lower credible bound of p."""
        a, b = self.right + 1, self.wrong + 1
        deviation = math.sqrt(a * b / (a + b + 1)) / (a + b)
        return max(0.0, a / (a + b) - CREDIBLE * deviation)

    def see(self, step: int, tally: Sequence[int]) -> bool:
        """Count the votes of ``step``; returns whether it is time to think the margin over."""
        self.step = step
        self.right += tally[0]
        self.wrong += sum(tally[1:])
        return self.right + self.wrong > GROWTH * self._known

    def reconsider(self, step: int) -> bool:
        """Settle the margin of the steps after ``step``; returns whether it changed."""
        self._known = self.right + self.wrong
        k = self._margin(step)
        if k is None or k == self.k:
            return False
        self.changes.append((step, k))
        return True

    def catch_up(self, rows: Iterable[tuple[int, str]]) -> None:
        """See steps, each with its tally as the journal has it, that were decided meanwhile."""
        for step, text in rows:
            tally = [int(votes) for votes in text.lstrip("vpe").split(":")]
            if self.see(step, tally):
                self.reconsider(step)

    def go_back(self, step: int) -> None:
        """The steps after ``step`` are taken back; their votes stay known, the margin stays."""
        self.step = step
        self.changes = [(min(start, step), k) for start, k in self.changes]

    def _margin(self, step: int) -> int | None:
        p, left = self.p, self.steps - step
        if left <= 0 or p <= 0.5:
            return None  # nothing left to settle, or no margin that could help
        allowed = -math.log(self.target) - self._spent(step)
        if allowed <= 0:  # too late for the whole; keep the rest as safe as the whole should be
            return k_min(p, left, self.target)
        return min(MOST, k_min(p, left, math.exp(-allowed)) or MOST)

    def _spent(self, step: int) -> float:
        """Risk of the steps done: minus the log of the chance that all of them are right."""
        risk, ends = 0.0, [start for start, _ in self.changes[1:]] + [step]
        for (start, k), end in zip(self.changes, ends, strict=True):
            risk -= math.log(max(1e-300, run_success(self.p, k, end - start)))
        return risk

    def dump(self) -> str:
        """The form kept in the journal."""
        names = ("right", "wrong", "changes", "step")
        return json.dumps({name: getattr(self, name) for name in names} | {"known": self._known})

    @classmethod
    def load(cls, text: str, target: float, steps: int) -> "Pilot":
        """Read :meth:`dump` back."""
        data = json.loads(text)
        changes = [(start, k) for start, k in data["changes"]]
        votes = data["right"], data["wrong"]
        # Older journals have no step, so nobody can tell which rows are already counted.
        return cls(target, steps, *votes, changes, data.get("step"), data.get("known"))
