"""Measuring a model before a run: p, v, and the margin that a target needs (MAKER section 4.2).

Random steps of known answer are asked once each at the temperature of the votes. p is the share of
right answers among the valid ones and v the share of valid ones, each with Wilson's interval; the
margin is taken for the lower end of p's, so that a small sample errs towards more votes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from agents.policy import VotePolicy
from agents.spending import Spending
from agents.theory import k_min, wilson
from engines.base import Engine, Request
from engines.concurrency import together
from reason.errors import NoConvergence
from tasks.base import RedFlag, Task, Trial


@dataclass(frozen=True)
class Skill:
    """What was measured.

    Attributes:
        samples, valid, right: answers drawn, not red-flagged, and right.
        p, v: share of right among valid, and of valid; each as (low, estimate, high) at 95%.
    """

    samples: int
    valid: int
    right: int

    @property
    def p(self) -> tuple[float, float, float]:
        """Chance that a valid answer is right."""
        return _interval(self.right, self.valid)

    @property
    def v(self) -> tuple[float, float, float]:
        """Chance that an answer is valid."""
        return _interval(self.valid, self.samples)


def _interval(successes: int, trials: int) -> tuple[float, float, float]:
    low, high = wilson(successes, trials)
    return low, successes / trials if trials else 0.0, high


def trials_for(steps: int, target: float) -> int:
    """How many trials are worth their price: more for longer runs, 200 to 2,000."""
    return max(200, min(2000, int(200 * (steps / max(1e-9, 1 - target)) ** 0.1)))


async def measure(
    task: Task,
    engines: Sequence[Engine],
    policy: VotePolicy,
    spending: Spending,
    count: int,
    seed: int = 0,
) -> Skill:
    """Ask ``count`` trials, the engines taking them in turn as they will take the votes."""
    trials = task.trials(Random(seed), count)
    in_flight = asyncio.Semaphore(64)

    async def one(at: int, trial: Trial) -> bool | None:
        engine = engines[at % len(engines)]
        async with in_flight:
            request = Request(
                trial.prompt, policy.max_tokens, (policy.temperature,), stop=task.stop
            )
            (sample,) = await engine.sample(request)
        spending.add(engine.model, sample)
        if sample.finish == "length" or any(p.search(sample.text) for p in policy.red_flags):
            return None
        try:
            return task.key(task.parse(sample.text)) == trial.key
        except RedFlag:
            return None

    outcomes = await together(one(at, trial) for at, trial in enumerate(trials))
    valid = [outcome for outcome in outcomes if outcome is not None]
    return Skill(len(outcomes), len(valid), sum(valid))


def choose_k(skill: Skill, steps: int, target: float) -> int:
    """The margin for the lower end of p. Raises NoConvergence when no margin can do."""
    low, estimate, _ = skill.p
    k = k_min(low, steps, target)
    if k is None:
        raise NoConvergence(
            f"the model is right in {estimate:.0%} of {skill.valid} valid trial answers: no margin "
            f"of votes makes {steps:,} steps reliable; use a better model or give --k yourself"
        )
    return k
