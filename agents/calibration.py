"""Measuring models on steps of known answer: p, v, hard steps, tokens and time (MAKER section 4.2).

Random steps are asked once each at the temperature of the votes. p is the share of right answers
among the valid ones, v the share of valid ones. Voting needs more than a good average: at a step
where a wrong answer is likelier than the right one, every further vote makes the wrong one surer.
A step that was not answered right at first is therefore asked again and again, and compared with
its most frequent wrong answer. Such steps enter the sample in proportion to their difficulty, so
each is weighed by the inverse of that (Horvitz and Thompson) to estimate their share of all steps.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from agents.forecast import Interval
from agents.pilot import MOST
from agents.policy import VotePolicy
from agents.spending import Spending
from agents.theory import k_min
from engines.base import Engine, Request
from engines.concurrency import together
from reason.errors import NoConvergence
from tasks.base import RedFlag, Task, Trial

TIMED = 5  # requests made one after another, to time a single one
IN_FLIGHT = 64
FAR = 1_000_000  # numbers of repeated answers start beyond those of all first ones


@dataclass(frozen=True)
class Contest:
    """Repeated answers to one step: how often right, red-flagged, and the likeliest wrong one."""

    right: int
    top_wrong: int
    flagged: int
    asked: int

    @property
    def lost(self) -> bool:
        """Whether a vote on this step would not end right."""
        return self.right <= self.top_wrong

    @property
    def weight(self) -> float:
        """How many steps of its kind it stands for: those that the first answer hid included."""
        return (self.asked + 2) / (self.asked - self.right + 1)


@dataclass(frozen=True)
class Skill:
    """What was measured.

    Attributes:
        samples, valid, right: first answers drawn, not red-flagged, and right.
        contests: repeated answers to the steps that were not answered right at first.
        prompt_tokens, completion_tokens: means of one request and one answer.
        latency: median seconds of a request by itself.
        throughput: answers per second with many in flight.
    """

    samples: int
    valid: int
    right: int
    contests: tuple[Contest, ...] = ()
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    latency: float = 0.0
    throughput: float = 0.0

    @property
    def p(self) -> Interval:
        """Chance that a valid answer is right."""
        return Interval.of(self.right, self.valid)

    @property
    def v(self) -> Interval:
        """Chance that an answer is valid."""
        return Interval.of(self.valid, self.samples)

    @property
    def lost(self) -> float:
        """Estimated share of steps at which a wrong answer leads."""
        weights = sum(contest.weight for contest in self.contests if contest.lost)
        return min(1.0, weights / self.samples) if self.samples else 0.0


def trials_for(steps: int, target: float) -> int:
    """How many trials are worth their price: more for longer runs, 200 to 2,000."""
    return max(200, min(2000, int(200 * (steps / max(1e-9, 1 - target)) ** 0.1)))


@dataclass
class Examiner:
    """Asks trials as a microagent would, and charges every answer.

    Attributes:
        engines: take the trials in turn, as they will take the votes.
        check: called before every request; raises when a budget is spent.
    """

    task: Task
    engines: Sequence[Engine]
    policy: VotePolicy
    spending: Spending
    check: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._variants = self.task.variants()[: self.policy.variants]
        self.prompt_tokens = self.completion_tokens = self.answers = 0

    async def ask(self, at: int, trial: Trial, draw: int) -> Hashable:
        """The key of one answer to a trial; None for a red-flagged one.

        Short tasks have few steps, so trials repeat: every answer needs a number of its own.
        """
        engine, policy = self.engines[at % len(self.engines)], self.policy
        variant = self._variants[draw % len(self._variants)]
        prompt, heat = variant.prompt(trial.state), (policy.temperature,)
        request = Request(prompt, policy.max_tokens, heat, draw, self.task.stop)
        async with self._in_flight:
            self.check()
            (sample,) = await engine.sample(request)
        self.spending.add(engine.model, sample)
        self.answers += 1
        self.prompt_tokens += sample.prompt_tokens
        self.completion_tokens += sample.completion_tokens
        if sample.finish == "length" or any(p.search(sample.text) for p in policy.red_flags):
            return None
        try:
            step = variant.parse(sample.text)
        except RedFlag:
            return None
        if policy.check_transitions and self.task.objection(trial.state, step):
            return None
        return self.task.key(step)

    async def contest(self, at: int, trial: Trial, repeats: int) -> Contest:
        """Ask one trial ``repeats`` times more."""
        keys = await together(self.ask(at, trial, FAR + draw) for draw in range(repeats))
        counts = Counter(key for key in keys if key is not None)
        right = counts.pop(trial.key, 0)
        top = max(counts.values(), default=0)
        return Contest(right, top, sum(key is None for key in keys), repeats)


async def measure(
    task: Task,
    engines: Sequence[Engine],
    policy: VotePolicy,
    spending: Spending,
    count: int,
    *,
    seed: int = 0,
    repeats: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Skill:
    """Ask ``count`` trials once, and those not answered right ``repeats`` times more.

    Raises EngineError, and whatever ``check`` raises before a request.
    """
    trials = list(enumerate(task.trials(Random(seed), count)))
    examiner = Examiner(task, engines, policy, spending, check)
    keys, latency = await _timed(examiner, trials[:TIMED])
    start = time.perf_counter()
    keys += await together(examiner.ask(at, trial, at) for at, trial in trials[TIMED:])
    seconds = max(1e-9, time.perf_counter() - start)
    wrong = [pair for pair, key in zip(trials, keys, strict=True) if key != pair[1].key]
    contests: list[Contest] = []
    if repeats:
        contests = await together(examiner.contest(at, trial, repeats) for at, trial in wrong)
    valid = sum(key is not None for key in keys)
    return Skill(
        samples=len(keys),
        valid=valid,
        right=len(keys) - len(wrong),
        contests=tuple(contests),
        prompt_tokens=examiner.prompt_tokens / max(1, examiner.answers),
        completion_tokens=examiner.completion_tokens / max(1, examiner.answers),
        latency=latency,
        throughput=(len(trials) - TIMED) / seconds if len(trials) > TIMED else 0.0,
    )


async def _timed(
    examiner: Examiner, trials: Sequence[tuple[int, Trial]]
) -> tuple[list[Hashable], float]:
    """Answers asked for one after another, and the median seconds of one."""
    keys, laps = [], []
    for at, trial in trials:
        start = time.perf_counter()
        keys.append(await examiner.ask(at, trial, at))
        laps.append(time.perf_counter() - start)
    return keys, median(laps) if laps else 0.0


def choose_k(skill: Skill, steps: int, target: float) -> int:
    """The margin for the lower end of p. Raises NoConvergence when no margin can do."""
    low, estimate, _ = skill.p
    k = k_min(low, steps, target)
    if k is None:
        raise NoConvergence(
            f"the model is right in {estimate:.0%} of {skill.valid} valid trial answers: no margin "
            f"of votes makes {steps:,} steps reliable; use a better model or give --k yourself"
        )
    if k > MOST:
        raise NoConvergence(
            f"the model is right in {estimate:.0%} of {skill.valid} valid trial answers: "
            f"{steps:,} steps would want k={k:,}, and {MOST:,} is the most; use a better model"
        )
    return k
