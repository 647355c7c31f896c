"""``reason eval``: a run of ``reason solve`` with a report at its end."""

import asyncio
import functools
from datetime import datetime
from itertools import pairwise
from typing import Any

import typer
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from evals.anatomy import figures
from evals.report import write_report
from reason.commands import solve
from reason.commands.common import stderr
from reason.session import RunConfig
from runs.store import RunDir

app = typer.Typer(help="Evaluate models on tasks, with a report.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """An evaluation is a run like every other: it resumes, and its journal can be verified."""


@app.command()
@functools.wraps(solve.hanoi)
def hanoi(**arguments: Any) -> None:
    """Towers of Hanoi with a report: 20 disks are the million-step task of the MAKER paper."""
    code, run = solve.solve_hanoi(**arguments)
    if run is not None:
        page = make_report(run)
        if not arguments["quiet"]:
            stderr.print(f"report: {page}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def make_report(run: RunDir) -> str:
    """Write ``report.json`` and ``report.html`` into the run's directory."""
    config = RunConfig.from_dict(run.config)
    with run.journal(config.genesis, readonly=True) as journal:
        data = figures(journal)
    data["rate_over_time"] = asyncio.run(_rates(run))
    return str(write_report(run.path, run.summary() or {}, data))


async def _rates(run: RunDir) -> list[tuple[int, float]]:
    """(step, steps per second) between the graph's checkpoints, which carry a time each."""
    thread: RunnableConfig = {"configurable": {"thread_id": run.run_id}}
    seen: dict[int, float] = {}
    async with AsyncSqliteSaver.from_conn_string(str(run.checkpoints_path)) as saver:
        async for item in saver.alist(thread):
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
