"""A question, wherever it comes from."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "letter", "math", "text", "exact"]
"""What an answer is: a number, the letter of an option, an expression, words, or exact text."""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        id: unique in its set.
        text: all that a solver sees, options included.
        kind: of its answer.
        gold: the right answer, for scoring alone; None for a user's own question.
        source: the set it belongs to.
    """

    id: str
    text: str
    kind: Kind
    gold: str | None = None
    source: str = ""
