"""One question answered at a desk, with the account of what that took."""

import time
from typing import Any, NamedTuple

from agents.questions.desk import Desk
from agents.questions.strategies import Outcome, Strategy, work
from agents.questions.trace import count
from reason.telemetry import span
from tasks.questions.base import Question


class Answered(NamedTuple):
    """A question that has been worked on, and what that took."""

    question: Question
    outcome: Outcome
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; the right answer is no part of it."""
        calls, flagged = count(self.outcome.node)
        return {
            "id": self.question.id,
            "answer": self.outcome.answer,
            "decided": self.outcome.decided,
            "calls": calls,
            "flagged": flagged,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost_usd": self.cost_usd,
            "seconds": round(self.seconds, 3),
            "trace": self.outcome.node,
        }


async def answer(question: Question, strategy: Strategy, desk: Desk) -> Answered:
    """Put a question to a strategy and settle the account. Raises EngineError, BudgetReached."""
    start = time.monotonic()
    with span("reason.question", strategy=strategy, question_id=question.id):
        outcome = await work(question, strategy, desk)
    usage = desk.spending.take()
    return Answered(
        question,
        outcome,
        sum(used.prompt_tokens for used in usage),
        sum(used.completion_tokens for used in usage),
        desk.spending.usd,
        time.monotonic() - start,
    )
