"""Rewards on hand-made rollouts: exact figures, bounds whatever the texts, mended defects."""

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from reason.commands.decomposer import read_weights  # noqa: E402
from reason.errors import UsageError  # noqa: E402
from training.decomposer.rewards import REWARDS, operations  # noqa: E402
from training.decomposer.rollout import Rollout  # noqa: E402
from training.decomposer.rows import Row  # noqa: E402

pytestmark = pytest.mark.train

ROW = Row(
    "r",
    "Ann has 9 pens and doubles them. She loses 3 pens. How many pens has she now?",
    "number",
    "15",
    solution="9 * 2 = 18\n18 - 3 = 15",
    first="Answer: 12",
)
BOTH = ("How many pens after Ann doubles 9?", "How many when she loses 3?")


def rollout(*asked: str, answers: tuple[str, ...] = (), after: bool = False) -> Rollout:
    return Rollout(asked, answers, "Answer: 15" if after else "", False, after)


def score(name: str, made: Rollout, row: Row = ROW) -> float:
    return REWARDS[name](row, made)


def test_uplift_and_correctness() -> None:
    assert (score("uplift", rollout(after=True)), score("correct", rollout(after=True))) == (1, 1)
    worse = Rollout(BOTH, (), "", before=True, after=False)
    assert (score("uplift", worse), score("correct", worse)) == (-1, 0)


def test_coverage_does_not_punish_more_words() -> None:
    whole = score("entities", rollout(*BOTH))
    assert whole == 1.0
    assert score("entities", rollout(*BOTH, "What about seven unrelated green elephants?")) == whole
    assert score("entities", rollout(BOTH[0])) == pytest.approx(4 / 6)  # ann, 9, pens, doubles


def test_more_subquestions_earn_no_more() -> None:
    one = rollout("How many pens?", answers=("18 pens",))
    two = rollout("How many pens?", "How many pens?", answers=("18 pens", "18 pens"))
    assert score("subanswers", two) <= score("subanswers", one) + 0.1
    assert (score("form", one), score("form", two)) == (1, 0)


def test_order_is_the_order_of_the_text() -> None:
    assert operations("9*2-3") == ["*", "-"]
    assert operations("3-9*2") == ["-", "*"]
    assert operations("the cosecant second speed exposition piece") == []
    assert operations("add -5 to a well-known sum") == ["+", "+"]
    assert score("order", rollout(*BOTH)) == 1.0
    assert score("order", rollout(*reversed(BOTH))) == 0.5


def test_thought_rewards_coming_nearer_to_the_solution() -> None:
    near = rollout(*BOTH, answers=("9 * 2 = 18", "18 - 3 = 15"), after=True)
    far = rollout(*BOTH, answers=("no idea", "none"))
    assert score("thought", near) == 1.0
    assert score("thought", far) == 0.0


@given(st.lists(st.text(max_size=80), max_size=9), st.lists(st.text(max_size=80)), st.text())
def test_every_reward_is_bounded(asked: list[str], said: list[str], solution: str) -> None:
    row = Row("r", "A question of 3 words?", "number", "1", solution=solution, first="x")
    made = Rollout(tuple(asked), tuple(said), "", True, False)
    for reward in REWARDS.values():
        assert -1.000001 <= reward(row, made) <= 1.000001


def test_weights_are_read_from_the_command_line() -> None:
    assert read_weights([]) == {"uplift": 1.0, "form": 0.2}
    assert read_weights(["correct", "order=0.5"]) == {"correct": 1.0, "order": 0.5}
    with pytest.raises(UsageError, match="the rewards are uplift"):
        read_weights(["luck=1"])
    with pytest.raises(UsageError, match="is no number"):
        read_weights(["order=much"])
