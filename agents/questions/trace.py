"""What happened to a question, as a tree that is plain JSON: every call and every vote is in it."""

from typing import TypedDict


class Node(TypedDict, total=False):
    """One thing that was done.

    Attributes:
        kind: ``answer``, ``vote``, ``decomposition``, ``subquestion`` and so on.
        question: what was asked, in words.
        answer: what came of it; None when nothing did.
        tally: votes by answer, the winner's first.
        flagged: answers discarded.
        texts: raw answers, in the order asked for.
        children: what it led to.
        note: why it ended otherwise than it should.
    """

    kind: str
    question: str
    answer: str | None
    tally: list[tuple[str, int]]
    flagged: int
    texts: list[str]
    children: list["Node"]
    note: str


def count(node: Node) -> tuple[int, int]:
    """Answers drawn and answers flagged in a whole tree."""
    texts, flagged = len(node.get("texts", [])), node.get("flagged", 0)
    for child in node.get("children", []):
        below = count(child)
        texts, flagged = texts + below[0], flagged + below[1]
    return texts, flagged
