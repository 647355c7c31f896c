"""Votes weighed by what they are worth: the reduction to ahead-by-k, the turns, the gain."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.calibration import Skill
from agents.mixture import by_evidence, log_odds, threshold, turns, weigh
from agents.theory import exact_k
from agents.voting import LikelihoodRace, Race
from reason.errors import NoConvergence


@given(
    st.floats(0.51, 0.9999),
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=200),
)
def test_equal_models_reduce_to_ahead_by_k_exactly(
    p: float, k: int, votes: list[tuple[int, int]]
) -> None:
    weight = log_odds(Skill(10**9, 10**9, int(p * 10**9)))
    plain, weighed = Race(k), LikelihoodRace([weight] * 3, k * weight)
    for key, voter in votes:
        assert plain.needed == weighed.needed
        assert plain.add(key) == weighed.add(key, voter)
        assert (plain.leader, plain.votes) == (weighed.leader, weighed.votes)
        assert plain.tally() == weighed.tally()
        if plain.decided:
            break


@given(st.floats(0.51, 0.9999), st.integers(1, 10**7), st.floats(0.01, 0.9999))
def test_the_threshold_is_the_margin_in_nats(p: float, steps: int, target: float) -> None:
    skill = Skill(10**9, 10**9, int(p * 10**9))
    low = skill.p.low
    if low > 0.505:
        assert threshold(target, steps) / log_odds(skill) == pytest.approx(
            exact_k(low, steps, target), rel=1e-6, abs=1e-9
        )


def test_one_vote_of_a_strong_model_outweighs_two_of_a_weak_one() -> None:
    race = LikelihoodRace([0.5, 3.0], 2.0)
    race.add("wrong", 0)
    race.add("wrong", 0)
    assert not race.decided
    assert race.add("right", 1)
    assert race.tally() == (1, 2)


def test_models_no_better_than_a_coin_are_refused() -> None:
    with pytest.raises(NoConvergence, match="better model"):
        weigh([Skill(100, 100, 40), Skill(100, 100, 50)], 0.9, 10)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any))
def test_turns_follow_whole_weights(weights: list[int]) -> None:
    counts = Counter(turns(weights))
    assert [counts[at] for at in range(len(weights))] == weights


def test_turns_are_spread_evenly() -> None:
    assert turns([2, 1]) == (0, 1, 0)
    assert turns([1, 1, 1]) == (0, 1, 2)


def test_a_dollar_goes_to_the_model_that_gives_more_evidence_for_it() -> None:
    cheap, dear = (
        Skill(1000, 1000, 900, prompt_tokens=1, completion_tokens=1),
        Skill(1000, 1000, 990, prompt_tokens=1, completion_tokens=1),
    )
    shares = by_evidence([cheap, dear], [(1.0, 1.0), (100.0, 100.0)])
    assert shares[0] > 10 * shares[1] > 0
    unpriced = by_evidence([cheap, dear], [(1.0, 1.0), None])
    assert unpriced[0] < unpriced[1]


def test_a_mixture_by_likelihood_is_as_reliable_as_it_says_and_cheaper_than_equal_votes() -> None:
    """Models of p = 0.7 and 0.95 by turns, 4,000 races at a chance of 0.99 each."""
    rng, skills = Random(2), [Skill(10**7, 10**7, 7 * 10**6), Skill(10**7, 10**7, 95 * 10**5)]
    evidence = weigh(skills, 0.99, 1)
    wins = weighed_votes = plain_votes = 0
    for _ in range(4000):
        race, at = LikelihoodRace(*evidence), 0
        while not race.decided:
            race.add(rng.random() < (0.7, 0.95)[at % 2], at % 2)
            at += 1
        wins += race.leader is True
        weighed_votes += race.votes
        plain, at = Race(4), 0  # the least margin that reaches 0.99 at the mean p of 0.825
        while not plain.decided:
            plain.add(rng.random() < (0.7, 0.95)[at % 2], at % 2)
            at += 1
        plain_votes += plain.votes
    assert wins / 4000 >= 0.99 - 3 * (0.99 * 0.01 / 4000) ** 0.5
    assert weighed_votes < 0.8 * plain_votes
