"""The closed forms against the published table (MAKER, 20 disks, t = 0.95) and each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.theory import (
    exact_k,
    expected_samples,
    expected_votes,
    k_min,
    run_success,
    step_success,
    wilson,
)

STEPS = 2**20 - 1

# model: (1 - p, published k_min, real-valued k, votes over the whole run)
TABLE = {
    "gpt-4.1-nano": (0.3571, 29, 28.63, 1.06e8),
    "gpt-4.1-mini T=1": (0.0040, 4, 3.05, 4.23e6),
    "gpt-4.1-mini T=0.1": (0.0022, 3, 2.75, 3.16e6),
    "o3-mini": (0.0018, 3, 2.66, 3.16e6),
    "haiku-4.5": (0.1839, 12, 11.30, 1.99e7),
    "gpt-oss-20B": (0.0358, 6, 5.11, 6.78e6),
    "qwen3": (0.2342, 15, 14.21, 2.96e7),
    "deepseek-v3.1": (0.0569, 6, 5.99, 7.10e6),
    "kimi-k2": (0.0393, 6, 5.27, 6.83e6),
}


@pytest.mark.parametrize("model", TABLE)
def test_the_published_table_is_reproduced(model: str) -> None:
    error, k, real, votes = TABLE[model]
    assert k_min(1 - error, STEPS, 0.95) == k
    assert exact_k(1 - error, STEPS, 0.95) == pytest.approx(real, abs=0.006)
    # The paper's cost drops the last factor of E9: s k / (2p - 1).
    assert STEPS * k / (1 - 2 * error) == pytest.approx(votes, rel=0.005)


def test_a_model_that_is_always_wrong_has_no_k() -> None:
    assert k_min(0.0, STEPS, 0.95) is None
    assert k_min(0.5, STEPS, 0.95) is None


def test_expected_votes_at_the_papers_setting() -> None:
    assert expected_votes(0.9978, 3) == pytest.approx(3.01326, abs=1e-4)
    assert expected_samples(0.9978, 0.5, 3) == pytest.approx(2 * expected_votes(0.9978, 3))


def test_a_certain_model_needs_one_vote() -> None:
    assert k_min(1.0, STEPS, 0.99) == 1
    assert expected_votes(1.0, 3) == 3
    assert run_success(1.0, 1, STEPS) == 1


@given(st.floats(0.51, 0.99999), st.integers(1, 2**40), st.floats(0.01, 0.9999))
def test_k_min_is_the_least_that_meets_the_target(p: float, steps: int, target: float) -> None:
    k = k_min(p, steps, target)
    assert k is not None
    assert run_success(p, k, steps) >= target * (1 - 1e-9)
    if k > 1:
        assert run_success(p, k - 1, steps) < target * (1 + 1e-9)


@given(st.floats(0.001, 0.999), st.integers(1, 50))
def test_probabilities_stay_probabilities(p: float, k: int) -> None:
    assert 0 <= step_success(p, k) <= 1
    assert expected_votes(p, k) >= k - 1e-9


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share(successes: int, extra: int) -> None:
    trials = successes + extra
    low, high = wilson(successes, trials)
    assert 0 <= low <= high <= 1
    if trials:
        assert low <= successes / trials <= high


def test_wilson_known_value() -> None:
    low, high = wilson(2000, 2000)
    assert low == pytest.approx(0.998083, abs=1e-6)
    assert high == 1
