"""``reason train data``: questions, decompositions to imitate, and the solver's first answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import track

from agents.questions.desk import Manner
from agents.questions.prompting import MICRO, load_prompts
from engines.spec import check_spec, is_micro, open_engine
from reason.commands.asking import ClusterFlag
from reason.commands.common import stderr
from reason.commands.training import (
    AsJson,
    Concurrency,
    Seed,
    SolverFlag,
    done,
    need_training,
    open_solver,
    solver_options,
)
from reason.errors import UsageError
from runs.lines import LineWriter, read_lines

if TYPE_CHECKING:
    from training.decomposer.rollout import Trying
    from training.decomposer.rows import Row

CHAINS = 10000


def data(
    source: Annotated[
        str, typer.Argument(help="chains, socratic:FILE, questions:FILE or distill:FILE.")
    ],
    out: Annotated[Path, typer.Option(help="JSONL file of rows; rows in it are kept.")],
    solver: SolverFlag = "embedded",
    teacher: Annotated[str | None, typer.Option(help="Model spec that distill: asks.")] = None,
    proposals: Annotated[int, typer.Option(min=1, help="Asked of the teacher, per row.")] = 4,
    count: Annotated[int | None, typer.Option(min=1, help="Only so many rows.")] = None,
    seed: Seed = 1,
    solver_tokens: Annotated[int, typer.Option(min=1, help="Cap of the answers.")] = 512,
    concurrency: Concurrency = None,
    engine_cluster: ClusterFlag = None,
    as_json: AsJson = False,
) -> None:
    """Make decomposer data: questions, subquestions to imitate, the solver's first answers."""
    need_training()
    if source.startswith("distill:") != (teacher is not None):
        raise UsageError("distill:FILE and --teacher SPEC must be given together")
    rows = _rows(source, count, seed)
    rollouts = open_solver(solver, Manner(max_tokens=solver_tokens), concurrency, engine_cluster)
    with LineWriter(out) as lines:
        left = _left(rows, lines, out)
        asyncio.run(_write(left, rollouts, teacher, proposals, concurrency, lines))
    written = len(read_lines(out))
    done(f"{written:,} rows in {out}", as_json=as_json, rows=written, out=str(out))


def _rows(source: str, count: int | None, seed: int) -> "list[Row]":
    from training.decomposer.sources import chain_rows, question_rows, socratic_rows

    kind, _, name = source.partition(":")
    if kind == "chains" and not name:
        return chain_rows(count or CHAINS, seed)
    readers = {"socratic": socratic_rows, "questions": question_rows, "distill": question_rows}
    if kind not in readers or not name:
        raise UsageError(
            f"unknown source {source!r}: there are chains, socratic:FILE, questions:FILE and "
            "distill:FILE"
        )
    return readers[kind](Path(name))[:count]


def _left(rows: "Sequence[Row]", lines: LineWriter, out: Path) -> "list[Row]":
    """The rows that are not in a file yet. Raises UsageError where other rows have their ids."""
    kept = {str(row.get("id")): row.get("question") for row in lines.rows()}
    for row in rows:
        if kept.get(row.id, row.question) != row.question:
            raise UsageError(
                f"{out} holds another question as {row.id!r}, of another source or --seed: "
                "name another --out"
            )
    return [row for row in rows if row.id not in kept]


async def _write(
    rows: "Sequence[Row]",
    rollouts: "Trying",
    teacher: str | None,
    proposals: int,
    concurrency: int | None,
    lines: LineWriter,
) -> None:
    from training.decomposer.sources import with_first_answers

    made = with_first_answers(rows, rollouts)
    if teacher:
        made = _taught(made, rollouts, teacher, proposals, concurrency)
    bar = iter(track(range(len(rows)), "rows", console=stderr, transient=True))
    try:
        async for row in made:
            lines.write(row.to_dict())
            next(bar, None)
    finally:
        await rollouts.close()


async def _taught(
    rows: "AsyncIterator[Row]",
    rollouts: "Trying",
    teacher: str,
    proposals: int,
    concurrency: int | None,
) -> "AsyncIterator[Row]":
    """The rows with the best of a teacher's decompositions; those that none helped fall away."""
    from training.decomposer.sources import distilled

    options = solver_options(concurrency)
    check_spec(teacher, options)
    engine = open_engine(teacher, options)
    words = load_prompts(MICRO if is_micro(teacher) else None)
    try:
        async for row in distilled(rows, engine, words, rollouts, proposals):
            yield row
    finally:
        await engine.close()
