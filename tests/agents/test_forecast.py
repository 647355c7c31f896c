"""Forecasts against the published cost column, the closed forms, and what really happens."""

from random import Random

import pytest

from agents.forecast import Basis, Interval, forecast
from agents.theory import expected_rounds, expected_votes, run_success
from agents.voting import Race

STEPS = 2**20 - 1
INPUT_TOKENS = 600  # the paper does not print them; about 600 reproduce its cost column

# model: (1 - p, tokens out, $/M in, $/M out, published k_min, published cost in k$)
COSTS = {
    "gpt-4.1-nano": (0.3571, 842, 0.1, 0.4, 29, 41.9),
    "gpt-4.1-mini T=1": (0.0040, 580, 0.4, 1.6, 4, 4.9),
    "gpt-4.1-mini T=0.1": (0.0022, 538, 0.4, 1.6, 3, 3.5),
    "o3-mini": (0.0018, 535, 1.1, 4.4, 3, 9.4),
    "haiku-4.5": (0.1839, 588, 1.0, 5.0, 12, 71.2),
    "gpt-oss-20B": (0.0358, 1104, 0.05, 0.2, 6, 1.7),
    "qwen3": (0.2342, 449, 0.2, 0.6, 15, 11.5),
    "deepseek-v3.1": (0.0569, 1004, 0.6, 1.7, 6, 14.6),
    "kimi-k2": (0.0393, 925, 1.0, 3.0, 6, 22.9),
}


@pytest.mark.parametrize("model", COSTS)
def test_the_published_cost_column_is_reproduced(model: str) -> None:
    error, out, dollars_in, dollars_out, k, cost = COSTS[model]
    basis = Basis(
        Interval.exact(1 - error), Interval.exact(1), INPUT_TOKENS, out, (dollars_in, dollars_out)
    )
    seen = forecast(basis, STEPS, 0.95)
    assert seen.k == k
    assert seen.verdict == "feasible"
    assert seen.cost_usd == pytest.approx(cost * 1000, rel=0.02)


def test_an_unknown_price_is_an_unknown_cost() -> None:
    basis = Basis(Interval.exact(0.9), Interval.exact(1), 100, 100)
    assert forecast(basis, 100, 0.9).cost_usd is None


def test_red_flags_raise_answers_not_votes() -> None:
    all_valid = forecast(Basis(Interval.exact(0.9), Interval.exact(1)), 1000, 0.9)
    half_valid = forecast(Basis(Interval.exact(0.9), Interval.exact(0.5)), 1000, 0.9)
    assert half_valid.votes == all_valid.votes
    assert half_valid.answers == pytest.approx(2 * (all_valid.answers or 0))


@pytest.mark.parametrize(
    ("basis", "verdict"),
    [
        (Basis(Interval.of(999, 1000), Interval.of(1000, 1000), samples=1000), "feasible"),
        (Basis(Interval.of(300, 1000), Interval.of(1000, 1000), samples=1000), "infeasible"),
        (Basis(Interval.of(11, 20), Interval.of(20, 20), samples=20), "undecided"),
        (Basis(Interval.of(0, 0), Interval.of(0, 50), samples=50), "infeasible"),
        (Basis(Interval.of(990, 999), Interval.of(999, 999), lost=0.01, samples=9), "infeasible"),
    ],
)
def test_verdicts(basis: Basis, verdict: str) -> None:
    seen = forecast(basis, 1023, 0.95)
    assert seen.verdict == verdict
    assert bool(seen.advice) == (verdict != "feasible")


def test_lost_steps_cost_success_whatever_the_margin() -> None:
    sound = forecast(Basis(Interval.exact(0.99), Interval.exact(1)), 1000, 0.95, k=9)
    lossy = forecast(Basis(Interval.exact(0.99), Interval.exact(1), lost=1e-3), 1000, 0.95, k=9)
    assert lossy.success.estimate == pytest.approx(sound.success.estimate * 0.999**1000)


@pytest.mark.parametrize(("p", "v", "k"), [(0.9, 1.0, 3), (0.7, 0.8, 5), (0.998, 0.99, 3)])
def test_expected_rounds_are_what_races_take(p: float, v: float, k: int) -> None:
    rng, rounds, races = Random(5), 0, 20_000
    for _ in range(races):
        race = Race(k)
        while not race.decided:
            rounds += 1
            for _ in range(race.needed):
                if rng.random() < v:
                    race.add(rng.random() < p)
    assert rounds / races == pytest.approx(expected_rounds(p, v, k), rel=0.02)


def test_the_interval_of_success_holds_the_truth_in_two_hundred_estimates() -> None:
    rng, held, steps, p = Random(11), 0, 500, 0.9
    for _ in range(200):
        right = sum(rng.random() < p for _ in range(400))
        seen = forecast(Basis(Interval.of(right, 400), Interval.exact(1), samples=400), steps, 0.9)
        assert seen.k is not None
        held += seen.success.low <= run_success(p, seen.k, steps) <= seen.success.high
    assert held >= 182  # 95% of 200 less three standard deviations


def test_time_is_bounded_by_the_answers_that_an_engine_gives() -> None:
    basis = Basis(Interval.exact(0.95), Interval.exact(1), latency=0.02, throughput=100.0)
    seen = forecast(basis, 1000, 0.95)
    assert seen.seconds is not None
    assert seen.k is not None
    assert seen.seconds.draft == pytest.approx(1000 * expected_votes(0.95, seen.k) / 100)
    assert seen.seconds.sequential >= seen.seconds.self >= seen.seconds.draft
