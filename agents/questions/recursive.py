"""``recursive``: MAKER's general form, in which the decomposition itself is voted on.

propose -> choose -> solve                     when the chosen proposal is to solve at once
                  -> split (both parts) -> compose

The decomposer proposes several ways to split a problem in two; proposals that differ are put before
the judge, whose votes choose one first-to-ahead-by-k. The parts are solved by the same graph, side
by side; their answers are combined as the proposal says, by votes of the solver. Problems that are
simple enough, or too deep down, are solved at once, by votes as well.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.questions.desk import Desk
from agents.questions.election import Election, elect
from agents.questions.forms import plain
from agents.questions.plain import Asked, fresh_election, solve_fields
from agents.questions.prompting import FORMS
from agents.questions.trace import Node
from engines.concurrency import together
from tasks.base import RedFlag
from tasks.questions.base import Kind

AT_ONCE = "ATOMIC"

_SPLIT = re.compile(
    r"^FIRST:[ \t]*(\S.*?)\s*\nSECOND:[ \t]*(\S.*?)\s*\nCOMBINE:[ \t]*(\S.*?)\s*$", re.M
)


@dataclass(frozen=True)
class Split:
    """A way to solve a problem by two others."""

    first: str
    second: str
    combine: str

    def __str__(self) -> str:
        return f"FIRST: {self.first}\nSECOND: {self.second}\nCOMBINE: {self.combine}"


class Divided(Asked, total=False):
    """A problem, how it is to be divided (None: not at all), and what was done so far."""

    split: Split | None
    children: list[Node]
    parts: tuple[Node, Node]


def read_proposal(text: str) -> str:
    """A proposal in its one form: ``ATOMIC`` or three lines. Raises RedFlag for all else."""
    text = plain("decompose", text)
    if text.strip() == AT_ONCE:
        return AT_ONCE
    found = _SPLIT.findall(text)
    if len(found) != 1:
        raise RedFlag("malformed")
    return str(Split(*found[0]))


def read_split(proposal: str) -> Split | None:
    """The split of a proposal that :func:`read_proposal` returned; None for ``ATOMIC``."""
    match = _SPLIT.search(proposal)
    return Split(*match.groups()) if match else None


def read_choice(text: str, most: int) -> str:
    """The number of the proposal that a judge chose, from 1 to ``most``. Raises RedFlag."""
    number = plain("judge", text).strip().rstrip(".")
    if number not in map(str, range(1, most + 1)):  # never int(): it fails on digits such as ②
        raise RedFlag("no such proposal")
    return number


def part_kind(kind: Kind) -> Kind:
    """The kind of a part's answer: parts of sums are numbers, all else is left open."""
    return "number" if kind == "number" else "math"


class _Recursion:
    """The nodes of the graph, for one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.graph: CompiledStateGraph[Divided]

    async def propose(self, state: Divided) -> Divided:
        """Draw proposals, and let the judge choose where they differ."""
        manner = self.desk.manner
        if state["depth"] >= manner.max_depth:
            return {"split": None, "children": []}
        count = manner.proposals
        ballot = Election(read_proposal, str.__eq__, count + 1)
        fields = {"question": state["question"]}
        await ballot.count(await self.desk.ask("decomposer", "decompose", fields, count=count))
        node = ballot.node("decomposition", state["question"])
        node.pop("note", None)
        chosen, children = ballot.winner, [node]
        if len(ballot.spoken) > 1:
            choice = await self._choose(state["question"], list(ballot.spoken))
            children.append(choice)
            chosen = choice["answer"]
        return {"split": read_split(chosen) if chosen else None, "children": children}

    async def _choose(self, question: str, proposals: list[str]) -> Node:
        """The judge's vote, by number."""
        listed = "\n\n".join(f"{at}.\n{text}" for at, text in enumerate(proposals, 1))
        read = partial(read_choice, most=len(proposals))
        election = Election(read, str.__eq__, self.desk.manner.k)
        fields = {"question": question, "proposals": listed}
        await elect(self.desk, "judge", "judge", fields, election)
        node = election.node("choice", question)
        number = election.winner
        node["answer"] = proposals[int(number) - 1] if number else None
        return node

    async def solve(self, state: Divided) -> Divided:
        """Solve at once, by votes."""
        election = fresh_election(state["kind"], self.desk.manner.k)
        await elect(self.desk, "solver", "solve", solve_fields(state), election)
        return {"node": self._done(election.node("vote", state["question"]), state)}

    async def divide(self, state: Divided) -> Divided:
        """Solve both parts, side by side."""
        split = state["split"]
        assert split is not None
        first, second = await together(
            self._part(state, part) for part in (split.first, split.second)
        )
        return {"parts": (first, second)}

    async def _part(self, state: Divided, question: str) -> Node:
        part: Divided = {
            "question": question,
            "kind": part_kind(state["kind"]),
            "depth": state["depth"] + 1,
        }
        done: Divided = await self.graph.ainvoke(part)  # type: ignore[assignment]
        return done["node"]

    async def compose(self, state: Divided) -> Divided:
        """Combine the parts' answers, by votes; a part without an answer leaves none."""
        split, parts = state["split"], state["parts"]
        assert split is not None
        answers = [part["answer"] for part in parts]
        children = [*state["children"], *parts]
        if None in answers:
            lost: Node = {"kind": "composition", "question": state["question"], "answer": None}
            return {"node": lost | {"children": children, "note": "a part has no answer"}}
        fields = {
            "form": FORMS[state["kind"]],
            "question": state["question"],
            "first": split.first,
            "first_answer": str(answers[0]),
            "second": split.second,
            "second_answer": str(answers[1]),
            "combine": split.combine,
        }
        election = fresh_election(state["kind"], self.desk.manner.k)
        await elect(self.desk, "solver", "compose", fields, election)
        node = election.node("composition", state["question"])
        return {"node": node | {"children": children}}

    def _done(self, node: Node, state: Divided) -> Node:
        return node | {"children": state["children"]} if state["children"] else node


def _way(state: Divided) -> Literal["solve", "divide"]:
    return "divide" if state["split"] else "solve"


def build_recursive(desk: Desk) -> CompiledStateGraph[Divided]:
    """The graph of one desk; it calls itself for the parts of a problem."""
    recursion = _Recursion(desk)
    graph = StateGraph(Divided)
    graph.add_node("propose", recursion.propose)
    graph.add_node("solve", recursion.solve)
    graph.add_node("divide", recursion.divide)
    graph.add_node("compose", recursion.compose)
    graph.add_edge(START, "propose")
    graph.add_conditional_edges("propose", _way)
    graph.add_edge("divide", "compose")
    graph.add_edge("solve", END)
    graph.add_edge("compose", END)
    recursion.graph = graph.compile()
    return recursion.graph
