"""One decomposition tried out: the ``daslam`` graph around a frozen, black-box solver.

The first answer is known beforehand and the decomposition comes from the model in training, so a
rollout costs only the sub-answers and the last vote. A decomposition that cannot be read helps
nobody: it leaves the question as the first answer did, without a call.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from agents.questions.daslam import Guided, build_daslam, read_subquestions
from agents.questions.desk import Desk, Manner, Role
from agents.questions.plain import solve_fields
from agents.questions.prompting import Prompts
from agents.questions.trace import Node
from agents.spending import Spending
from engines.base import Engine, Sample
from reason.errors import EngineError, NoConvergence, TerminalEngineError
from tasks.base import RedFlag
from tasks.questions.answers import extract, is_right
from tasks.questions.base import Kind
from training.decomposer.rows import Row


@dataclass(frozen=True)
class Rollout:
    """What came of one decomposition.

    Attributes:
        subquestions: as read; none where the decomposition was red-flagged.
        answers: the solver's texts to them, in order.
        final: the text that the last vote was won by; empty where there was none.
        before, after: whether the first and the last answer are right.
    """

    subquestions: tuple[str, ...]
    answers: tuple[str, ...]
    final: str
    before: bool
    after: bool


class Trying(Protocol):
    """Whoever tries decompositions out on a solver.

    Attributes:
        spec: the solver's, as the user wrote it.
        manner: margin and limits of a question.
    """

    spec: str
    manner: Manner

    async def first(self, row: Row) -> str:
        """The solver's own first answer. Raises EngineError."""
        ...

    async def run(self, row: Row, decomposition: str) -> Rollout | None:
        """Try a decomposition; None when the solver failed."""
        ...

    async def close(self) -> None:
        """Free the solver."""
        ...


class Rollouts:
    """Tries decompositions out on one solver.

    Args:
        solver: the black box.
        words: its prompts.
        manner: margin and limits of a question.
    """

    def __init__(self, solver: Engine, words: Prompts, manner: Manner) -> None:
        self.solver, self.words, self.manner = solver, words, manner
        self.spec = solver.spec
        self.spending = Spending([solver])

    def _desk(self) -> Desk:
        engines: dict[Role, Engine] = {"solver": self.solver}
        return Desk(engines, self.manner, {"solver": self.words}, self.spending)

    async def first(self, row: Row) -> str:
        """The solver's own first answer. Raises EngineError."""
        fields = solve_fields({"question": row.question, "kind": row.kind})
        (sample,) = await self._desk().ask("solver", "solve", fields)
        return sample.text

    async def close(self) -> None:
        """Free the solver."""
        await self.solver.close()

    async def run(self, row: Row, decomposition: str) -> Rollout | None:
        """Try a decomposition; None when the solver failed, so that nothing false is learnt.

        Raises TerminalEngineError: no later rollout could fare better.
        """
        first, before = row.first or "", is_right_text(row, row.first or "")
        try:
            asked = read_subquestions(decomposition, self.manner.max_subquestions)
        except RedFlag:
            return Rollout((), (), first, before, before)
        try:
            node = await self._guided(row, first, asked)
        except TerminalEngineError:
            raise
        except EngineError:
            return None
        except NoConvergence:
            return Rollout(tuple(asked), (), "", before, after=False)
        return _read(row, node, tuple(asked), before)

    async def _guided(self, row: Row, first: str, asked: list[str]) -> Node:
        state: Guided = {
            "question": row.question,
            "kind": row.kind,
            "depth": 0,
            "first": Sample(first, "stop", 0, 0, self.solver.model),
            "subquestions": asked,
        }
        done: dict[str, Any] = await build_daslam(self._desk()).ainvoke(state)
        node: Node = done["node"]
        return node


def _read(row: Row, node: Node, asked: tuple[str, ...], before: bool) -> Rollout:
    answers = tuple(child["texts"][-1] for child in node["children"] if child.get("texts"))
    after = node["answer"] is not None and is_right(node["answer"], row.answer, row.kind)
    return Rollout(asked, answers, _spoken(node, row.kind), before, after)


def _spoken(node: Node, kind: Kind) -> str:
    """The first text that gave the winning answer."""
    for text in node["texts"]:
        try:
            if extract(text, kind) == node["answer"]:
                return text
        except RedFlag:
            continue
    return ""


def is_right_text(row: Row, text: str) -> bool:
    """Whether a text's final answer is the right one."""
    try:
        return is_right(extract(text, row.kind), row.answer, row.kind)
    except RedFlag:
        return False
