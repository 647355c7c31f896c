"""``reason eval``: a run of ``reason solve`` with a report at its end."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from evals.anatomy import figures
from evals.report import write_report
from reason.asking import AskOptions
from reason.checkpoints import open_saver, thread_of
from reason.commands import solve
from reason.commands.asking import ask_options, asks
from reason.commands.common import print_json, stderr, stdout
from reason.commands.tasks import Form, TaskGroup
from reason.daslam import configurations, read_named
from reason.qa import run_qa
from reason.run_config import saved_config
from runs.store import RunDir
from tasks.catalog import Description


def evaluate(task: Description, flags: Mapping[str, Any]) -> None:
    """Solve the problem, write the report, and exit with the run's code."""
    code, run = solve.solve_task(task, flags)
    if run is not None:
        page = make_report(run)
        if not flags["quiet"]:
            stderr.print(f"report: {page}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


MANY = 5  # strategies, beyond which the comparisons of all pairs stand in the report alone


class Evaluations(TaskGroup):
    """``eval hanoi``, ``eval sorting``, ... besides ``eval qa``."""

    form = Form(solve.FLAGS, evaluate, "A run with a report at its end. {}")


app = typer.Typer(
    cls=Evaluations, help="Evaluate models on tasks, with a report.", no_args_is_help=True
)


@app.callback()
def group() -> None:
    """An evaluation is a run like every other: it resumes, and its journal can be verified."""


@app.command()
@asks()
def qa(
    data: Annotated[
        str, typer.Option(help="JSONL file of questions with answers, or gym:GENERATOR.")
    ],
    strategy: Annotated[
        list[str], typer.Option(help="direct, vote, recursive, daslam or auto; several compare.")
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions.")] = None,
    seed: Annotated[int, typer.Option(help="Of the questions that a generator makes.")] = 0,
    run_dir: Annotated[
        Path | None, typer.Option(help="Directory of the evaluation; one that exists is gone on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    **flags: Any,
) -> None:
    """Question answering: accuracy with intervals, strategies compared on the same questions."""
    every = {name: ask_options(name, flags) for name in dict.fromkeys(strategy)}
    _compare(data, limit, seed, every, run_dir, as_json=as_json, quiet=quiet)


@app.command()
@asks(model="embedded", temperature=0.0, parallel=32)
def daslam(
    data: Annotated[str, typer.Option(help="chains, JSONL file, or gym:GENERATOR.")] = "chains",
    decomposer: Annotated[
        list[str] | None, typer.Option(help="NAME=SPEC of one more decomposer; repeatable.")
    ] = None,
    second_solver: Annotated[
        str | None, typer.Option(help="Spec of a solver that no decomposer was trained on.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Only the first questions.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the questions that are made.")] = 0,
    run_dir: Annotated[
        Path | None, typer.Option(help="Directory of the evaluation; one that exists is gone on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    **flags: Any,
) -> None:
    """What a decomposer adds: solver alone, prompted, fine-tuned, after policy gradient."""
    base = ask_options("direct", {**flags, "decomposer": None})
    every = configurations(base, read_named(decomposer or []), second_solver)
    _compare(data, limit, seed, every, run_dir, as_json=as_json, quiet=quiet)


def _compare(
    data: str,
    limit: int | None,
    seed: int,
    every: Mapping[str, AskOptions],
    run_dir: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Answer, score, and tell."""
    result = run_qa(data, limit, seed, every, run_dir, quiet=quiet)
    if as_json:
        print_json(result.to_dict())
    elif not quiet:
        stdout().print(
            result.table(),
            *(result.pairs() if len(every) <= MANY else []),
            sep="\n",
            highlight=False,
        )
        stderr.print(f"report: {result.page}", highlight=False, soft_wrap=True)


def make_report(run: RunDir) -> str:
    """Write ``report.json`` and ``report.html`` into the run's directory."""
    config = saved_config(run)
    with run.journal(config.genesis, readonly=True) as journal:
        data = figures(journal)
    data["rate_over_time"] = asyncio.run(_rates(run))
    return str(write_report(run.path, run.summary() or {}, data))


async def _rates(run: RunDir) -> list[tuple[int, float]]:
    """(step, steps per second) between the graph's checkpoints, which carry a time each."""
    seen: dict[int, float] = {}
    async with open_saver(run) as saver:
        async for item in saver.alist(thread_of(run)):
            step = item.checkpoint["channel_values"].get("step")
            if step is not None:
                seen[int(step)] = _seconds(item.checkpoint["ts"])
    marks = sorted(seen.items())
    return [
        (after, (after - before) / (then - now))
        for (before, now), (after, then) in pairwise(marks)
        if then > now
    ]


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
