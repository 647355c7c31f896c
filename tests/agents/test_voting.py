"""The race: rules, order, and the promise that ``needed`` wastes no vote."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.theory import expected_votes, step_success
from agents.voting import Race, Rule

RULES: list[Rule] = ["ahead-by-k", "first-to-k"]
votes = st.lists(st.sampled_from("abcd"), max_size=60)


def reference(keys: list[str], k: int, rule: Rule) -> tuple[int, str] | None:
    """The definition of both rules, counted naively: (votes used, winner)."""
    for used in range(1, len(keys) + 1):
        counts = {key: keys[:used].count(key) for key in keys[:used]}
        for key, count in counts.items():
            others = max([n for other, n in counts.items() if other != key], default=0)
            if count >= k + others if rule == "ahead-by-k" else count >= k:
                return used, key
    return None


@given(votes, st.integers(1, 5), st.sampled_from(RULES))
def test_a_race_is_decided_when_and_for_whom_the_definition_says(
    keys: list[str], k: int, rule: Rule
) -> None:
    race = Race(k, rule)
    outcome = next(((at, race.leader) for at, key in enumerate(keys, 1) if race.add(key)), None)
    assert outcome == reference(keys, k, rule)


@given(votes, st.integers(1, 5), st.sampled_from(RULES))
def test_needed_votes_can_decide_and_fewer_cannot(keys: list[str], k: int, rule: Rule) -> None:
    race = Race(k, rule)
    for key in keys:
        if race.add(key):
            break
    needed = race.needed
    assert race.decided == (needed == 0)
    for at in range(needed):
        assert not race.decided
        race.add(race.leader or "a")
        assert race.decided == (at == needed - 1)


def test_ties_stay_with_the_first_leader() -> None:
    race = Race(3)
    for key in "abba":
        race.add(key)
    assert race.leader == "b"
    assert race.tally() == (2, 2)
    assert race.margin == 0


@given(votes)
def test_the_tally_accounts_for_every_vote(keys: list[str]) -> None:
    race = Race(100)
    for key in keys:
        race.add(key)
    assert sum(race.tally()) == len(keys) == race.votes
    assert race.tally() == tuple(sorted(race.tally(), reverse=True))


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Race(0)


@pytest.mark.parametrize(("p", "k"), [(0.7, 2), (0.8, 3), (0.9, 2), (0.6, 4)])
def test_two_candidate_races_follow_the_gamblers_ruin(p: float, k: int) -> None:
    """Success rate and mean votes of simulated races against the closed forms E3 and E9."""
    rng, runs = Random(7), 20_000
    wins = total = 0
    for _ in range(runs):
        race = Race(k)
        while not race.add("right" if rng.random() < p else "wrong"):
            pass
        wins += race.leader == "right"
        total += race.votes
    success = step_success(p, k)
    assert wins / runs == pytest.approx(success, abs=4 * (success * (1 - success) / runs) ** 0.5)
    assert total / runs == pytest.approx(expected_votes(p, k), rel=0.03)


def test_spread_errors_are_outvoted_more_often_than_one_rival() -> None:
    """Right 0.8 against four wrong answers of 0.05 each: 0.9994 in 4.50 votes (k=3)."""
    rng, runs = Random(3), 20_000
    wins = total = 0
    for _ in range(runs):
        race = Race(3)
        while not race.add("right" if rng.random() < 0.8 else rng.randrange(4)):
            pass
        wins += race.leader == "right"
        total += race.votes
    assert wins / runs == pytest.approx(0.9994, abs=0.001)
    assert total / runs == pytest.approx(4.50, abs=0.05)
