"""Voting by several models of different skill: what each vote is worth, and whose turn it is.

A vote of a model that is right with chance p, against one rival answer, carries ln(p/(1-p)) nats
of evidence. A step is decided once the evidence meets the posterior odds that the whole run's
target leaves to each step; for equal models that is MAKER's margin k (E5). p is taken at the low
end of what was measured, so a model that was barely measured counts for little.

Draws go to the models in fixed turns, by weights or by what a dollar buys: votes of a model that
is right with chance p gain (2p-1) ln(p/(1-p)) nats each on average.
"""

from collections.abc import Sequence
from math import expm1, log

from agents.calibration import Skill
from agents.policy import Evidence
from reason.errors import NoConvergence

TURNS = 24  # length of the cycle for weights that are not whole numbers


def threshold(target: float, steps: int) -> float:
    """Posterior log-odds of a single step such that all steps are right with chance ``target``."""
    return -log(expm1(-log(target) / steps))


def log_odds(skill: Skill) -> float:
    """What a vote is worth, at the low end of p; nothing where p may be below one half."""
    low = min(skill.p.low, 1 - 1e-9)
    return max(0.0, log(low / (1 - low))) if low > 0 else 0.0


def weigh(skills: Sequence[Skill], target: float, steps: int) -> Evidence:
    """The evidence that the models' votes carry. Raises NoConvergence when none is any good."""
    weights = tuple(log_odds(skill) for skill in skills)
    if max(weights) == 0:
        shares = ", ".join(f"{skill.p.estimate:.0%}" for skill in skills)
        raise NoConvergence(
            f"the models are right in {shares} of their valid trial answers: none is surely above "
            "one half, so no number of votes helps; use a better model"
        )
    return Evidence(weights, threshold(target, steps))


def by_evidence(
    skills: Sequence[Skill], prices: Sequence[tuple[float, float] | None]
) -> list[float]:
    """Turns in proportion to the evidence that a dollar buys; a vote, where prices are unknown."""
    costs = [_cost(skill, price) for skill, price in zip(skills, prices, strict=True)]
    known = all(cost > 0 for cost in costs)
    return [
        skill.v.estimate * max(0.0, 2 * skill.p.low - 1) * log_odds(skill) / (cost if known else 1)
        for skill, cost in zip(skills, costs, strict=True)
    ]


def _cost(skill: Skill, price: tuple[float, float] | None) -> float:
    if price is None:
        return 0.0
    return skill.prompt_tokens * price[0] + skill.completion_tokens * price[1]


def turns(weights: Sequence[float]) -> tuple[int, ...]:
    """Whose turn each draw is: a cycle in which models come evenly spread, as often as they weigh.

    At each draw the model goes that is furthest behind its share.
    """
    whole = all(float(weight).is_integer() for weight in weights)
    total, credit = sum(weights), [0.0] * len(weights)
    length = int(total) if whole and total <= 100 else TURNS
    cycle = []
    for _ in range(length):
        credit = [have + weight / total for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(weights)), key=lambda at: (round(credit[at], 9), -at))
        credit[chosen] -= 1
        cycle.append(chosen)
    return tuple(cycle)
