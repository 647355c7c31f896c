"""reasoning-gym as a source of questions, where it is installed."""

import pytest

from evals.qa import score
from reason.errors import UsageError
from tasks.questions.gym import gym_questions, gym_right

pytest.importorskip("reasoning_gym")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "name", ["chain_sum", "leg_counting", "letter_counting", "basic_arithmetic"]
)
def test_a_generator_is_a_question_set_with_its_own_scorer(name: str) -> None:
    questions = gym_questions(name, 5, seed=3)
    assert questions == gym_questions(name, 5, seed=3)
    assert len({question.id for question in questions}) == 5
    for question in questions:
        assert question.gold is not None
        assert gym_right(question, question.gold)
        assert not gym_right(question, "no idea")


def test_scores_use_it() -> None:
    questions = gym_questions("chain_sum", 2)
    row = {
        **{"id": questions[0].id, "answer": questions[0].gold, "decided": True, "calls": 1},
        **{"flagged": 0, "prompt_tokens": 1, "completion_tokens": 1, "cost_usd": 0, "seconds": 0},
    }
    assert score("direct", questions, [row, {**row, "id": questions[1].id}]).right == {
        questions[0].id
    }


def test_unknown_generators_are_refused() -> None:
    with pytest.raises(UsageError, match="chain_sum"):
        gym_questions("chain_sums", 2)
