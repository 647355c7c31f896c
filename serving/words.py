"""An answer in words: what a client is shown of a question's work and of its result."""

from typing import Any

from agents.questions.answering import Answered
from agents.questions.desk import Call
from agents.questions.trace import Node, count
from serving.errors import ApiError
from tasks.base import RedFlag
from tasks.questions.answers import extract, written
from tasks.questions.base import Kind

LONGEST = 200  # characters of a line of progress


def progress_line(call: Call) -> str:
    """One line for every answer of a call: who said what, in its last line."""
    lines = []
    for at, sample in enumerate(call.samples, call.first + 1):
        said = (sample.text.strip().splitlines() or ["(nothing)"])[-1].strip()
        short = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
        lines.append(f"{call.role}, {call.prompt} {at}: {short}\n")
    return "".join(lines)


def final_words(answered: Answered) -> str:
    """The answer as the winning text has it. Raises ApiError (422) when there is none.

    Votes compare answers in a canonical form without blanks or capitals, which is hard to read.
    """
    answer, node = answered.outcome.answer, answered.outcome.node
    if answer is None:
        raise ApiError(422, _why(node), kind="no_answer_error", code="no_answer")
    if answered.question.kind not in ("text", "math"):
        return answer
    return _spoken(node, answer, answered.question.kind) or answer


def _spoken(node: Node, answer: str, kind: Kind) -> str | None:
    for text in node.get("texts", []):
        try:
            if extract(text, kind) == answer:
                return written(text, kind)
        except RedFlag:
            continue
    children = (_spoken(child, answer, kind) for child in node.get("children", []))
    return next(filter(None, children), None)


def _why(node: Node) -> str:
    drawn, flagged = count(node)
    note = node.get("note", "no valid answer")
    return f"the question has no answer: {note}; {flagged} of {drawn} inner answers red-flagged"


def account(answered: Answered) -> dict[str, Any]:
    """What the answer took, under the key ``reason`` of a response."""
    row = answered.to_dict()
    names = ("decided", "calls", "flagged", "cost_usd", "seconds")
    return {name: row[name] for name in names}
