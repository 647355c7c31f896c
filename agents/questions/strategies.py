"""Strategies by name, and the one way to put a question to any of them."""

from typing import Any, Literal, NamedTuple, TypeAlias

from langgraph.graph.state import CompiledStateGraph

from agents.questions.daslam import build_daslam
from agents.questions.desk import Desk, Role
from agents.questions.plain import build_direct, build_vote
from agents.questions.recursive import build_recursive
from agents.questions.trace import Node
from reason.errors import NoConvergence
from tasks.questions.base import Question

Strategy: TypeAlias = Literal["direct", "vote", "recursive", "daslam", "auto"]

ROLES: dict[Strategy, tuple[Role, ...]] = {
    "direct": ("solver",),
    "vote": ("solver",),
    "daslam": ("solver", "decomposer"),
    "recursive": ("solver", "decomposer", "judge"),
    "auto": ("solver", "decomposer", "judge"),
}
"""Whom each strategy asks."""


class Outcome(NamedTuple):
    """What came of a question.

    Attributes:
        answer: canonical; None when there is none.
        node: everything that was done.
        calls: answers drawn.
        decided: whether the last vote was decided; a leading answer may be given all the same.
    """

    answer: str | None
    node: Node
    calls: int
    decided: bool


def build(strategy: Strategy, desk: Desk) -> CompiledStateGraph[Any]:
    """The graph of a strategy."""
    builders: dict[str, Any] = {
        "direct": build_direct,
        "vote": build_vote,
        "recursive": build_recursive,
        "daslam": build_daslam,
    }
    graph: CompiledStateGraph[Any] = builders[strategy](desk)
    return graph


async def work(question: Question, strategy: Strategy, desk: Desk) -> Outcome:
    """Put a question to a strategy.

    ``auto`` votes first and lets a question that stays undecided be decomposed. A question that
    uses up its own limit ends without an answer, with a note. Raises EngineError.
    """
    if strategy == "auto":
        voted = await work(question, "vote", desk)
        if voted.decided:
            return voted
        divided = await work(question, "recursive", desk)
        best = divided if divided.decided or voted.answer is None else voted
        children = [voted.node, divided.node]
        node: Node = {"kind": "auto", "question": question.text, "answer": best.answer}
        return Outcome(best.answer, node | {"children": children}, desk.calls, best.decided)
    try:
        asked = {"question": question.text, "kind": question.kind, "depth": 0}
        done = await build(strategy, desk).ainvoke(asked)
        node = done["node"]
    except NoConvergence as error:
        node = {"kind": strategy, "question": question.text, "answer": None, "note": str(error)}
    return Outcome(node["answer"], node, desk.calls, "note" not in node)
