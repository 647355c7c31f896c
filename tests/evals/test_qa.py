"""Scores and comparisons of strategies: known figures."""

import pytest

from evals.qa import compare, mcnemar, score
from tasks.questions.base import Question

QUESTIONS = [Question(str(at), f"{at}?", "number", str(at)) for at in range(4)]


def row(name: str, answer: str | None, cost: float | None = 0.5) -> dict[str, object]:
    return {
        **{"id": name, "answer": answer, "decided": answer is not None, "calls": 3, "flagged": 1},
        **{"prompt_tokens": 10, "completion_tokens": 5, "cost_usd": cost, "seconds": 2.0},
    }


def test_a_score_counts_what_was_asked() -> None:
    rows = [row("0", "0"), row("1", "1.0"), row("2", "7"), row("3", None), row("gone", "1")]
    found = score("vote", QUESTIONS, rows).to_dict()
    assert (found["asked"], found["right"], found["answered"]) == (4, 2, 3)
    assert found["accuracy"] == 0.5
    assert found["interval"] == pytest.approx([0.150, 0.850], abs=0.001)
    assert found["tokens_per_question"] == 15
    assert found["cost_per_question_usd"] == 0.5
    assert score("vote", QUESTIONS, [row("0", "0", None)]).cost_usd is None


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (10, 0, 0.001953125)],
)
def test_mcnemars_exact_test(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(p)


def test_strategies_are_compared_on_what_only_one_got_right() -> None:
    one = score("a", QUESTIONS, [row("0", "0"), row("1", "1"), row("2", "0")])
    other = score("b", QUESTIONS, [row("0", "0"), row("1", "5"), row("2", "2")])
    (pair,) = compare([one, other])
    assert (pair.first_only, pair.second_only, pair.p) == (1, 1, 1.0)
