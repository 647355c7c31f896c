"""What a run will cost and how surely it will succeed, before it is started (MAKER section 4).

Everything follows from a measured p and v by the closed forms of :mod:`agents.theory`, each at the
low end, the estimate and the high end of p's 95% interval. The margin recommended is that of the
low end, so a small sample errs towards more votes. Two things the closed forms leave out are kept
apart and said: steps at which a wrong answer leads (no margin mends those), and what a sample is
too small to show.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from agents.theory import expected_rounds, expected_votes, k_min, run_success, wilson

Verdict: TypeAlias = Literal["feasible", "infeasible", "undecided"]


class Interval(NamedTuple):
    """A figure with its 95% interval."""

    low: float
    estimate: float
    high: float

    @classmethod
    def of(cls, successes: int, trials: int) -> "Interval":
        """Wilson's interval of a proportion."""
        low, high = wilson(successes, trials)
        return cls(low, successes / trials if trials else 0.0, high)

    @classmethod
    def exact(cls, value: float) -> "Interval":
        """A figure taken as known."""
        return cls(value, value, value)


@dataclass(frozen=True)
class Basis:
    """What a forecast starts from.

    Attributes:
        p: chance that a valid answer is right.
        v: chance that an answer is valid.
        prompt_tokens, completion_tokens: of one request and of one answer.
        price: US dollars per million (prompt, completion) tokens; None is unknown.
        latency: seconds that one request takes by itself.
        throughput: answers per second with many requests in flight.
        lost: estimated share of steps at which a wrong answer leads the right one.
        samples: answers that p was measured on; 0 when p was given.
        requests: prompts billed for the first round of a step; None bills every answer its own.
    """

    p: Interval
    v: Interval
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    price: tuple[float, float] | None = None
    latency: float | None = None
    throughput: float | None = None
    lost: float = 0.0
    samples: int = 0
    requests: int | None = None


class Times(NamedTuple):
    """Expected seconds of a run, by the way it is executed."""

    sequential: float
    self: float
    draft: float


@dataclass(frozen=True)
class Forecast:
    """A run foreseen.

    Attributes:
        steps, target: of the run.
        k: the recommended margin, for the low end of p; None when there is none.
        k_range: the margin at p's high end, estimate and low end.
        success: chance that every step is right, with the recommended margin.
        votes, answers: valid votes of the run; samples, red-flagged ones included.
        tokens: prompt and completion tokens of the run.
        cost_usd: None when the price or the tokens are unknown.
        seconds: None when nothing was timed.
        verdict, advice: whether to start, and what to do otherwise.
        blind: steps in a million that could be lost unseen by a sample of this size (95%).
    """

    steps: int
    target: float
    k: int | None
    k_range: tuple[int | None, int | None, int | None]
    success: Interval
    votes: float | None
    answers: float | None
    tokens: tuple[float, float] | None
    cost_usd: float | None
    seconds: Times | None
    verdict: Verdict
    advice: str
    blind: float | None


def forecast(basis: Basis, steps: int, target: float, k: int | None = None) -> Forecast:
    """Foresee a run of ``steps`` steps; ``k`` overrides the recommended margin.

    Raises ValueError for a target outside (0, 1).
    """
    p, v = basis.p, basis.v.estimate
    high, middle, low = (k_min(x, steps, target) for x in (p.high, p.estimate, p.low))
    chosen = k or low or middle
    success = _success(basis, chosen, steps)
    verdict, advice = _judge(basis, low, success, steps, target)
    if chosen is None or v == 0:
        nothing = (None, None, None, None, None)
        votes, answers, tokens, cost, seconds = nothing
    else:
        votes = steps * expected_votes(p.estimate, chosen)
        answers = votes / v
        tokens = _tokens(basis, chosen, steps, answers)
        cost = _cost(basis, tokens)
        seconds = _seconds(basis, chosen, steps, answers)
    blind = 3e6 / basis.samples if basis.samples and not basis.lost else None
    return Forecast(
        steps,
        target,
        chosen,
        (high, middle, low),
        success,
        votes,
        answers,
        tokens,
        cost,
        seconds,
        verdict,
        advice,
        blind,
    )


def _success(basis: Basis, k: int | None, steps: int) -> Interval:
    if k is None:
        return Interval.exact(0.0)
    kept = (1 - basis.lost) ** steps  # voting makes a lost step lost for sure
    low, estimate, high = (run_success(x, k, steps) * kept for x in basis.p)
    return Interval(low, estimate, high)


def _tokens(basis: Basis, k: int, steps: int, answers: float) -> tuple[float, float] | None:
    if basis.prompt_tokens is None or basis.completion_tokens is None:
        return None
    prompts = answers
    if basis.requests is not None:
        rounds = expected_rounds(basis.p.estimate, basis.v.estimate, k)
        prompts = min(answers, steps * (rounds - 1 + min(basis.requests, k)))
    return prompts * basis.prompt_tokens, answers * basis.completion_tokens


def _cost(basis: Basis, tokens: tuple[float, float] | None) -> float | None:
    if basis.price is None or tokens is None:
        return 0.0 if basis.price == (0.0, 0.0) else None
    return (tokens[0] * basis.price[0] + tokens[1] * basis.price[1]) / 1e6


def _seconds(basis: Basis, k: int, steps: int, answers: float) -> Times | None:
    """Round after round; one answer a step; and as fast as answers come at all."""
    if basis.latency is None or not basis.throughput:
        return None
    rounds = expected_rounds(basis.p.estimate, basis.v.estimate, k)
    busy = answers / basis.throughput
    # Speculation cannot be slower than waiting, nor waiting faster than the engine can answer.
    sequential = max(busy, steps * rounds * basis.latency)
    return Times(sequential, max(busy, steps * basis.latency), busy)


def _judge(
    basis: Basis, k_low: int | None, success: Interval, steps: int, target: float
) -> tuple[Verdict, str]:
    p, lost = basis.p, basis.lost
    if basis.v.estimate == 0 and basis.samples:
        return "infeasible", "every answer was red-flagged: check the prompt style and the model"
    if lost and (1 - lost) ** steps < target:
        return "infeasible", (
            f"at about {lost:.2%} of the steps a wrong answer leads the right one, and no margin "
            "mends that: take a better model, several models, or --variants"
        )
    if p.high <= 0.5:
        return "infeasible", "wrong answers outnumber right ones: take a better model"
    if k_low is None:
        return "undecided", f"take {_more(basis)} more samples to tell whether p exceeds 0.5"
    if success.high < target:
        return "infeasible", "this margin misses the target: take the recommended one"
    return "feasible", ""


def _more(basis: Basis) -> int:
    """Samples until an interval of the same estimate would clear 0.5."""
    distance = max(abs(basis.p.estimate - 0.5), 0.01)
    return max(1, math.ceil(1.96**2 / (4 * distance**2)) - basis.samples)
