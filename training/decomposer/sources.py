"""Where decomposer data comes from: made-up chains, socratic files, question sets, a teacher.

A source gives questions, right answers and, but for plain question sets, subquestions to imitate.
The solver's first answers are added to all of them by :func:`with_first_answers`.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from agents.questions.daslam import decomposer_fields
from agents.questions.desk import Desk
from agents.questions.prompting import Prompts
from agents.spending import Spending
from engines.base import Engine
from engines.concurrency import together
from reason.errors import UsageError
from tasks.chains.problems import Operation, Problem, draw_where
from tasks.chains.subquestions import human_like
from tasks.questions.answers import canonical
from tasks.questions.files import load_questions
from training.decomposer.rollout import Rollout, Trying
from training.decomposer.rows import Row

_ANNOTATION = re.compile(r"<<[^<>]*>>")  # GSM8K's notes for a calculator, said in the text too

AT_ONCE = 32  # rows worked on side by side


def chain_rows(
    count: int, seed: int, operations: tuple[int, int] = (2, 6), *, held_out: bool = False
) -> list[Row]:
    """Chain problems with human-like decompositions; ``held_out`` gives those of evaluations."""
    rng = Random(f"chains {seed}")
    rows: dict[str, Row] = {}
    while len(rows) < count:
        problem = draw_where(rng, rng.randint(*operations), held_out=held_out)
        if problem.text in rows:
            continue
        rows[problem.text] = _chain_row(rng, problem, len(rows))
    return list(rows.values())


def _chain_row(rng: Random, problem: Problem, at: int) -> Row:
    asked = tuple(one.text for one in human_like(rng, problem))
    steps = zip(problem.values, problem.operations, problem.values[1:], strict=False)
    solution = "\n".join(f"{value} {_sign(done)} = {after}" for value, done, after in steps)
    answer = str(problem.answer)
    return Row(f"chain-{at}", problem.text, "number", answer, asked, solution)


def _sign(operation: Operation) -> str:
    if operation.half:
        return "/ 2"
    if operation.times != 1:
        return f"* {operation.times}"
    return f"+ {operation.add}" if operation.add > 0 else f"- {-operation.add}"


def socratic_rows(path: Path) -> list[Row]:
    """GSM8K in its socratic form: lines ``subquestion ** step``, then ``#### answer``.

    Raises UsageError that names the line at fault.
    """
    rows = []
    for at, line in enumerate(_lines(path), 1):
        try:
            data = json.loads(line)
            text, question = str(data["answer"]), str(data["question"])
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path} line {at} is no row of question and answer") from None
        steps, mark, answer = text.rpartition("####")
        pairs = [step.split("**", 1) for step in steps.splitlines() if "**" in step]
        if not mark or not pairs:
            raise UsageError(f"{path} line {at} is not socratic: 'subquestion ** step', '#### n'")
        asked = tuple(pair[0].strip() for pair in pairs)
        solution = "\n".join(_ANNOTATION.sub("", pair[1]).strip() for pair in pairs)
        gold = canonical(answer, "number")
        rows.append(Row(f"{path.stem}-{at}", question, "number", gold, asked, solution))
    return rows


def question_rows(path: Path) -> list[Row]:
    """Any question set with right answers: nothing to imitate, but something to be rewarded on."""
    return [
        Row(question.id, question.text, question.kind, question.gold)
        for question in load_questions(path)
        if question.gold is not None
    ]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None


async def with_first_answers(rows: Sequence[Row], rollouts: Trying) -> AsyncIterator[Row]:
    """The rows in order, each with the solver's first answer. Raises EngineError."""
    for at in range(0, len(rows), AT_ONCE):
        part = rows[at : at + AT_ONCE]
        for row, first in zip(
            part, await together(rollouts.first(row) for row in part), strict=True
        ):
            yield replace(row, first=first)


async def distilled(
    rows: AsyncIterator[Row],
    teacher: Engine,
    words: Prompts,
    rollouts: Trying,
    proposals: int,
) -> AsyncIterator[Row]:
    """Rows with the teacher's best decomposition, those left out that helped nobody.

    The teacher proposes several; each is tried on the solver, which the rows' first answers must
    come from. Kept is the shortest of those that led to the right answer.
    """
    manner = rollouts.manner
    desk = Desk({"decomposer": teacher}, manner, {"decomposer": words}, Spending([teacher]))

    async def best(row: Row) -> Row | None:
        fields = decomposer_fields(row.question, row.first or "", manner.max_subquestions)
        samples = await desk.ask("decomposer", "subquestions", fields, first=1, count=proposals)
        whole = [sample.text for sample in samples if sample.finish != "length"]
        tried = [await rollouts.run(row, text) for text in whole]
        return _shortest(row, [rollout for rollout in tried if rollout is not None])

    async for part in _parts(rows):
        for row in await together(best(row) for row in part):
            if row is not None:
                yield row


async def _parts(rows: AsyncIterator[Row]) -> AsyncIterator[list[Row]]:
    """The rows in lists short enough to be worked on at once."""
    part: list[Row] = []
    async for row in rows:
        part.append(row)
        if len(part) == AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _shortest(row: Row, tried: Sequence[Rollout]) -> Row | None:
    helped = [rollout.subquestions for rollout in tried if rollout.subquestions and rollout.after]
    return replace(row, subquestions=min(helped, key=len)) if helped else None
