"""Progress for people, on stderr: a live panel on a terminal, a plain line now and then in a log.

Displays only read :class:`agents.status.RunStatus`; the run never waits for them.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from agents.calibration import Skill
from agents.forecast import Forecast, Interval
from agents.status import RunStatus
from reason.summary import Summary

LOG_SECONDS = 10.0

Picture = Callable[[object], str]


@contextmanager
def show_progress(
    status: RunStatus, picture: Picture, console: Console, quiet: bool
) -> Iterator[None]:
    """Show ``status`` until the block ends."""
    if quiet:
        yield
    elif console.is_terminal:
        panel = Live(
            get_renderable=lambda: _panel(status, picture),
            console=console,
            refresh_per_second=8,
            transient=True,
        )
        with panel:
            yield
    else:
        with _log_lines(status, console):
            yield


@contextmanager
def _log_lines(status: RunStatus, console: Console) -> Iterator[None]:
    over = threading.Event()

    def write() -> None:
        while not over.wait(LOG_SECONDS):
            console.print(progress_line(status), highlight=False, soft_wrap=True)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def progress_line(status: RunStatus) -> str:
    """All figures of a running run in one line."""
    total = f"/{status.steps_total:,}" if status.steps_total else ""
    parts = [
        f"{status.phase}: step {status.steps:,}{total}",
        f"{status.rate:,.1f} steps/s",
        f"ETA {_clock(status.eta)}",
        f"{status.votes / max(1, status.steps):.2f} votes/step",
        f"{status.flagged:,} flagged",
        f"{status.tokens:,} tokens",
        money(status.usd),
    ]
    if status.k:
        parts.insert(1, f"k={status.k}")
    return ", ".join(parts)


def _panel(status: RunStatus, picture: Picture) -> Group:
    parts: list[object] = []
    drawing = picture(status.state) if status.state is not None else ""
    if drawing:
        parts.append(Text(drawing, style="cyan"))
    if status.steps_total:
        bar = Table.grid()  # a bar alone would not end its line
        bar.add_row(ProgressBar(total=status.steps_total, completed=status.steps, width=64))
        parts.append(bar)
    parts.append(Text(progress_line(status)))
    if status.note:
        parts.append(Text(status.note, style="yellow"))
    return Group(*parts)  # type: ignore[arg-type]


def _clock(seconds: float | None) -> str:
    return "-" if seconds is None else str(timedelta(seconds=round(seconds)))


def money(usd: float | None) -> str:
    """Dollars, or that they are unknown."""
    return "cost unknown" if usd is None else f"${usd:,.4f}"


def show_summary(summary: Summary, console: Console) -> None:
    """The outcome as a small table."""
    colour = (
        "green" if summary.status == "solved" else "red" if summary.status == "wrong" else "yellow"
    )
    verdict = Text.assemble((summary.status, colour), ", verified" if summary.verified else "")
    total = f" of {summary.steps_total:,}" if summary.steps_total else ""
    per_step = summary.votes / max(1, summary.steps)
    rate = summary.steps / max(1e-9, summary.seconds)
    rows: dict[str, str | Text] = {
        summary.task: verdict,
        "steps": f"{summary.steps:,}{total}",
        "votes": f"{summary.votes:,} ({per_step:.2f} a step, k={summary.k}), "
        f"{summary.flagged:,} red-flagged, {summary.surplus_votes:,} surplus",
        "model": summary.model,
        "tokens": f"{summary.tokens.prompt:,} in, {summary.tokens.completion:,} out, "
        f"{money(summary.cost_usd)}",
        "time": f"{summary.seconds:,.1f} s ({rate:,.1f} steps/s)",
        "run": summary.run_dir,
    }
    if summary.result:
        rows["result"] = Text(summary.result, overflow="fold")
    console.print(named(rows))


def named(rows: Mapping[str, str | Text]) -> Table:
    """Values with their names before them; nothing in them is taken for markup."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), value if isinstance(value, Text) else Text(value))
    return table


def forecast_table(skill: Skill | None, seen: Forecast) -> Table:
    """A forecast, and what it was measured on, as a small table."""
    colour = {"feasible": "green", "infeasible": "red", "undecided": "yellow"}[seen.verdict]
    rows: dict[str, str | Text] = {f"{seen.steps:,} steps": Text(seen.verdict, style=colour)}
    if skill:
        rows |= _skill_rows(skill)
    low, middle, high = ("none" if k is None else str(k) for k in seen.k_range)
    rows["k"] = f"{seen.k or 'none'} (for p high, estimated, low: {low}, {middle}, {high})"
    rows["success"] = f"{_interval(seen.success)}, target {seen.target:g}"
    if seen.votes is not None and seen.answers is not None:
        rows["votes"] = f"{seen.votes:,.0f} valid, {seen.answers:,.0f} answers"
    if seen.tokens:
        rows["tokens"] = f"{seen.tokens[0]:,.0f} in, {seen.tokens[1]:,.0f} out"
    rows["cost"] = money(seen.cost_usd)
    if seen.seconds:
        rows["time"] = ", ".join(f"{k} {_clock(t)}" for k, t in seen.seconds._asdict().items())
    rows |= {"advice": seen.advice} if seen.advice else {}
    if seen.blind and seen.blind < 1e6:
        rows["unseen"] = (
            f"steps lost to an error that all votes share, if fewer than {seen.blind:,.0f} in a "
            "million, may not show in this sample"
        )
    return named(rows)


def _skill_rows(skill: Skill) -> dict[str, str]:
    lost = sum(contest.lost for contest in skill.contests)
    return {
        "p": f"{_interval(skill.p)} ({skill.right:,} of {skill.valid:,} valid answers right)",
        "v": f"{_interval(skill.v)} ({skill.valid:,} of {skill.samples:,} answers valid)",
        "hard steps": f"{len(skill.contests)} not right at first; at {lost} of them a wrong answer "
        "leads" + (f" (about {skill.lost:.2%} of all steps)" if lost else ""),
        "one answer": f"{skill.prompt_tokens:.0f} tokens in, {skill.completion_tokens:.0f} out, "
        f"{skill.latency * 1000:,.1f} ms alone, {skill.throughput:,.0f} a second together",
    }


def _interval(figure: Interval) -> str:
    if figure.low == figure.high:
        return f"{figure.estimate:.6g}"
    return f"{figure.estimate:.6g} ({figure.low:.6g} to {figure.high:.6g})"
