"""``direct`` and ``vote``: one chain of thought, or first-to-ahead-by-k over several.

Both are one-node graphs, so that all strategies are run, streamed and inspected alike.
"""

from functools import partial
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.questions.desk import Desk
from agents.questions.election import Election, elect
from agents.questions.prompting import FORMS
from agents.questions.trace import Node
from tasks.questions.answers import equivalent, extract
from tasks.questions.base import Kind


class Asked(TypedDict, total=False):
    """A question on its way through a graph, and what has come of it."""

    question: str
    kind: Kind
    depth: int
    node: Node


def fresh_election(kind: Kind, k: int) -> Election:
    """A vote on final answers of one kind."""
    read, same = partial(extract, kind=kind), partial(equivalent, kind=kind)
    return Election(read, same, k, slow=kind == "math")


def solve_fields(state: Asked) -> dict[str, str]:
    """What the prompt ``solve`` is filled with."""
    return {"form": FORMS[state["kind"]], "question": state["question"]}


def build_direct(desk: Desk) -> CompiledStateGraph[Asked]:
    """One answer; a red-flagged one is no answer."""

    async def answer(state: Asked) -> Asked:
        election = fresh_election(state["kind"], 1)
        await election.count(await desk.ask("solver", "solve", solve_fields(state)))
        return {"node": election.node("answer", state["question"])}

    return _graph(answer)


def build_vote(desk: Desk) -> CompiledStateGraph[Asked]:
    """Answers until one is k ahead; the leader, marked as undecided, when the votes are spent."""

    async def vote(state: Asked) -> Asked:
        election = fresh_election(state["kind"], desk.manner.k)
        await elect(desk, "solver", "solve", solve_fields(state), election)
        return {"node": election.node("vote", state["question"])}

    return _graph(vote)


def _graph(work: object) -> CompiledStateGraph[Asked]:
    graph = StateGraph(Asked)
    graph.add_node("work", work)  # type: ignore[call-overload]
    graph.add_edge(START, "work")
    graph.add_edge("work", END)
    return graph.compile()
