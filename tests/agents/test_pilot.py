"""The pilot: the margin follows what is known of p, and keeps the whole run within its risk."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.pilot import Pilot
from agents.theory import expected_votes, k_min, run_success, step_success


def test_a_model_worse_than_measured_raises_the_margin() -> None:
    pilot = Pilot(0.99, 10_000, 495, 5, [(0, 4)])
    assert pilot.see(1000, (2500, 500))
    assert pilot.reconsider(1000)
    assert pilot.k > 4
    assert pilot.changes == [(0, 4), (1000, pilot.k)]


def test_a_cautious_start_is_relaxed() -> None:
    pilot = Pilot(0.99, 100_000, 300, 20, [(0, 9)])
    assert pilot.see(2000, (20_000, 200))
    assert pilot.reconsider(2000)
    assert pilot.k < 9


@given(
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(2, 10**6),
    st.floats(0.5, 0.9999),
    st.floats(0, 1),
)
def test_the_rest_of_the_run_fits_into_the_rest_of_the_risk(
    right: int, wrong: int, steps: int, target: float, share: float
) -> None:
    pilot = Pilot(target, steps, right, wrong, [(0, 3)])
    step = int(share * (steps - 1))
    changed = pilot.reconsider(step)
    assert changed == (len(pilot.changes) == 2)
    assert Pilot.load(pilot.dump(), target, steps).dump() == pilot.dump()
    done = run_success(pilot.p, 3, step)
    if pilot.p > 0.5 and done > target * (1 + 1e-9) and pilot.k < 1000:
        assert done * run_success(pilot.p, pilot.k, steps - step) >= target * (1 - 1e-6)


@pytest.mark.parametrize(("error", "target"), [(0.15, 0.99), (0.05, 0.95), (0.3, 0.9)])
def test_a_hundred_piloted_runs_reach_the_target_at_the_price_of_theory(
    error: float, target: float
) -> None:
    """Votes of whole races drawn from the closed forms: success to the target, cost to 1.1 x."""
    rng, steps, wins, votes = Random(3), 1023, 0, 0
    for _ in range(100):
        won, spent = _run(rng, 1 - error, steps, target)
        wins += won
        votes += spent
    k = k_min(1 - error, steps, target)
    assert k is not None
    theory = steps * expected_votes(1 - error, k)
    assert votes / 100 <= 1.1 * theory
    deviation = (target * (1 - target) / 100) ** 0.5
    assert wins / 100 >= target - 3 * deviation


@given(st.lists(st.sampled_from(["3", "4:1", "p5:3:1", "9:6", "e4"]), max_size=300))
def test_a_pilot_that_catches_up_knows_what_one_that_saw_everything_knows(
    tallies: list[str],
) -> None:
    rows = list(enumerate(tallies, 1))
    whole = Pilot(0.99, 1000, 180, 20, [(0, 4)])
    whole.catch_up(rows)
    for stop in range(0, len(rows), 50):
        kept = Pilot(0.99, 1000, 180, 20, [(0, 4)])
        kept.catch_up(rows[:stop])
        resumed = Pilot.load(kept.dump(), 0.99, 1000)
        assert resumed.step == stop
        resumed.catch_up(rows[stop:])
        assert resumed.dump() == whole.dump()


def test_what_older_versions_kept_can_be_read() -> None:
    pilot = Pilot.load('{"right": 9, "wrong": 1, "changes": [[0, 4], [7, 3]]}', 0.99, 1000)
    assert (pilot.k, pilot.step) == (3, None)


def test_steps_taken_back_are_no_risk_spent() -> None:
    pilot, plain = (Pilot(0.99, 1000, 850, 150, [(0, 8)]) for _ in range(2))
    pilot.changes.append((500, 6))
    pilot.go_back(490)
    assert pilot.changes == [(0, 8), (490, 6)]
    assert pilot._spent(490) == pytest.approx(plain._spent(490))


def _run(rng: Random, p: float, steps: int, target: float) -> tuple[bool, int]:
    measured = 600
    right = sum(rng.random() < p for _ in range(measured))
    pilot = Pilot(target, steps, right, measured - right, [(0, 1)])
    pilot.reconsider(0)
    good, votes = True, measured
    for step in range(1, steps + 1):
        margin = loss = 0
        ahead = behind = 0
        while abs(margin) < pilot.k:
            hit = rng.random() < p
            margin += 1 if hit else -1
            ahead += hit
            behind += not hit
        loss = min(ahead, behind)
        good &= margin > 0
        votes += ahead + behind
        if pilot.see(step, (max(ahead, behind), loss)):
            pilot.reconsider(step)
    assert 0 < step_success(p, pilot.k) < 1
    return good, votes
