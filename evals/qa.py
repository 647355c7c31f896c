"""Scoring answers to questions, and comparing strategies on the same ones.

Accuracy comes with Wilson's interval. Two strategies that answered the same questions are compared
by McNemar's exact test, which looks only at the questions that one got right and the other did not:
far sharper than comparing two intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

from agents.theory import wilson
from tasks.questions.answers import is_right
from tasks.questions.base import Question
from tasks.questions.gym import PREFIX, gym_right


@dataclass(frozen=True)
class Score:
    """What one strategy made of the questions.

    Attributes:
        strategy: its name.
        right: the ids of the questions answered rightly.
        asked, answered, decided: questions in all, with an answer, with a decided vote.
        calls, flagged, tokens, seconds: of all questions together.
        cost_usd: None when a price is unknown.
    """

    strategy: str
    right: frozenset[str]
    asked: int
    answered: int
    decided: int
    calls: int
    flagged: int
    tokens: int
    seconds: float
    cost_usd: float | None

    @property
    def accuracy(self) -> float:
        """Share of all questions that were answered rightly."""
        return len(self.right) / self.asked if self.asked else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, per question where that says more."""
        low, high = wilson(len(self.right), self.asked)
        per = max(1, self.asked)
        return {
            "strategy": self.strategy,
            "asked": self.asked,
            "right": len(self.right),
            "accuracy": self.accuracy,
            "interval": [low, high],
            "answered": self.answered,
            "decided": self.decided,
            "flagged": self.flagged,
            "calls_per_question": self.calls / per,
            "tokens_per_question": self.tokens / per,
            "seconds_per_question": self.seconds / per,
            "cost_per_question_usd": None if self.cost_usd is None else self.cost_usd / per,
        }


def score(strategy: str, questions: Sequence[Question], rows: Sequence[dict[str, Any]]) -> Score:
    """Judge a strategy's rows against the right answers. Questions without one count as wrong."""
    gold = {question.id: question for question in questions}
    rows = [row for row in rows if row["id"] in gold]
    right = frozenset(row["id"] for row in rows if _right(gold[row["id"]], row["answer"]))
    costs = [row["cost_usd"] for row in rows]
    return Score(
        strategy,
        right,
        asked=len(rows),
        answered=sum(row["answer"] is not None for row in rows),
        decided=sum(bool(row["decided"]) for row in rows),
        calls=sum(row["calls"] for row in rows),
        flagged=sum(row["flagged"] for row in rows),
        tokens=sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows),
        seconds=sum(row["seconds"] for row in rows),
        cost_usd=None if None in costs else sum(costs),
    )


def _right(question: Question, answer: str | None) -> bool:
    if answer is None or question.gold is None:
        return False
    if question.source.startswith(PREFIX):
        return gym_right(question, answer)
    return is_right(answer, question.gold, question.kind)


@dataclass(frozen=True)
class Comparison:
    """Two strategies on the same questions.

    Attributes:
        first_only, second_only: questions that only the one got right.
        p: chance of a difference so large between equals (McNemar, exact, two-sided).
    """

    first: str
    second: str
    first_only: int
    second_only: int
    p: float


def compare(scores: Sequence[Score]) -> list[Comparison]:
    """Every pair of strategies."""
    found = []
    for one, other in combinations(scores, 2):
        first, second = len(one.right - other.right), len(other.right - one.right)
        found.append(
            Comparison(one.strategy, other.strategy, first, second, mcnemar(first, second))
        )
    return found


def mcnemar(first_only: int, second_only: int) -> float:
    """The exact two-sided p-value of McNemar's test."""
    n = first_only + second_only
    tail = sum(comb(n, i) for i in range(min(first_only, second_only) + 1))
    return float(min(1.0, 2 * tail / 2**n))
