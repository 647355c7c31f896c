"""``daslam``: a small decomposer guides a black-box solver (DaSLaM, EMNLP 2023, Figure 1).

answer -> decompose -> answer the subquestions in order -> answer again

The solver answers first. The decomposer reads the question *and that answer*, so it can ask about
what went wrong. The solver answers each subquestion with all earlier ones before it, and then the
question anew, voted on with the first answer as one of the votes. The solver sees prompts and
gives text: nothing else of it is used, so any solver will do, trained against or not.
"""

import re
from functools import partial

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.questions.desk import Desk
from agents.questions.election import Election, elect
from agents.questions.forms import plain
from agents.questions.plain import Asked, fresh_election, solve_fields
from agents.questions.prompting import FORMS
from agents.questions.trace import Node
from engines.base import Sample
from tasks.base import RedFlag
from tasks.questions.answers import alike, extract

TRIES = 3  # answers to one prompt before a red-flagged one is given up

_LINE = re.compile(r"^\s*\d+\s*[.):]\s*(\S.*?)\s*$", re.M)


class Guided(Asked, total=False):
    """The question, the first answer, and what was asked on the way.

    A first answer or subquestions that are there from the start are not asked for again: training
    brings both.
    """

    first: Sample
    subquestions: list[str]
    answers: list[str]
    children: list[Node]


def read_subquestions(text: str, most: int) -> list[str]:
    """The numbered lines of a decomposer's answer. Raises RedFlag for none, or for too many."""
    lines = _LINE.findall(plain("subquestions", text))
    if not lines:
        raise RedFlag("no subquestions")
    if len(lines) > most:
        raise RedFlag("too many subquestions")
    return [str(line) for line in lines]


def known(subquestions: list[str], answers: list[str]) -> str:
    """Questions answered so far, as they stand in prompts; empty when there is none."""
    pairs = zip(subquestions, answers, strict=False)
    return "\n".join(f"Question: {asked}\nAnswer: {said}" for asked, said in pairs)


def decomposer_fields(question: str, attempt: str, most: int) -> dict[str, str]:
    """What the prompt ``subquestions`` is filled with, in training as in use."""
    return {"question": question, "attempt": attempt.strip(), "most": str(most)}


class _Guide:
    """The nodes of the graph, for one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def answer(self, state: Guided) -> Guided:
        if "first" in state:
            return {}
        (first,) = await self.desk.ask("solver", "solve", solve_fields(state))
        return {"first": first}

    async def decompose(self, state: Guided) -> Guided:
        if "subquestions" in state:
            return {"children": []}
        most = self.desk.manner.max_subquestions
        fields = decomposer_fields(state["question"], state["first"].text, most)
        texts, subquestions = [], list[str]()
        for draw in range(TRIES):
            (sample,) = await self.desk.ask("decomposer", "subquestions", fields, first=draw)
            texts.append(sample.text)
            try:
                subquestions = _whole(sample, most)
                break
            except RedFlag:
                continue
        node: Node = {
            "kind": "decomposition",
            "question": state["question"],
            "answer": "\n".join(subquestions) or None,
            "flagged": len(texts) - bool(subquestions),
            "texts": texts,
        }
        return {"subquestions": subquestions, "children": [node]}

    async def sub_answers(self, state: Guided) -> Guided:
        answers: list[str] = []
        children = list(state["children"])
        for asked in state["subquestions"]:
            node = await self._sub_answer(state, asked, answers)
            children.append(node)
            answers.append(node["answer"] or "unknown")
        return {"answers": answers, "children": children}

    async def _sub_answer(self, state: Guided, asked: str, answers: list[str]) -> Node:
        fields = {
            "question": state["question"],
            "known": known(state["subquestions"], answers),
            "subquestion": asked,
        }
        manner = self.desk.manner
        election = Election(partial(extract, kind="text"), alike, manner.sub_k)
        most = TRIES if manner.sub_k == 1 else manner.max_votes
        await elect(self.desk, "solver", "subquestion", fields, election, most)
        return election.node("subquestion", asked)

    async def again(self, state: Guided) -> Guided:
        election = fresh_election(state["kind"], self.desk.manner.k)
        await election.count([state["first"]])
        fields = {
            "form": FORMS[state["kind"]],
            "question": state["question"],
            "known": known(state["subquestions"], state["answers"]),
        }
        if state["subquestions"]:
            await elect(self.desk, "solver", "again", fields, election)
        else:  # no guidance came: what is left is a plain vote
            await elect(self.desk, "solver", "solve", solve_fields(state), election)
        node = election.node("daslam", state["question"])
        node["children"] = state["children"]
        return {"node": node}


def _whole(sample: Sample, most: int) -> list[str]:
    if sample.finish == "length":
        raise RedFlag("length")
    return read_subquestions(sample.text, most)


def build_daslam(desk: Desk) -> CompiledStateGraph[Guided]:
    """The graph of one desk."""
    guide = _Guide(desk)
    graph = StateGraph(Guided)
    graph.add_node("answer", guide.answer)
    graph.add_node("decompose", guide.decompose)
    graph.add_node("sub_answers", guide.sub_answers)
    graph.add_node("again", guide.again)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", "decompose")
    graph.add_edge("decompose", "sub_answers")
    graph.add_edge("sub_answers", "again")
    graph.add_edge("again", END)
    return graph.compile()
